// `npm run bench`: measures what the project promises and prints one JSON object, the original's figures beside ours.
// Progress goes to stderr. Figures of a busy machine scatter: medians over several runs.
import { measureDaemon } from '../test/bench/daemon.ts';
import { measureDay } from '../test/bench/day.ts';
import { measureDeals } from '../test/bench/deals.ts';
import { measureFootprint, measureHour } from '../test/bench/footprint.ts';
import { measureReaction } from '../test/bench/reaction.ts';

/** Loaded only when it is run: it needs a browser, and a Node-RED in this process. */
const dashboard = async () => (await import('../../node-red-nodes/test/bench/dashboard.ts')).measureDashboard(3);

const BENCHES = {
  reaction: () => measureReaction(7),
  deals: () => measureDeals(60),
  day: () => measureDay(4),
  daemon: () => measureDaemon(3),
  footprint: () => measureFootprint(),
  dashboard,
};

/** Too long to be run unasked. */
const ON_REQUEST = { hour: measureHour };

/** The original as measured with four JVMs and its own emulator. */
const ORIGINAL = {
  reaction: { runToRegisteredMsec: '4000-4500', registeredToCurrentMsec: '3500-9500 without its ramp' },
  deals: { overshootMeanPercent: 3.7, overshootWorstPercent: 8.9, pauseBetweenDealsSeconds: '16 of every 80' },
  daemon: { startToReadyMsec: '40000-55000', rssMb: '1100 idle, 1600 trading' },
};

const ALL = { ...BENCHES, ...ON_REQUEST };
const wanted = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const unknown = wanted.filter((name) => !Object.hasOwn(ALL, name));
if (unknown.length > 0) {
  process.stderr.write(`bench: expected some of ${Object.keys(ALL).join(', ')}, got ${unknown.join(', ')}\n`);
  process.exit(2);
}

const ours = {};
for (const name of wanted.length > 0 ? wanted : Object.keys(BENCHES)) {
  process.stderr.write(`bench: ${name} …\n`);
  ours[name] = await ALL[name]();
}
process.stdout.write(`${JSON.stringify({ ours, original: ORIGINAL }, null, 2)}\n`);
