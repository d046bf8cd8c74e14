import { labelOfMode, type StampedMode } from '@apis-edge/gateway/domain';
import type { CommunityState } from '../../lib/community.ts';
import { dealView, openDeals } from './deal-view.ts';
import { houseView } from './house-view.ts';
import type { CommunityView, DealView, HouseView } from './view.ts';

/** Below this the bus counts as without voltage: converters that wait measure a few volts of offset. */
const BUS_OFF_BELOW_V = 50;

const median = (values: readonly number[]): number | undefined => values.toSorted((a, b) => a - b)[values.length >> 1];

/** The voltage reference says what the bus has; without one, the middle of what the houses measure. */
function busVoltageV(houses: readonly HouseView[]): number | undefined {
  const reference = houses.find((house) => house.isVoltageReference && house.presence === 'live');
  if (reference?.gridVoltageV !== undefined) return reference.gridVoltageV;
  const measured = houses.filter((house) => house.presence === 'live').map((house) => house.gridVoltageV);
  return median(measured.filter((value) => value !== undefined));
}

const isYounger = (a: StampedMode, b: StampedMode): boolean =>
  a.term > b.term || (a.term === b.term && a.revision > b.revision);

/** The mode with the highest stamp that anyone reports (architecture.md §3). */
function globalMode(state: CommunityState): StampedMode | undefined {
  const heard = [state.grid?.mode, ...Object.values(state.units).map((entry) => entry.mode?.global)];
  return heard.reduce((best, mode) => (mode && (!best || isYounger(mode, best)) ? mode : best), undefined);
}

/** Time of the youngest reading, in the community's own zone. */
export const youngestReading = (units: CommunityState['units']): string | undefined =>
  Object.values(units)
    .map((entry) => entry.unit?.time)
    .filter((time) => time !== undefined)
    .sort()
    .at(-1);

const sum = (values: readonly (number | undefined)[]): number =>
  values.reduce<number>((total, value) => total + (value ?? 0), 0);

const totalsOf = (houses: readonly HouseView[], deals: readonly DealView[], volts: number | undefined) => {
  const live = houses.filter((house) => house.presence === 'live');
  return {
    solarW: sum(live.map((house) => house.solarW)),
    loadW: sum(live.map((house) => house.loadW)),
    importW: sum(live.map((house) => house.importW)),
    tradedW: sum(deals.map((deal) => (deal.isFlowing ? deal.currentA * (volts ?? 0) : 0))),
  };
};

/** Everything that the page shows, out of what the unit client knows. Pure: the same state gives the same picture. */
export function communityView(state: CommunityState): CommunityView {
  const houses = Object.keys(state.units)
    .sort()
    .flatMap((unitId) => {
      const entry = state.units[unitId];
      return entry === undefined ? [] : [houseView(unitId, entry, state.grid)];
    });
  const volts = busVoltageV(houses);
  const deals = openDeals(state.deals).map((deal) => dealView(deal, volts));
  const mode = globalMode(state);
  const clock = youngestReading(state.units);
  return {
    houses,
    deals,
    isBusOn: (volts ?? 0) >= BUS_OFF_BELOW_V,
    hasGlobalErrors: state.grid?.hasGlobalErrors === true,
    totals: totalsOf(houses, deals, volts),
    ...(mode === undefined ? {} : { globalMode: labelOfMode(mode.value) }),
    ...(volts === undefined ? {} : { busVoltageV: volts }),
    ...(clock === undefined ? {} : { clock }),
  };
}
