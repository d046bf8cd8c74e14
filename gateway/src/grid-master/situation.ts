import { CURRENT_SIGN } from '../domain/converter-mode.ts';
import {
  type Deal,
  isDeactivated,
  isOfEither,
  isStarted,
  masterSideMustBeActive,
  needsToStop,
} from '../domain/deal.ts';
import type { OperationMode } from '../domain/operation-mode.ts';
import type { Amperes, Milliseconds } from '../domain/quantities.ts';
import { admissionObstacle, type Obstacle } from './admission.ts';
import { agreedRunningCurrentA } from './deal-currents.ts';
import type { DealEventName, GuardedEvent } from './deal-table.ts';
import { forceStopReason } from './force-stop.ts';
import { type GridView, isCarrying, masterDealOf, modeOf, othersOf } from './grid-view.ts';
import { masterSide, sidesOf } from './master-side.ts';
import type { Progress } from './progress.ts';
import { isMuteAndLost, silentParty } from './silent-party.ts';

/** Everything that the guards of the deal table look at, for one deal at one moment. */
export interface Situation {
  readonly view: GridView;
  readonly deal: Deal;
  readonly progress: Progress;
  readonly mode: OperationMode;
  readonly now: Milliseconds;
  /** Why nothing may be raised at present, for the whole bus (RULE-4, RULE-10, global faults). */
  readonly barred: Obstacle | undefined;
  /** Current kept for converters that may still be active (RULE-10). */
  readonly reservedA: Amperes;
}

const isGone = ({ view }: Situation, unitId: string): boolean => !view.isAlive(unitId);

/**
 * A side that was told less than its running deals need: it was lowered for the end of one of them, by a grid master that
 * died before it could note that (RULE-11).
 */
function isLowered({ view, deal }: Situation, unitId: string): boolean {
  const mode = modeOf(view, unitId);
  const toldA = view.dcdc(unitId)?.param.dig;
  if (mode === undefined || CURRENT_SIGN[mode] === 0 || toldA === undefined) return false;
  const neededA = Math.abs(agreedRunningCurrentA(view.deals.filter(isStarted), unitId)); // one on its way up has it to come
  return toldA < neededA - deal.dealGridCurrentA / 2;
}

/** A party that is gone for the deal, or whose current has gone by itself while the deal runs. */
function isPartyLost(at: Situation): boolean {
  const { deal, view } = at;
  if (isOfEither(deal, (unitId) => isGone(at, unitId))) return silentParty(view, deal) === undefined;
  if (!isStarted(deal) || !isCarrying(deal)) return false;
  return isOfEither(
    deal,
    (unitId) => modeOf(view, unitId) === 'WAIT' || isLowered(at, unitId) || isMuteAndLost(view, unitId),
  );
}

function isReferenceLost(at: Situation): boolean {
  const vr = at.view.voltageReferenceUnitId;
  return vr === undefined || isGone(at, vr) || modeOf(at.view, vr) === 'WAIT';
}

const masterVoltage = ({ view, deal }: Situation): { vg: number; dvg: number } | undefined => {
  const dcdc = view.dcdc(sidesOf(deal, masterSide(view)).masterUnitId);
  return dcdc === undefined ? undefined : { vg: dcdc.meter.vg, dvg: dcdc.vdis.dvg };
};

/** Why a deal may not start now: the bus as a whole, or its own current and direction. */
export const obstacleTo = (at: Situation): Obstacle | undefined =>
  at.barred ??
  (isOfEither(at.deal, (unitId) => isGone(at, unitId))
    ? { reason: 'admission.party-silent', message: 'a party is not alive' }
    : admissionObstacle(at.view, at.deal, at.reservedA));

/** The longest time a deal may take, so that losses cannot make it endless (control.md S22). */
export function maxDurationMsec({ view, deal }: Pick<Situation, 'view' | 'deal'>): Milliseconds {
  const { policy } = view;
  const powerW = deal.dealGridCurrentA * policy.operationGridVoltageVRange.min;
  return (deal.dealAmountWh / powerW) * 3_600_000 * policy.gridMaster.deal.maxDurationFactor;
}

const rsocOf = (view: GridView) => (unitId: string) => view.unit(unitId)?.battery.rsoc;

/** The reason text of a battery that has reached its limit. */
export const chargeLimitReason = ({ view, deal }: Situation): string | undefined =>
  forceStopReason(view.policy, deal, rsocOf(view));

const isMaster = ({ view, deal }: Situation): boolean => masterDealOf(view)?.dealId === deal.dealId;

type Guard = (at: Situation) => boolean;

/** The events of the deal table, each as the question that it stands for. */
export const GUARDS: Readonly<Record<GuardedEvent, Guard>> = {
  'stop-requested': ({ deal }) => needsToStop(deal),
  'mode-forbids': ({ mode }) => mode === 'stop' || mode === 'manual',
  'party-lost': isPartyLost,
  'reference-lost': isReferenceLost,
  'party-silent': ({ view, deal }) => silentParty(view, deal) !== undefined,
  'start-overdue': ({ now, progress, view }) => now - progress.seenAt > view.policy.gridMaster.deal.startTimeoutMsec,
  'reset-limit-reached': ({ deal, view }) => (deal.reset?.length ?? 0) >= view.policy.gridMaster.deal.resetLimit,
  'admission-refused': (at) => obstacleTo(at) !== undefined,
  'bus-quiet': ({ view, deal }) => !othersOf(view, deal).some(masterSideMustBeActive),
  'bus-carrying': ({ view, deal }) => othersOf(view, deal).some((other) => isStarted(other) && !isDeactivated(other)),
  'voltage-too-high': (at) => {
    const { max } = at.view.policy.operationGridVoltageVRange;
    return (masterVoltage(at)?.vg ?? 0) > max + at.view.policy.gridVoltageAllowanceV;
  },
  'voltage-reached': (at) => {
    const voltage = masterVoltage(at);
    return voltage !== undefined && voltage.vg >= voltage.dvg - at.view.policy.gridVoltageAllowanceV;
  },
  'ramp-up-overdue': ({ now, progress, view }) =>
    now - progress.stateSince >= view.policy.controller.dcdc.voltageReference.rampUp.first.timeoutMsec,
  'amount-reached': ({ deal, progress }) => progress.amountWh > deal.dealAmountWh,
  'charge-limit-reached': (at) => chargeLimitReason(at) !== undefined,
  'duration-overdue': (at) => at.now - at.progress.stateSince > maxDurationMsec(at),
  'abort-recorded': ({ deal }) => deal.abortDateTime !== undefined,
  'reference-not-mine': (at) => !isMaster(at),
  'successor-running': ({ view, deal }) => othersOf(view, deal).some(isCarrying),
  'linger-over': ({ now, progress, view }) => now - progress.stateSince >= view.policy.gridMaster.lingerMsec,
};

/** Stable reason of an abortion by each event; the charge limit brings its own text. */
export function abortReason(event: DealEventName, at: Situation): string {
  const texts: Partial<Record<DealEventName, () => string | undefined>> = {
    'stop-requested': () => JSON.stringify(at.deal.needToStopReasons),
    'charge-limit-reached': () => chargeLimitReason(at),
    'start-overdue': () => `deal.start-overdue : ${obstacleTo(at)?.reason ?? 'bus not ready'}`,
  };
  return texts[event]?.() ?? `deal.${event}`;
}
