import { setTimeout as pause } from 'node:timers/promises';
import type { Deal } from '../../src/domain/deal.ts';
import type { ClusterLab, Member } from './cluster-lab.ts';
import { isRunning } from './units-watch.ts';
import type { Look } from './watcher.ts';

/** One figure of one run: a time against its limit, or a count that must be 0. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
}

export interface Scenario {
  readonly name: string;
  /** How often in the long form. */
  readonly times: number;
  run(lab: ClusterLab): Promise<readonly Figure[]>;
}

/** Two deals at each of four houses. */
export const DEALS = 4;
export const TRADE_MSEC = 120_000;
/** Longer than any stop may take: what has not happened by then does not happen. */
export const PATIENCE_MSEC = 15_000;
/** Commands and hand-overs of the beginning are over by then. */
const SETTLED_MSEC = 1_500;

export const isConstantCurrent = (look: Look, unitId: string): boolean =>
  ['CHARGE', 'DISCHARGE'].includes(look.houses[unitId]?.mode ?? '');
export const isWaiting = (look: Look, unitId: string): boolean => look.houses[unitId]?.mode === 'WAIT';
export const anyCurrent = ({ houses }: Look): boolean =>
  Object.values(houses).some(({ mode }) => mode === 'CHARGE' || mode === 'DISCHARGE');

export const runningDeals = (lab: ClusterLab): readonly Deal[] => lab.state().deals.filter(isRunning);
export const involves = (unitId: string) => (deal: Deal) => [deal.chargeUnitId, deal.dischargeUnitId].includes(unitId);

/** The converters as they are now; a cluster that is looked at has been seen. */
export function lookOf(lab: ClusterLab): Look {
  const look = lab.watcher.last;
  if (look === undefined) throw new Error('the converters have not been seen yet');
  return look;
}

export function referenceOf(lab: ClusterLab): Member {
  const reference = Object.values(lookOf(lab).houses).find(({ mode }) => mode === 'VOLTAGE_REFERENCE');
  if (reference === undefined) throw new Error(`no voltage reference: ${lab.watcher.text()}`);
  return lab.member(reference.houseId);
}

export function masterOf(lab: ClusterLab): Member {
  const { gridMasterUnitId } = lab.state().grid ?? {};
  if (gridMasterUnitId === undefined) throw new Error('no grid master');
  return lab.member(gridMasterUnitId);
}

/** A party with constant current that is not the grid master. */
function partyOf(lab: ClusterLab, modes: readonly string[]): Member | undefined {
  const look = lookOf(lab);
  const master = masterOf(lab);
  return lab.members.find((one) => one !== master && modes.includes(look.houses[one.unitId]?.mode ?? ''));
}

/** All deals run, and not only just, and the reference holds the voltage alone. */
export async function settled(lab: ClusterLab): Promise<void> {
  const isSettled = (): boolean => {
    const modes = Object.values(lab.watcher.last?.houses ?? {}).map(({ mode }) => mode);
    const references = modes.filter((mode) => mode === 'VOLTAGE_REFERENCE');
    return runningDeals(lab).length >= DEALS && references.length === 1 && !modes.includes('WAIT');
  };
  do {
    await lab.until(`${DEALS} running deals`, isSettled, TRADE_MSEC);
    await pause(SETTLED_MSEC);
  } while (!isSettled());
}

/** Away from its holder: another unit has the office long before this one is back. */
const endMaster = (lab: ClusterLab): Promise<void> => lab.signalGateway(masterOf(lab), 'SIGKILL');

function thaw(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // It has ended meanwhile: the others go on all the same.
  }
}

/** A unit that learns of a vacancy has asked for the office by then; shorter than anybody's silence is noticed. */
const AHEAD_MSEC = 400;

/**
 * To the voltage reference: its holder ends while the others stand still, and who asks first is elected. That is certain
 * of the first unit, which goes ahead of whoever asks as well; and that one holds the voltage whenever it is there.
 */
async function endMasterForReference(lab: ClusterLab): Promise<void> {
  const [master, reference] = [masterOf(lab), referenceOf(lab)];
  const pids = await Promise.all(
    lab.members.filter((one) => one !== master && one !== reference).map((one) => lab.gatewayPid(one)),
  );
  try {
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    await endMaster(lab);
    await pause(AHEAD_MSEC);
  } finally {
    for (const pid of pids) thaw(pid);
  }
}

