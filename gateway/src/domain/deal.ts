import type { Amperes, Volts, WattHours } from './quantities.ts';

export type DealType = 'charge' | 'discharge';
export type DealSide = 'chargeUnit' | 'dischargeUnit';

export interface DealEvent {
  readonly dateTime: string;
  readonly reason: string;
}

/** What the requester builds out of its request and the chosen accept (market.md §3.3). */
export interface DealDraft {
  readonly unitId: string;
  readonly negotiationId: string;
  readonly requestUnitId: string;
  readonly acceptUnitId: string;
  readonly requestDateTime: string;
  readonly acceptDateTime: string;
  readonly requestPointPerWh: number | null;
  readonly acceptPointPerWh: number | null;
  readonly requestDealGridCurrentA: Amperes;
  readonly acceptDealGridCurrentA: Amperes;
  readonly type: DealType;
  readonly chargeUnitId: string;
  readonly dischargeUnitId: string;
  readonly pointPerWh: number | null;
  readonly chargeUnitEfficientGridVoltageV: Volts | null;
  readonly dischargeUnitEfficientGridVoltageV: Volts | null;
  readonly dealGridCurrentA: Amperes;
  readonly requestAmountWh: WattHours;
  readonly acceptAmountWh: WattHours;
  readonly dealAmountWh: WattHours;
  readonly requestPairUnitId?: string;
  readonly acceptPairUnitId?: string;
}

/** A deal: one agreed transfer between exactly two units, with the marks of its life (control.md §4.1). */
export interface Deal extends DealDraft {
  readonly dealId: string;
  readonly createDateTime: string;
  readonly compensationTargetVoltageReferenceGridCurrentA?: Amperes;
  readonly activateDateTime?: string;
  readonly isMaster?: true;
  readonly rampUpDateTime?: string;
  readonly warmUpDateTime?: string;
  readonly dischargeUnitCompensatedGridCurrentA?: Amperes;
  readonly chargeUnitCompensatedGridCurrentA?: Amperes;
  readonly startDateTime?: string;
  readonly cumulateDateTime?: string;
  readonly cumulateAmountWh?: WattHours;
  readonly stopDateTime?: string;
  readonly deactivateDateTime?: string;
  readonly abortDateTime?: string;
  readonly abortReason?: string;
  readonly scramDateTime?: string;
  readonly scramReason?: string;
  readonly needToStopReasons?: readonly string[];
  readonly reset?: readonly DealEvent[];
  readonly abort?: readonly DealEvent[];
  /** Order of copies: the highest (term, revision) wins (architecture.md §3). */
  readonly term: number;
  readonly revision: number;
}

/** A deal as the original logs it: without our order of copies. */
export type LoggedDeal = Omit<Deal, 'term' | 'revision'>;

/** A mark that is set, `--` included. */
const isSet = (mark: string | undefined): boolean => mark !== undefined;

export const isActivated = (deal: LoggedDeal): boolean => isSet(deal.activateDateTime);
export const isRampedUp = (deal: Deal): boolean => isSet(deal.rampUpDateTime);
export const isWarmedUp = (deal: Deal): boolean => isSet(deal.warmUpDateTime);
export const isStarted = (deal: LoggedDeal): boolean => isSet(deal.startDateTime);
export const isStopped = (deal: LoggedDeal): boolean => isSet(deal.stopDateTime);
export const isDeactivated = (deal: LoggedDeal): boolean => isSet(deal.deactivateDateTime);

export const masterSideMustBeActive = (deal: Deal): boolean => isActivated(deal) && !isDeactivated(deal);
export const slaveSideMustBeActive = (deal: Deal): boolean => isWarmedUp(deal) && !isStopped(deal);
/** Exactly one side must be active. */
export const isTransitional = (deal: Deal): boolean => masterSideMustBeActive(deal) && !slaveSideMustBeActive(deal);
export const needsToStop = (deal: Deal): boolean => (deal.needToStopReasons?.length ?? 0) > 0;

/** Both units of a deal, the charging one first. */
export const partiesOf = ({ chargeUnitId, dischargeUnitId }: Deal): readonly string[] => [
  chargeUnitId,
  dischargeUnitId,
];

/** Is it so of either unit of a deal? */
export const isOfEither = ({ chargeUnitId, dischargeUnitId }: Deal, is: (unitId: string) => boolean): boolean =>
  is(chargeUnitId) || is(dischargeUnitId);

/** The units that are a party of any of the deals, each once. */
export function partiesOfAll(deals: readonly Deal[]): readonly string[] {
  const unitIds: string[] = [];
  for (const deal of deals) for (const unitId of partiesOf(deal)) if (!unitIds.includes(unitId)) unitIds.push(unitId);
  return unitIds;
}

export const isInvolved = (deal: Deal, unitId: string): boolean =>
  deal.chargeUnitId === unitId || deal.dischargeUnitId === unitId;

/** Side of a deal that a unit stands on; undefined when it is not a party. */
export function sideOf(deal: Deal, unitId: string): DealSide | undefined {
  if (deal.chargeUnitId === unitId) return 'chargeUnit';
  return deal.dischargeUnitId === unitId ? 'dischargeUnit' : undefined;
}

export const otherSide = (side: DealSide): DealSide => (side === 'chargeUnit' ? 'dischargeUnit' : 'chargeUnit');

export const unitOnSide = (deal: Deal, side: DealSide): string =>
  side === 'chargeUnit' ? deal.chargeUnitId : deal.dischargeUnitId;

/** Worth a log file: activated for real, or reset at least once (market.md §3.4). */
export const isSaveworthy = (deal: Deal): boolean =>
  (deal.activateDateTime !== undefined && deal.activateDateTime !== '--') || (deal.reset?.length ?? 0) > 0;

/** True when copy `a` is younger than copy `b` of the same deal (INV-6, RULE-16). */
export const isNewerCopy = (a: Pick<Deal, 'term' | 'revision'>, b: Pick<Deal, 'term' | 'revision'>): boolean =>
  a.term > b.term || (a.term === b.term && a.revision > b.revision);
