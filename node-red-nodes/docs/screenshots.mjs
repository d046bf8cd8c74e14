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
const PAGES = ['community', 'deals', 'house', 'grid'];
const BROKEN_PAGES = ['faults', 'emulator'];
const VIEWPORTS = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
/** So long the community runs before pictures are taken: plots and tables need a past. */
const RUN_MSEC = Number(process.env.RUN_SECONDS ?? 25) * 1000;
/** Plots arrive, and pages come to rest. */
const SETTLE_MSEC = 2500;
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

/** Something to see on every page: houses that give and take. */
const CHARGES = { E001: 93, E002: 84, E003: 48, E004: 27 };
/** What is broken for the pictures of the last two pages. */
const FAULTS = { heavyAlarm: 'E002', lateReply: 'E004' };

const at = async (page, site, name) => {
  await page.goto(`${site}/dashboard/${name}`);
  await page.locator('.apis-view').waitFor();
};

const setTheStage = async (page, site) => {
  await at(page, site, 'emulator');
  await page.getByTestId('mend-all').or(page.getByTestId('no-emulation')).first().waitFor();
  for (const [house, percent] of Object.entries(CHARGES))
    await page.getByTestId(`charge-${house}`).fill(String(percent));
};

const breakThings = async (page, site) => {
  await at(page, site, 'emulator');
  for (const [kind, house] of Object.entries(FAULTS)) {
    await page.getByTestId('fault-kind').selectOption(kind);
    await page.getByTestId('fault-place').selectOption(house);
    await page.getByTestId('break').click();
    await page.getByTestId(`mend-${house}-${kind}`).waitFor();
  }
};

const mend = async (page, site) => {
  await at(page, site, 'emulator');
  await page.getByTestId('mend-all').click();
  await at(page, site, 'faults');
  await page.waitForTimeout(SETTLE_MSEC);
  const acknowledge = page.locator('.apis-fault-foot .apis-button');
  // The list grows shorter with each one.
  for (let left = await acknowledge.count(); left > 0; left = await acknowledge.count()) {
    await acknowledge.first().click();
    await acknowledge.nth(left - 1).waitFor({ state: 'detached' });
  }
};

const shoot = async (page, site, name, device) => {
  await at(page, site, name);
  await page.waitForTimeout(SETTLE_MSEC);
  const file = device === 'desktop' ? `${name}.png` : `${name}-${device}.png`;
  await page.screenshot({ path: join(here, file) });
  process.stderr.write(`${file}\n`);
};

const takePictures = async (site, password) => {
  const executablePath = process.env.CHROMIUM ?? CANDIDATES.find((path) => existsSync(path));
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const page = await (await logIn(browser, site, password)).newPage();
    for (const [device, viewport] of Object.entries(VIEWPORTS)) {
      await page.setViewportSize(viewport);
      await setTheStage(page, site);
      await page.waitForTimeout(RUN_MSEC);
      for (const name of PAGES) await shoot(page, site, name, device);
      await breakThings(page, site);
      await page.waitForTimeout(SETTLE_MSEC);
      for (const name of BROKEN_PAGES) await shoot(page, site, name, device);
      await mend(page, site);
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
  await takePictures(`http://127.0.0.1:${port}`, password);
} finally {
  child.kill('SIGINT');
  await exited;
  await rm(data, { recursive: true, force: true });
}