/** The cluster has settled as the scenario needs it; where it has not, a move of the office brings that about. */
async function settledAs<T>(
  lab: ClusterLab,
  { what, look, move }: { what: string; look: () => T | undefined; move: (lab: ClusterLab) => Promise<void> },
): Promise<T> {
  for (let tries = 0; tries < 16; tries += 1) {
    await settled(lab);
    const found = look();
    if (found !== undefined) return found;
    await move(lab);
    await pause(2_000);
  }
  throw new Error(`${what}, that never happens: ${lab.watcher.text()}`);
}

/** The cluster has settled with its office and its voltage at one unit, or at two. */
export async function settledWith(lab: ClusterLab, isTogether: boolean): Promise<void> {
  await settledAs(lab, {
    what: `grid master and voltage reference ${isTogether ? 'one unit' : 'two units'}`,
    look: () => (masterOf(lab) === referenceOf(lab)) === isTogether || undefined,
    move: isTogether ? endMasterForReference : endMaster,
  });
}

/** The cluster has settled with a party of constant current, in one of these modes, that is not the grid master. */
export const settledWithParty = (lab: ClusterLab, ...modes: readonly ('CHARGE' | 'DISCHARGE')[]): Promise<Member> => {
  const wanted = modes.length > 0 ? modes : ['CHARGE', 'DISCHARGE'];
  return settledAs(lab, {
    what: `a party in ${wanted.join(' or ')} beside the grid master`,
    look: () => partyOf(lab, wanted),
    move: endMaster,
  });
};

/** How many of these deals have not gone on to this moment. */
export const interrupted = (lab: ClusterLab, deals: readonly Deal[]): Figure => {
  const running = new Set(runningDeals(lab).map(({ dealId }) => dealId));
  return {
    name: 'other deals interrupted',
    value: deals.filter(({ dealId }) => !running.has(dealId)).length,
    limit: 0,
  };
};

/** When the converters of all these units were in WAIT. */
export const restOfAll = (lab: ClusterLab, members: readonly Member[], since: number, limitMsec = PATIENCE_MSEC) =>
  lab.watcher.until(
    `WAIT of ${members.map(({ unitId }) => unitId).join(', ')}`,
    (look) => members.every(({ unitId }) => isWaiting(look, unitId)),
    limitMsec,
    since,
  );

/** When a converter of a dead unit was in WAIT. */
export const restOf = (lab: ClusterLab, member: Member, since: number, limitMsec = PATIENCE_MSEC) =>
  restOfAll(lab, [member], since, limitMsec);

/** When constant current flows again after `since`. */
export const currentAgain = (lab: ClusterLab, since: number): Promise<number> =>
  lab.watcher.until('trading', anyCurrent, TRADE_MSEC, since);

/** Figures that hold for every disturbance: INV-1, INV-2, INV-9. */
export const always = (lab: ClusterLab, since: number): readonly Figure[] => [
  { name: 'moments with two stiff references', value: lab.watcher.rivalReferences(since).length, limit: 0 },
  { name: 'moments with two granting grid masters', value: lab.units.rivalMasters(since).length, limit: 0 },
  {
    name: 'demanded current over the limit, ms',
    value: lab.watcher.overloadMsec(since, CONVERTER_LIMIT_A),
    limit: lab.admission === 'n-1' ? 0 : 1_000,
  },
];

/** RULE-7, and what always holds: the reference leaves last, where somebody can reach each converter at once. */
export const inOrder = (lab: ClusterLab, since: number): readonly Figure[] => [
  ...always(lab, since),
  { name: 'moments with currents and no reference', value: lab.watcher.abandonedCurrents(since).length, limit: 0 },
];
const CONVERTER_LIMIT_A = 2.35;

/** No deal begins while a converter without an owner is out of WAIT (RULE-10). */
export const noneBeside = (lab: ClusterLab, orphanedAt: number, restAt: number): Figure => ({
  name: 'deals begun beside an orphan',
  value: lab.units.begunBetween(orphanedAt, restAt).length,
  limit: 0,
});
