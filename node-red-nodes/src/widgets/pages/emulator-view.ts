import type { EmulatedFault, EmulationState } from '@apis-edge/gateway/domain';
import type { EmulationNews, PageParts } from '../../lib/page-message.ts';
import { houseView } from '../community/house-view.ts';
import { type FaultChoice, HOUSE_FAULTS, LINE_BREAK_TITLE } from './fault-choices.ts';

/** Something that is broken, and the words that mend it. */
export interface BrokenView {
  readonly key: string;
  readonly title: string;
  readonly target: EmulatedFault;
}

export interface EmulatedHouseView {
  readonly houseId: string;
  readonly name: string;
  readonly rsocPercent: number;
  readonly storedWh: number;
  readonly capacityWh: number;
  readonly solarW: number;
  readonly loadW: number;
  readonly broken: readonly BrokenView[];
}

export interface EmulatorView {
  readonly speed: number;
  /** Speeds to choose from, the present one among them. */
  readonly speeds: readonly number[];
  readonly houses: readonly EmulatedHouseView[];
  readonly brokenLines: readonly BrokenView[];
  readonly wholeLines: readonly string[];
}

const SPEEDS = [1, 10, 60, 300];

const titleOf = (kind: string): string => HOUSE_FAULTS.find((choice) => choice.fault.kind === kind)?.title ?? kind;

const nameOf = (unitId: string, units: PageParts['units']): string => {
  const entry = units[unitId];
  return entry === undefined ? unitId : houseView(unitId, entry, undefined).name;
};

const lineBreak = (branch: string): EmulatedFault => ({ kind: 'lineBreak', branch });

/** Everything that the Emulator page shows of an emulation that tells of itself. Pure. */
export function emulatorView(state: EmulationState, units: PageParts['units'] = {}): EmulatorView {
  return {
    speed: state.speed,
    speeds: [...new Set([...SPEEDS, state.speed])].sort((a, b) => a - b),
    houses: state.houses.map(({ houseId, unitId, rsoc, capacityWh, pvW, loadW, faults }) => ({
      houseId,
      name: nameOf(unitId, units),
      rsocPercent: rsoc,
      storedWh: (capacityWh * rsoc) / 100,
      capacityWh,
      solarW: pvW,
      loadW,
      broken: faults.map((kind) => ({ key: `${houseId} ${kind}`, title: titleOf(kind), target: { kind, houseId } })),
    })),
    brokenLines: state.branches
      .filter(({ isBroken }) => isBroken)
      .map(({ branch }) => ({
        key: branch,
        title: `${LINE_BREAK_TITLE} between ${branch.replace('-', ' and ')}`,
        target: lineBreak(branch),
      })),
    wholeLines: state.branches.filter(({ isBroken }) => !isBroken).map(({ branch }) => branch),
  };
}

/** The fault of a choice at a place: a house, or for a line break one of the lines. */
export const faultAt = (choice: FaultChoice | undefined, place: string): EmulatedFault =>
  choice === undefined ? lineBreak(place) : { ...choice.fault, houseId: place };

export const isEmulation = (news: EmulationNews | null | undefined): news is EmulationState =>
  news !== null && news !== undefined && 'houses' in news;
