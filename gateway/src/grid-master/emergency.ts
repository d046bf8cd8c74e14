import { isActivated, isDeactivated, partiesOfAll, slaveSideMustBeActive, unitOnSide } from '../domain/deal.ts';
import type { Descent } from '../domain/device-command.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { accrue } from './accrue.ts';
import { scrammed } from './deal-marks.ts';
import { finalRecord } from './finish.ts';
import type { Grid } from './grid.ts';
import { waitForIdleReference, waitForUnheard } from './idle-reference.ts';

/** Every converter that is meant to hold the voltage: one, or both of a hand-over. */
const referencesOf = (grid: Grid): readonly string[] => [
  ...new Set([grid.voltageReferenceUnitId, grid.handOver?.from, grid.handOver?.to].filter((one) => one !== undefined)),
];

/** What brings a converter to WAIT. */
interface Stop {
  readonly descent?: Descent;
  /** How long its answer is waited for; by the command when it does not say. */
  readonly deadlineMsec?: Milliseconds;
}

/**
 * How the currents and the voltage leave the bus: the currents in balance (RULE-9). While another converter holds the voltage as well, the reference has
 * to be gone within one acquisition period (INV-1), and its ramp would only draw current from the other one.
 */
function stopsOf({ policy, rivals }: Grid): { readonly currents: Stop; readonly voltage: Stop } {
  const currents = { descent: 'even', deadlineMsec: policy.gridMaster.deal.stopTimeoutMsec } as const;
  if (rivals.length === 0) return { currents, voltage: {} };
  const deadlineMsec = policy.controller.dataAcquisitionPeriodMsec / 2;
  return { currents: { ...currents, deadlineMsec }, voltage: { descent: 'none' } };
}

/** Parties of the deals that have been activated. */
const busyUnitsOf = (grid: Grid): readonly string[] => {
  const active = grid.deals.all().filter((deal) => isActivated(deal) && !isDeactivated(deal));
  return partiesOfAll(active);
};

const without = (units: readonly string[], those: readonly string[]): readonly string[] =>
  units.filter((unitId) => !those.includes(unitId));

/** WAIT, and SCRAM when that is not confirmed in time; a dead unit is told, and nobody waits for it. */
async function stopUnit(grid: Grid, unitId: string, { deadlineMsec, ...how }: Stop): Promise<void> {
  const told = grid.lower(unitId, { command: 'WAIT', ...how }, deadlineMsec);
  if (!grid.needs.community.isAlive(unitId)) return;
  if (!(await told)) void grid.lower(unitId, { command: 'scram', ...how });
}

const stopUnits = async (grid: Grid, units: readonly string[], how: Stop): Promise<void> => {
  await Promise.all(units.map((unitId) => stopUnit(grid, unitId, how)));
};

/** The accounts are closed with what the reference sides say after the currents have ended, if they say it soon. */
async function closeAccounts(grid: Grid): Promise<void> {
  const { deal, leaseMsec } = grid.policy.gridMaster;
  const asked = grid.deals
    .all()
    .filter(slaveSideMustBeActive)
    .map((one) => unitOnSide(one, deal.referenceSide));
  const alive = [...new Set(asked)].filter((unitId) => grid.needs.community.isAlive(unitId));
  await Promise.all(alive.map((unitId) => grid.readWithin(unitId, leaseMsec / 2)));
  accrue(grid);
}

function leaveBus(grid: Grid): void {
  grid.voltageReferenceUnitId = undefined;
  grid.handOver = undefined;
}

/**
 * Stops all deals in order: the constant-current sides first and together, the voltage last (control.md D22). It waits
 * for its delay when one of them may still flow (RULE-7), but neither for the accounts nor for a converter that holds
 * the voltage as well and does not obey (INV-1). A step that is running can raise nothing more (RULE-11).
 */
export async function stopInOrder(grid: Grid, reason: string): Promise<void> {
  grid.raiseEpoch();
  grid.needs.log.warn({ reason }, 'grid.stop');
  accrue(grid);
  const [references, { rivals }, stops] = [referencesOf(grid), grid, stopsOf(grid)];
  const rivalsTold = stopUnits(grid, rivals, stops.voltage);
  const currents = without(busyUnitsOf(grid), [...references, ...rivals]);
  await stopUnits(grid, currents, stops.currents);
  await waitForUnheard(grid, references);
  await Promise.all([closeAccounts(grid), stopUnits(grid, references, stops.voltage), rivalsTold]);
  leaveBus(grid);
  for (const deal of grid.deals.all()) {
    if (!isDeactivated(deal)) grid.conclude(deal.dealId, finalRecord(grid, deal, reason));
  }
  grid.publish();
}

/** Everything to WAIT at once, the voltage after its delay or as soon as nothing flows (control.md §7.4). */
export async function scramAll(grid: Grid, reason: string): Promise<void> {
  grid.raiseEpoch();
  grid.needs.log.error({ reason }, 'grid.scram');
  accrue(grid);
  const references = referencesOf(grid);
  const members = [...new Set([...grid.policy.memberUnitIds, ...busyUnitsOf(grid)])];
  const others = without(members, references);
  const currents = others.map((unitId) => grid.lower(unitId, { command: 'scram', descent: 'even' }));
  await waitForIdleReference(grid, references);
  accrue(grid);
  const voltages = references.map((unitId) => grid.lower(unitId, { command: 'scram' }));
  leaveBus(grid);
  for (const deal of grid.deals.all()) {
    if (!isDeactivated(deal))
      grid.conclude(deal.dealId, { ...finalRecord(grid, deal), ...scrammed(deal, grid.timeOf(deal), reason) });
  }
  grid.publish();
  await Promise.all([...currents, ...voltages]);
}
