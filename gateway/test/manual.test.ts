import t from 'tap';
import type { OperatorBody } from '../src/domain/messages.ts';
import { aCommunity, allWaiting, isFlowing, openDeals, type Running } from './support/running-community.ts';

type SetPoint = Omit<Extract<OperatorBody, { kind: 'manual' }>, 'kind'>;

/** An operator's word to one unit, carried out or refused while virtual time goes on. */
async function say(running: Running, unit: number, body: OperatorBody): Promise<string> {
  let outcome: string | undefined;
  running.community.units[unit]?.operate(body).then(
    () => {
      outcome = 'done';
    },
    (error: unknown) => {
      outcome = String(error);
    },
  );
  await running.clock.runUntil(() => outcome !== undefined, 60_000);
  return outcome ?? 'no answer';
}

const put = (running: Running, unit: number, setPoint: SetPoint): Promise<string> =>
  say(running, unit, { kind: 'manual', ...setPoint });

async function inManualMode(): Promise<Running> {
  const running = await aCommunity();
  await running.until(() => isFlowing(running), 60_000, 'it trades');
  t.equal(await say(running, 2, { kind: 'mode', value: 'manual' }), 'done');
  await running.until(() => allWaiting(running) && openDeals(running).length === 0, 30_000, 'deals have left the bus');
  return running;
}
const modeOf = (running: Running, unit: number): string => running.world.house(`E00${unit + 1}`).mode;

t.test('manual set-points (RULE-19, INV-2)', async (t) => {
  t.test('are refused in every other mode', async (t) => {
    const running = await aCommunity();
    await running.until(() => isFlowing(running), 60_000, 'it trades');
    t.match(await put(running, 0, { mode: 'CHARGE', gridCurrentA: 1 }), /expected mode manual, got autonomous/);
  });

  t.test('bring converters where a person wants them, one voltage reference among them (INV-1)', async (t) => {
    const running = await inManualMode();
    t.equal(await put(running, 0, { mode: 'VOLTAGE_REFERENCE', holdMsec: 60_000 }), 'done');
    await running.until(() => running.world.house('E001').vg > 345, 30_000, 'the bus is up');
    t.equal(await put(running, 0, { mode: 'VOLTAGE_REFERENCE', gridVoltageV: 340, holdMsec: 60_000 }), 'done');
    t.ok(Math.abs(running.world.house('E001').vg - 340) < 2, 'and moved');
    await running.clock.advance(2_000); // the others have heard of it
    t.match(await put(running, 1, { mode: 'VOLTAGE_REFERENCE' }), /E001 holds the bus voltage already/);
    t.equal(await put(running, 3, { mode: 'CHARGE', gridCurrentA: 1, holdMsec: 20_000 }), 'done');
    t.same([modeOf(running, 0), modeOf(running, 3)], ['VOLTAGE_REFERENCE', 'CHARGE']);
    t.ok(Math.abs(running.world.house('E004').ig - 1) < 0.2);
    t.equal(openDeals(running).length, 0, 'nobody trades meanwhile');
    t.equal(await put(running, 3, { mode: 'WAIT' }), 'done');
    t.equal(modeOf(running, 3), 'WAIT');
  });

  t.test('keep to the limits of hardware and policy (INV-9, INV-11)', async (t) => {
    const running = await inManualMode();
    t.match(await put(running, 0, { mode: 'CHARGE', gridCurrentA: 5 }), /dig 5 is not within 0 to 2.3/);
    t.match(await put(running, 0, { mode: 'CHARGE' }), /expected gridCurrentA/);
    t.match(await put(running, 0, { mode: 'VOLTAGE_REFERENCE', gridVoltageV: 500 }), /500 is not within 300 to 380/);
    t.match(
      await put(running, 0, { mode: 'VOLTAGE_REFERENCE', gridVoltageV: 340 }),
      /a bus that this unit holds already/,
    );
    t.ok(allWaiting(running), 'nothing has moved');
  });

  t.test('run out: the converter goes to WAIT when nobody repeats them', async (t) => {
    const running = await inManualMode();
    t.equal(await put(running, 0, { mode: 'VOLTAGE_REFERENCE', holdMsec: 60_000 }), 'done');
    await running.until(() => running.world.house('E001').vg > 345, 30_000, 'the bus is up');
    t.equal(await put(running, 3, { mode: 'CHARGE', gridCurrentA: 1, holdMsec: 5_000 }), 'done');
    await running.clock.advance(4_000);
    t.equal(modeOf(running, 3), 'CHARGE');
    t.equal(await put(running, 3, { mode: 'CHARGE', gridCurrentA: 1, holdMsec: 5_000 }), 'done');
    await running.clock.advance(3_500);
    t.equal(modeOf(running, 3), 'CHARGE', 'it was repeated');
    await running.until(() => modeOf(running, 3) === 'WAIT', 3_000, 'and then not');
    await running.until(() => allWaiting(running), 70_000, 'the reference too');
  });

  t.test('end with the mode: what a person held is in WAIT before anybody trades again', async (t) => {
    const running = await inManualMode();
    t.equal(await put(running, 0, { mode: 'VOLTAGE_REFERENCE', holdMsec: 60_000 }), 'done');
    void say(running, 1, { kind: 'mode', value: 'autonomous' });
    await running.until(() => modeOf(running, 0) === 'WAIT', 10_000, 'in WAIT');
    await running.until(() => isFlowing(running), 120_000, 'and it trades again');
  });

  t.test('end at once with a stop', async (t) => {
    const running = await inManualMode();
    t.equal(await put(running, 0, { mode: 'VOLTAGE_REFERENCE', holdMsec: 60_000 }), 'done');
    void say(running, 3, { kind: 'emergency-stop', reason: 'smoke' });
    await running.until(() => allWaiting(running), 1_000, 'in WAIT');
  });
});

t.test('an operator’s scenario replaces the unit’s own until it is taken back (INV-11)', async (t) => {
  const running = await aCommunity();
  /** A house that neither asks nor answers. */
  const silent = { acceptSelection: { strategy: 'pointAndAmount' }, '00:00:00-24:00:00': aSilentWindow() };
  const all = [0, 1, 2, 3];
  for (const unit of all) t.equal(await say(running, unit, { kind: 'scenario', value: silent }), 'done');
  await running.clock.advance(5 * 60_000);
  t.equal(openDeals(running).length, 0, 'nobody trades');
  t.match(await say(running, 0, { kind: 'scenario', value: { '25:00': {} } }), /scenario of the operator/);
  await running.clock.advance(5 * 60_000);
  t.equal(openDeals(running).length, 0, 'what is none changes nothing');
  for (const unit of all) t.equal(await say(running, unit, { kind: 'scenario', value: null }), 'done');
  await running.until(() => isFlowing(running), 120_000, 'their own scenarios count again');
});

function aSilentWindow(): object {
  return { batteryStatus: { '0-': 'any' }, request: { any: {} }, accept: { any: {} } };
}
