import { setTimeout as pause } from 'node:timers/promises';
import type { ClusterLab, Member } from './cluster-lab.ts';
import {
  currentAgain,
  inOrder,
  interrupted,
  involves,
  isConstantCurrent,
  lookOf,
  masterOf,
  noneBeside,
  PATIENCE_MSEC,
  referenceOf,
  restOf,
  restOfAll,
  runningDeals,
  type Scenario,
  settled,
  settledWith,
  settledWithParty,
} from './scenario.ts';

/** `apis safe-stop` leaves the currents so much time before it takes the voltage away (RULE-7). */
const SAFE_STOP_MSEC = 1_500;
/** So long deals that have nothing to do with a fault are watched after it. */
const GO_ON_MSEC = 6_000;

const newMaster = (lab: ClusterLab, term: number): Promise<number> =>
  lab.until('a new grid master', ({ grid }) => (grid?.term ?? 0) > term, 30_000);

/** The grid master that holds the voltage as well dies: nobody commands, and nobody holds the bus. */
const killMasterAndReference: Scenario = {
  name: 'kill -9 of the grid master that is the voltage reference',
  times: 5,
  run: async (lab) => {
    await settledWith(lab, true);
    const victim = referenceOf(lab);
    const { term = 0 } = lab.state().grid ?? {};
    const look = lookOf(lab);
    const others = lab.members.filter(({ unitId }) => isConstantCurrent(look, unitId));
    const killed = performance.now();
    await lab.signalGateway(victim, 'SIGKILL');
    const currents = await restOfAll(lab, others, killed);
    const own = await restOf(lab, victim, killed);
    const master = await newMaster(lab, term);
    const resumed = await currentAgain(lab, Math.max(own, currents));
    return [
      { name: 'currents in WAIT, ms', value: currents - killed, limit: 2_000 },
      { name: 'dead converter in WAIT, ms', value: own - killed, limit: 4_000 },
      { name: 'reference left before the currents, ms (RULE-7)', value: Math.max(0, currents - own), limit: 0 },
      { name: 'reference left before its delay, ms', value: Math.max(0, killed + SAFE_STOP_MSEC - own), limit: 0 },
      { name: 'new grid master, ms', value: master - killed, limit: 4_500 },
      { name: 'trading again, ms', value: resumed - killed, limit: 20_000 },
      noneBeside(lab, killed, own),
      ...inOrder(lab, killed),
    ];
  },
};

/** The grid master dies and leaves the voltage alone: only its own deals end. */
const killMaster: Scenario = {
  name: 'kill -9 of a grid master that is not the voltage reference',
  times: 5,
  run: async (lab) => {
    await settledWith(lab, false);
    const victim = masterOf(lab);
    const { term = 0 } = lab.state().grid ?? {};
    const others = runningDeals(lab).filter((deal) => !involves(victim.unitId)(deal));
    const killed = performance.now();
    await lab.signalGateway(victim, 'SIGKILL');
    const own = await restOf(lab, victim, killed);
    const master = await newMaster(lab, term);
    await pause(GO_ON_MSEC);
    return [
      { name: 'dead converter in WAIT, ms', value: own - killed, limit: 4_000 },
      { name: 'new grid master, ms', value: master - killed, limit: 4_500 },
      interrupted(lab, others),
      noneBeside(lab, killed, own),
      ...inOrder(lab, killed),
    ];
  },
};

/** The other sides of a unit's deals that have a current of their own to give up. */
const partnersOf = (lab: ClusterLab, { unitId }: Member): readonly string[] => {
  const look = lookOf(lab);
  const deals = runningDeals(lab).filter(involves(unitId));
  const parties = deals.flatMap(({ chargeUnitId, dischargeUnitId }) => [chargeUnitId, dischargeUnitId]);
  return [...new Set(parties)].filter((id) => id !== unitId && isConstantCurrent(look, id));
};

const killParty = (what: string, mode: 'CHARGE' | 'DISCHARGE'): Scenario => ({
  name: `kill -9 of a ${what} party`,
  times: 5,
  run: async (lab) => {
    const victim = await settledWithParty(lab, mode);
    const before = lookOf(lab);
    const partners = partnersOf(lab, victim);
    const others = runningDeals(lab).filter((deal) => !involves(victim.unitId)(deal));
    const demandedA = (look: typeof before, id: string): number => Math.abs(look.houses[id]?.demandedA ?? 0);
    const killed = performance.now();
    await lab.signalGateway(victim, 'SIGKILL');
    const own = await restOf(lab, victim, killed);
    // Each partner has another deal: what it gives up is the one with the dead unit, half of its current or more.
    const balanced = await lab.watcher.until(
      'balance of the partners',
      (look) => partners.every((id) => demandedA(look, id) < 0.75 * demandedA(before, id)),
      PATIENCE_MSEC,
      killed,
    );
    await pause(GO_ON_MSEC);
    return [
      { name: 'dead converter in WAIT, ms', value: own - killed, limit: 4_000 },
      ...(partners.length === 0 ? [] : [{ name: 'partner balanced, ms', value: balanced - killed, limit: 2_000 }]),
      interrupted(lab, others),
      noneBeside(lab, killed, own),
      ...inOrder(lab, killed),
    ];
  },
});

const killAll: Scenario = {
  name: 'all gateways killed at once',
  times: 2,
  run: async (lab) => {
    await settled(lab);
    const reference = referenceOf(lab);
    const killed = performance.now();
    await Promise.all(lab.members.map((member) => lab.signalGateway(member, 'SIGKILL')));
    const waiting = await restOfAll(lab, lab.members, killed);
    const held = await restOf(lab, reference, killed);
    const resumed = await currentAgain(lab, waiting);
    return [
      { name: 'all converters in WAIT, ms', value: waiting - killed, limit: 4_000 },
      { name: 'reference left before the currents, ms (RULE-7)', value: Math.max(0, waiting - held), limit: 0 },
      { name: 'trading again, ms', value: resumed - killed, limit: 20_000 },
      noneBeside(lab, killed, waiting),
      ...inOrder(lab, killed),
    ];
  },
};

/**
 * In an order in which each finds the cluster as it needs it: the first unit founds the cluster and holds the voltage, a
 * killed party changes neither, and a grid master that dies with the voltage leaves its office to another unit.
 */
export const KILLS: readonly Scenario[] = [
  killParty('charging', 'CHARGE'),
  killParty('discharging', 'DISCHARGE'),
  killMasterAndReference,
  killMaster,
  killAll,
];
