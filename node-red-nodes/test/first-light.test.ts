import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import t from 'tap';
import { chromiumSkip, launchChromium } from './support/chromium.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RECORDED = join(ROOT, '../shared/data');
const HOUSES = ['E001', 'E002', 'E003', 'E004'];
/** Meters are off by 0.5 % and 0.02 A (emulator.md §6.4), and two houses are summed. */
const METER_ERROR_A = 0.1;

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === 'object' && bound ? bound.port : 0));
    });
  });

interface Running {
  readonly dashboard: string;
  readonly servedMsec: number;
  readonly stop: () => Promise<number | null>;
}

/** `apis up` with the emulated community as `npm start` runs it, in a data directory and on ports of its own. */
async function startCommunity(): Promise<Running> {
  const data = await mkdtemp(join(tmpdir(), 'apis-first-light-'));
  const port = await freePort();
  const dataset = existsSync(RECORDED) ? ['--dataset', RECORDED] : [];
  const startedAt = performance.now();
  const options = ['--flow', 'flows/emulated-community.json', '--data', data, '--port', String(port), ...dataset];
  const child = spawn(process.execPath, ['gateway/bin/apis.js', 'up', ...options], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  await said(child, 'APIS Edge is running');
  return {
    dashboard: `http://127.0.0.1:${port}/dashboard/community`,
    servedMsec: performance.now() - startedAt,
    stop: async () => {
      child.kill('SIGINT');
      const code = await exited;
      await rm(data, { recursive: true, force: true });
      return code;
    },
  };
}

/** Resolves when the process has printed the text; rejects with what it said instead when it ends before. */
function said(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    const hear = (chunk: Buffer): void => {
      output += String(chunk);
      if (output.includes(text)) resolve();
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('exit', (code) => reject(new Error(`apis up ended with ${code}: ${output}`)));
  });
}

const textOf = async (page: Page, id: string): Promise<string> =>
  (await page.getByTestId(id).first().textContent()) ?? '';
const numberIn = (text: string): number => Number(text.replace('−', '-').match(/[-+]?\d+(\.\d+)?/)?.[0]);
const currents = async (page: Page): Promise<number[]> =>
  Promise.all(HOUSES.map(async (id) => numberIn(await textOf(page, `house-${id}-current`))));
const converterModes = (page: Page): Promise<string[]> =>
  Promise.all(HOUSES.map((id) => textOf(page, `converter-mode-${id}`)));

t.test(
  'first light: four houses share energy by themselves, and Force stop ends it',
  { ...chromiumSkip, timeout: 110_000 },
  async (t) => {
    const running = await startCommunity();
    t.comment(`dashboard served ${(running.servedMsec / 1000).toFixed(1)} s after the start`);
    let browser: Browser | undefined;
    try {
      browser = await launchChromium();
      const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
      const outside: string[] = [];
      const errors: string[] = [];
      page.on('request', (request) => {
        if (!request.url().startsWith('http://127.0.0.1:') && !request.url().startsWith('data:'))
          outside.push(request.url());
      });
      page.on('pageerror', (error) => errors.push(error.message));
      const openedAt = performance.now();
      await page.goto(running.dashboard);
      await page.getByTestId('house-E001').first().waitFor();

      await page.waitForFunction(
        (ids) =>
          ids.filter((id) => {
            const text = document.querySelector(`[data-testid="house-${id}-current"]`)?.textContent ?? '';
            return Math.abs(Number(text.replace('−', '-').match(/[-+]?\d+(\.\d+)?/)?.[0])) > 1.5;
          }).length >= 2,
        HOUSES,
        { timeout: 30_000 },
      );
      t.comment(`current flows ${((performance.now() - openedAt) / 1000).toFixed(1)} s after the page was asked for`);
      t.ok((await page.locator('[data-testid^="deal-"]').count()) > 0, 'a deal is shown');

      // Values of four houses arrive one after another: a moment at which all belong together is waited for.
      const balanced = async (): Promise<boolean> => {
        const all = await currents(page);
        const flowing = all.filter((current) => Math.abs(current) > 1.5);
        return flowing.length >= 2 && Math.abs(all.reduce((sum, one) => sum + one, 0)) <= METER_ERROR_A * 2;
      };
      const giveUpAt = performance.now() + 20_000;
      while (!(await balanced()) && performance.now() < giveUpAt) await page.waitForTimeout(100);
      const shown = await currents(page);
      t.ok(await balanced(), `INV-4: ${shown.join(' A, ')} A add up to nothing but the meters' error`);

      await page.getByTestId('mode-force-stop').first().click();
      await page.getByTestId('confirm').first().click();
      const stoppedAt = performance.now();
      await page.waitForFunction(
        (ids) =>
          ids.every((id) =>
            /wait/i.test(document.querySelector(`[data-testid="converter-mode-${id}"]`)?.textContent ?? ''),
          ),
        HOUSES,
        { timeout: 20_000 },
      );
      t.comment(
        `all converters shown in WAIT ${((performance.now() - stoppedAt) / 1000).toFixed(1)} s after Force stop`,
      );
      t.ok((await converterModes(page)).every((mode) => /wait/i.test(mode)));
      t.match(await textOf(page, 'global-mode'), /force stop/i);

      t.strictSame(outside, [], 'nothing is asked for from outside');
      t.strictSame(errors, [], 'the page has no errors');
    } finally {
      await browser?.close();
      t.equal(await running.stop(), 0, 'an orderly end');
    }
  },
);
