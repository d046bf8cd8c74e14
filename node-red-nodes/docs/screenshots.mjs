// Starts the emulated community on free ports and writes a screenshot of every dashboard page, as a laptop and as a
// phone see it, to this folder: `npm run screenshots -w node-red-nodes`. Needs a built project and chromium.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const PAGES = ['community', 'deals', 'house', 'grid', 'faults', 'emulator'];
const VIEWPORTS = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
/** So long the community runs before pictures are taken: plots and tables need a past. */
const RUN_MSEC = Number(process.env.RUN_SECONDS ?? 90) * 1000;
const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** Gives what the process has printed up to the text; rejects with its output when it ends before. */
const said = (child, text) =>
  new Promise((resolve, reject) => {
    let output = '';
    const hear = (chunk) => {
      output += String(chunk);
      if (output.includes(text)) resolve(output);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('exit', (code) => reject(new Error(`apis up ended with ${code}: ${output}`)));
  });

const logIn = async (browser, site, password) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${site}/login`);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.waitForURL(`${site}/`);
  return context;
};

const takePictures = async (site, password) => {
  const executablePath = process.env.CHROMIUM ?? CANDIDATES.find((path) => existsSync(path));
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const context = await logIn(browser, site, password);
    for (const [device, viewport] of Object.entries(VIEWPORTS)) {
      for (const name of PAGES) {
        const file = device === 'desktop' ? `${name}.png` : `${name}-${device}.png`;
        const page = await context.newPage();
        await page.setViewportSize(viewport);
        await page.goto(`${site}/dashboard/${name}`);
        await page.locator('.apis-view').waitFor();
        await page.waitForTimeout(2500); // plots arrive, and pages settle
        await page.screenshot({ path: join(here, file) });
        await page.close();
        process.stderr.write(`${file}\n`);
      }
    }
  } finally {
    await browser.close();
  }
};

const data = await mkdtemp(join(tmpdir(), 'apis-screenshots-'));
const port = await freePort();
const options = ['--flow', 'flows/emulated-community.json', '--data', data, '--port', String(port)];
const child = spawn(process.execPath, ['gateway/bin/apis.js', 'up', ...options], { cwd: root });
const exited = new Promise((resolve) => child.once('exit', resolve));
try {
  const [, password] = /Password +(\S+)/.exec(await said(child, 'Stop it with Ctrl-C')) ?? [];
  await new Promise((resolve) => setTimeout(resolve, RUN_MSEC));
  await takePictures(`http://127.0.0.1:${port}`, password);
} finally {
  child.kill('SIGINT');
  await exited;
  await rm(data, { recursive: true, force: true });
}
