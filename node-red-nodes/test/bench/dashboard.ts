import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { figuresOf } from '../../../gateway/test/bench/statistics.ts';
import { aDeal, aGrid, aUnit } from '../../../gateway/test/support/messages.ts';
import { childrenOf, freePorts } from '../../../gateway/test/support/process.ts';
import { launchChromium, VIEWPORTS } from '../support/chromium.ts';
import { aFakeCommunity } from '../support/community.ts';
import { logIn } from '../support/log-in.ts';
import { type Flow, PACKAGE_DIR, readJson } from '../support/package-files.ts';
import { startRuntime } from '../support/runtime.ts';

const ROOT = join(PACKAGE_DIR, '..');
/** Plots and caches settle before memory is read. */
const SETTLE_MSEC = 20_000;
const WATCH_MSEC = 20_000;

const rest = (msec: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, msec));

async function rssMb(pid: number): Promise<number> {
  const [, kilobytes = ''] = /VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kilobytes) / 1024);
}

interface Start {
  readonly startToLiveMsec: number;
  readonly nodeRedRssMb: number;
}

/** What `npm start` runs once everything is installed, until a person who logs in sees the first house. */
async function oneStart(): Promise<Start> {
  const data = await mkdtemp(join(tmpdir(), 'apis-bench-'));
  const [port = 0] = await freePorts(1);
  const browser = await launchChromium();
  const page = await browser.newPage({ viewport: VIEWPORTS.desktop });
  const startedAt = performance.now();
  const args = ['gateway/bin/apis.js', 'up', '--data', data, '--port', String(port)];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  try {
    const password = await new Promise<string>((resolve, reject) => {
      let output = '';
      child.stdout.on('data', (chunk) => {
        output += String(chunk);
        const [, found] = /Password +(\S+)/.exec(output) ?? [];
        if (found !== undefined) resolve(found);
      });
      ended.then((code) => reject(new Error(`apis up ended with ${code}`)), reject);
    });
    await page.goto(`http://127.0.0.1:${port}/dashboard/community`);
    await logIn(page, password);
    await page.getByTestId('house-E001').waitFor();
    const startToLiveMsec = Math.round(performance.now() - startedAt);
    await rest(SETTLE_MSEC);
    const [, nodeRed = 0] = await childrenOf(child.pid ?? 0);
    return { startToLiveMsec, nodeRedRssMb: await rssMb(nodeRed) };
  } finally {
    await browser.close();
    child.kill('SIGINT');
    await ended;
    await rm(data, { recursive: true, force: true });
  }
}

/** Twenty houses and five deals that change every second, on a page that stands still (reduced motion). */
async function twentyHouses(): Promise<{ updatesPerSecond: number; mainThreadPercent: number }> {
  const ids = Array.from({ length: 20 }, (_, index) => `E${String(index + 1).padStart(3, '0')}`);
  const community = await aFakeCommunity(ids);
  process.env.APIS_DATA = community.dataDir;
  const runtime = await startRuntime(readJson<Flow>('..', 'flows', 'emulated-community.json'));
  let second = 0;
  const speak = (): void => {
    second += 1;
    for (const [index, id] of ids.entries())
      community.unit(id).bus.publish('unit', '', aUnit(id, 20 + ((index * 7 + second) % 70)));
    for (let deal = 0; deal < 5; deal += 1) {
      const [giver = '', taker = ''] = [ids[deal * 2], ids[deal * 2 + 1]];
      const more = { activateDateTime: 'a', startDateTime: 'a', revision: second, cumulateAmountWh: second % 100 };
      const parties = { dischargeUnitId: giver, chargeUnitId: taker };
      community.unit(giver).bus.publish('deal', `d${deal}`, aDeal(`d${deal}`, { ...more, ...parties }));
    }
    community.unit('E001').bus.publish('grid', '', aGrid('E001'));
  };
  speak();
  const heartbeat = setInterval(speak, 1000);
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: VIEWPORTS.desktop, reducedMotion: 'reduce' });
    let updates = 0;
    page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => {
        if (String(payload).includes('msg-input:flow.community.page')) updates += 1;
      }),
    );
    await page.goto(`${runtime.url}/dashboard/community`);
    await page.getByTestId('house-E020').waitFor();
    await rest(5000);
    const devTools = await page.context().newCDPSession(page);
    await devTools.send('Performance.enable');
    const busySeconds = async (): Promise<number> => {
      const { metrics } = await devTools.send('Performance.getMetrics');
      return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN;
    };
    const [busyBefore, updatesBefore, from] = [await busySeconds(), updates, performance.now()];
    await rest(WATCH_MSEC);
    const seconds = (performance.now() - from) / 1000;
    return {
      updatesPerSecond: Number(((updates - updatesBefore) / seconds).toFixed(2)),
      mainThreadPercent: Number(((((await busySeconds()) - busyBefore) / seconds) * 100).toFixed(1)),
    };
  } finally {
    clearInterval(heartbeat);
    await browser.close();
    await runtime.stop();
    await community.stop();
  }
}

/** How soon the dashboard is there, what it costs the browser, and what Node-RED needs while somebody looks. */
export async function measureDashboard(runs: number): Promise<object> {
  const starts: Start[] = [];
  for (let run = 0; run < runs; run += 1) starts.push(await oneStart());
  return {
    startToLiveMsec: figuresOf(starts.map(({ startToLiveMsec }) => startToLiveMsec)),
    nodeRedRssMb: figuresOf(starts.map(({ nodeRedRssMb }) => nodeRedRssMb)),
    twentyHouses: await twentyHouses(),
  };
}
