import type { ConverterMode } from '@apis-edge/gateway/domain';
import type { PageParts } from '../../lib/page-message.ts';
import { communityView } from '../community/community-view.ts';
import type { HouseView, Presence } from '../community/view.ts';

export interface GridHouseView {
  readonly unitId: string;
  readonly name: string;
  readonly presence: Presence;
  readonly mode?: ConverterMode;
  readonly modeText: string;
  readonly isVoltageReference: boolean;
  readonly isGridMaster: boolean;
  readonly busV?: number;
  /** + into the battery. */
  readonly currentA?: number;
  /** What its deals come to, + into the battery. */
  readonly agreedA: number;
  /** Magnitude that its deals may come to, where its own word and a deal tell. */
  readonly limitA?: number;
  readonly dealsAtOnce?: number;
  readonly deals: number;
  /** What the grid master lets its converter do. */
  readonly permit: readonly ConverterMode[];
}

export interface MasterView {
  readonly unitId: string;
  readonly term: number;
  readonly pass: number;
  readonly passMsec: number;
  readonly heardAgoMsec: number;
  readonly isLate: boolean;
  readonly notes: readonly string[];
}

export interface GridPageView {
  readonly houses: readonly GridHouseView[];
  readonly isBusOn: boolean;
  readonly busVoltageV?: number;
  /** Highest less lowest of what living houses measure. */
  readonly spreadV?: number;
  /** What is left when all currents are added. */
  readonly sumA?: number;
  /** How much of that the meters alone may be off. */
  readonly meterErrorA: number;
  readonly master?: MasterView;
}

/** Of a meter: 0.5 % and 0.02 A (emulator.md §6.4). */
const METER_SHARE = 0.005;
const METER_OFFSET_A = 0.02;
/** A grid master speaks twice a second; its permits run out after five seconds of silence. */
const LATE_AFTER_MSEC = 2_500;

const known = (values: readonly (number | undefined)[]): readonly number[] => values.filter((one) => one !== undefined);

function agreedOf(parts: Partial<PageParts>, unitId: string) {
  const own = (parts.openDeals ?? []).filter((deal) => deal.chargeUnitId === unitId || deal.dischargeUnitId === unitId);
  const agreedA = own.reduce(
    (sum, deal) => sum + (deal.chargeUnitId === unitId ? deal.dealGridCurrentA : -deal.dealGridCurrentA),
    0,
  );
  return { deals: own.length, agreedA };
}

function limitOf(parts: Partial<PageParts>, unitId: string): { limitA?: number; dealsAtOnce?: number } {
  const dealsAtOnce = parts.units?.[unitId]?.unit?.apis.deal_interlock_capacity;
  const dealA = parts.openDeals?.[0]?.dealGridCurrentA;
  if (dealsAtOnce === undefined) return {};
  return { dealsAtOnce, ...(dealA === undefined ? {} : { limitA: dealsAtOnce * dealA }) };
}

const houseOf = (house: HouseView, parts: Partial<PageParts>): GridHouseView => ({
  unitId: house.unitId,
  name: house.name,
  presence: house.presence,
  modeText: house.modeText,
  isVoltageReference: house.isVoltageReference,
  isGridMaster: house.isGridMaster,
  permit: parts.grid?.state.permits.find((permit) => permit.unitId === house.unitId)?.modes ?? [],
  ...agreedOf(parts, house.unitId),
  ...limitOf(parts, house.unitId),
  ...(house.mode === undefined ? {} : { mode: house.mode }),
  ...(house.gridVoltageV === undefined ? {} : { busV: house.gridVoltageV }),
  ...(house.gridCurrentA === undefined ? {} : { currentA: house.gridCurrentA }),
});

function masterOf(parts: Partial<PageParts>): MasterView | undefined {
  if (!parts.grid) return undefined;
  const { state, heardAgoMsec } = parts.grid;
  const { handOver } = state;
  const notes = [
    ...(handOver === undefined ? [] : [`The voltage is being passed from ${handOver.from} to ${handOver.to}.`]),
    ...(state.granting === false
      ? ['It grants nothing new: too few houses answer, or an older grid master’s permits may still run.']
      : []),
    ...(state.hasGlobalErrors ? ['A fault concerns the whole community: no new deals begin until it is cleared.'] : []),
  ];
  return {
    unitId: state.gridMasterUnitId,
    term: state.term,
    pass: state.pass,
    passMsec: state.passMsec,
    heardAgoMsec,
    isLate: heardAgoMsec > LATE_AFTER_MSEC,
    notes,
  };
}

/** Everything that the Grid page shows; only living houses are counted. Pure. */
export function gridPageView(parts: Partial<PageParts>): GridPageView {
  const { units = {}, openDeals = [], grid } = parts;
  const community = communityView({ units, deals: openDeals, faults: [], ...(grid ? { grid: grid.state } : {}) });
  const houses = community.houses.map((house) => houseOf(house, parts));
  const live = houses.filter((house) => house.presence === 'live');
  const volts = known(live.map((house) => house.busV));
  const currents = known(live.map((house) => house.currentA));
  const master = masterOf(parts);
  return {
    houses,
    isBusOn: community.isBusOn,
    meterErrorA: currents.reduce((sum, one) => sum + METER_OFFSET_A + METER_SHARE * Math.abs(one), 0),
    ...(community.busVoltageV === undefined ? {} : { busVoltageV: community.busVoltageV }),
    ...(volts.length < 2 ? {} : { spreadV: Math.max(...volts) - Math.min(...volts) }),
    ...(currents.length === 0 ? {} : { sumA: currents.reduce((sum, one) => sum + one, 0) }),
    ...(master === undefined ? {} : { master }),
  };
}
