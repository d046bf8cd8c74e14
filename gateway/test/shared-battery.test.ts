import t from 'tap';
import { demoPolicy } from '../src/config/defaults.ts';
import { emulatedCommunity } from '../src/emulation/emulated-community.ts';
import { MemoryLocks, VirtualClock } from '../src/ports/index.ts';
import { allWaiting, finishedDeals, HOUR, isFlowing, MAY_MORNING, openDeals } from './support/running-community.ts';

t.test('§13.2.15 two units on one battery, in clusters of their own', async (t) => {
  /** Two communities on one clock; the battery of `E001` is the same in both. */
  const neighbours = async (charges: readonly [number, number]) => {
    const computer = new MemoryLocks();
    const clock = new VirtualClock(MAY_MORNING);
    const processes = [computer.process(), computer.process()] as const;
    const both = charges.map((rsoc, index) =>
      emulatedCommunity({
        clock,
        seed: index + 1,
        units: 2,
        policy: demoPolicy(['E001', 'E002'], { gridCurrentA: 2, amountWh: 20 }),
        rsoc: [rsoc, 100 - rsoc],
        batteryLocks: { E001: processes[index === 0 ? 0 : 1] },
      }),
    );
    for (const { community } of both) void community.start();
    const roles = (): string[] =>
      both.map((one) => {
        const deal = openDeals(one)[0];
        return deal === undefined ? 'none' : deal.chargeUnitId === 'E001' ? 'charge' : 'discharge';
      });
    return { clock, both, processes, roles };
  };

  t.test('opposite directions go on at the same time', async (t) => {
    const { clock, both, roles } = await neighbours([92, 8]);
    t.ok(await clock.runUntil(() => both.every(isFlowing), 120_000), 'both trade');
    t.same(roles(), ['discharge', 'charge']);
  });

  t.test('of equal directions only one, told with its reason; the other follows when that one has ended', async (t) => {
    const { clock, both, roles } = await neighbours([92, 92]);
    const refusals: string[] = [];
    for (const { community } of both) {
      community.unit('E001')?.onDecision(({ refusal }) => refusals.push(refusal?.reason ?? ''));
    }
    t.ok(await clock.runUntil(() => both.some(isFlowing), 120_000), 'one of them trades');
    const first = both.findIndex(isFlowing);
    await clock.advance(60_000);
    t.same(roles().toSorted(), ['discharge', 'none']);
    t.ok(refusals.includes('battery.in-use'));
    void both[first]?.community.unit('E002')?.operate({ kind: 'mode', value: 'heteronomous' });
    t.ok(await clock.runUntil(() => roles()[1 - first] === 'discharge', HOUR), 'then the other one');
    t.equal(roles()[first], 'none');
  });

  t.test('a direction that was taken while a process was gone ends its deals with a fault', async (t) => {
    const { clock, both, processes } = await neighbours([92, 50]);
    const [first] = both;
    if (first === undefined) throw new Error('there are two');
    t.ok(await clock.runUntil(() => isFlowing(first), 120_000), 'it trades');
    processes[0].crash();
    t.ok(processes[1].tryLock('batteryCapacity.DISCHARGE'), 'free after the crash');
    t.ok(await clock.runUntil(() => allWaiting(first) && openDeals(first).length === 0, 30_000), 'it stops');
    t.ok(finishedDeals(first).every((deal) => String(deal.abortReason).includes('battery.in-use')));
  });
});
