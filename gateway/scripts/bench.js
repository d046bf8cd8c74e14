// `npm run bench`: measures what the project promises and prints one JSON object, the original's figures beside ours.
// Progress goes to stderr. Figures of a busy machine scatter: medians over several runs.
import { measureDaemon } from '../test/bench/daemon.ts';
import { measureDay } from '../test/bench/day.ts';
import { measureDeals } from '../test/bench/deals.ts';
import { measureFootprint } from '../test/bench/footprint.ts';
import { measureReaction } from '../test/bench/reaction.ts';

/** Only when it is asked for: it needs a browser, and a Node-RED in this process. */
const dashboard = async () => (await import('../../node-red-nodes/test/bench/dashboard.ts')).measureDashboard(3);

const BENCHES = {
  reaction: () => measureReaction(7),
  deals: () => measureDeals(60),
  day: () => measureDay(4),
  daemon: () => measureDaemon(3),
  footprint: () => measureFootprint(),
  dashboard,
};

/** The original as measured with four JVMs and its own emulator. */
const ORIGINAL = {
  reaction: { runToRegisteredMsec: '4000-4500', registeredToCurrentMsec: '3500-9500 without its ramp' },
  deals: { overshootMeanPercent: 3.7, overshootWorstPercent: 8.9, pauseBetweenDealsSeconds: '16 of every 80' },
  daemon: { startToReadyMsec: '40000-55000', rssMb: '1100 idle, 1600 trading' },
};

const wanted = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const unknown = wanted.filter((name) => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0) {
  process.stderr.write(`bench: expected some of ${Object.keys(BENCHES).join(', ')}, got ${unknown.join(', ')}\n`);
  process.exit(2);
}

const ours = {};
for (const [name, measure] of Object.entries(BENCHES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stderr.write(`bench: ${name} …\n`);
  ours[name] = await measure();
}
process.stdout.write(`${JSON.stringify({ ours, original: ORIGINAL }, null, 2)}\n`);
