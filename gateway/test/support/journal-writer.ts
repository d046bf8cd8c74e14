/**
 * A process of its own that journals deals through their whole life, one after the other, and says each step once it
 * is durable: `put <dealId> <revision>`, `retired <dealId>`. It begins by loading what the last one left.
 */
import { writeSync } from 'node:fs';
import { DealLogFiles } from '../../src/adapters/files/deal-log-files.ts';
import { DurableStore } from '../../src/adapters/files/durable-store.ts';
import { SystemClock } from '../../src/adapters/system/system-clock.ts';
import { DealJournal } from '../../src/cluster/deal-journal.ts';
import { silentLog } from '../../src/ports/log.ts';
import { MemoryBusHub } from '../../src/ports/memory-bus.ts';
import { aDeal } from './messages.ts';

const [directory = '', first = '0'] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);

const ledger = new DealLogFiles({ directory: `${directory}/deals` });
const journal = new DealJournal({
  bus: new MemoryBusHub(new SystemClock()).join('E001', 'session'),
  store: new DurableStore(directory, ({ kind, path }) => say(`report ${kind} ${path}`)),
  log: silentLog,
  saveFinished: async (deal) => {
    await ledger.save(deal);
  },
  changed: () => {},
});
await journal.load();
const AT = '2026/06/21-10:00:00';
const LIFE = [
  {},
  { activateDateTime: AT },
  { startDateTime: AT },
  { cumulateAmountWh: 50 },
  { stopDateTime: AT },
  { deactivateDateTime: AT },
] as const;

// What the last process left is brought to its end first, as a grid master would.
for (const deal of journal.open()) {
  const ended = { ...deal, stopDateTime: AT, deactivateDateTime: AT, revision: deal.revision + 10 };
  await journal.put(ended);
  say(`put ${ended.dealId} ${ended.revision}`);
}
for (const { dealId } of journal.finished()) {
  await journal.retire(dealId);
  say(`retired ${dealId}`);
}
for (let n = Number(first); ; n += 1) {
  let deal = aDeal(`deal-${n}`, { createDateTime: AT, term: 1, revision: 0 });
  for (const step of LIFE) {
    deal = { ...deal, ...step, revision: deal.revision + 1 };
    await journal.put(deal);
    say(`put ${deal.dealId} ${deal.revision}`);
  }
  if (n % 2 === 0) continue;
  await journal.retire(deal.dealId);
  say(`retired ${deal.dealId}`);
}
