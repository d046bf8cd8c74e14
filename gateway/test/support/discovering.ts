// A process that announces one unit and says what it finds, one line for each change. Ends orderly on SIGTERM.
import { randomUUID } from 'node:crypto';
import { Discovery } from '../../src/adapters/discovery/discovery.ts';
import { SystemClock } from '../../src/adapters/system/system-clock.ts';
import { SystemEntropy } from '../../src/adapters/system/system-entropy.ts';
import { collectingLog } from '../../src/ports/log.ts';

const [communityId = '', unitId = '', port = '', networkInterface] = process.argv.slice(2);
const say = (line: object): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);

const discovery = new Discovery({
  clock: new SystemClock(),
  entropy: new SystemEntropy(),
  log: collectingLog(({ event, fields }) => say({ event, ...fields })),
  interface: networkInterface,
  services: [{ communityId, clusterId: 'c', unitId, instance: randomUUID(), port: Number(port) }],
});
discovery.listen(({ units, duplicates, rivals }) => {
  const short = (all: typeof units): string[] =>
    all.filter((one) => one.communityId === communityId).map((one) => `${one.unitId}@${one.host}:${one.port}`);
  say({
    units: short(units),
    refused: short(duplicates.map(({ refused }) => refused)),
    rivals: short(rivals),
  });
});
process.once('SIGTERM', () => void discovery.close());
