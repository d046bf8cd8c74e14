import { labelOfMode, type UnitData } from '@apis-edge/gateway/domain';
import type { PageParts } from '../../lib/page-message.ts';
import { houseView } from '../community/house-view.ts';
import type { HouseView } from '../community/view.ts';
import { percent, signedAmperes, volts, wattHours, watts } from '../shared/format.ts';
import { MODE_TEXTS } from '../shared/texts.ts';
import { type ScenarioText, scenarioText } from './scenario-text.ts';

export interface Tile {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly hint?: string;
}

export interface HousePageView {
  readonly choices: readonly { readonly unitId: string; readonly name: string }[];
  readonly house?: HouseView;
  readonly tiles: readonly Tile[];
  /** Why the house trades as it does. */
  readonly will?: { readonly mode: string; readonly modeWhy: string; readonly scenario: ScenarioText };
}

/** The house that was chosen, else the one that the page's own unit belongs to, else the first. */
export function chosenHouse(ids: readonly string[], chosen: string | null, ownUnitId: string): string | undefined {
  return [chosen, ownUnitId].find((id) => id !== null && ids.includes(id)) ?? ids[0];
}

const tilesOf = (house: HouseView, converterW: number | undefined): readonly Tile[] => [
  { id: 'rsoc', label: 'State of charge', value: percent(house.rsocPercent), hint: wattHours(house.remainingWh) },
  { id: 'solar', label: 'Solar', value: watts(house.solarW) },
  { id: 'load', label: 'Load', value: watts(house.loadW) },
  { id: 'import', label: 'From the grid', value: watts(house.importW) },
  { id: 'converter', label: 'Converter', value: watts(converterW), hint: house.modeText },
  { id: 'bus-voltage', label: 'Bus voltage', value: volts(house.gridVoltageV) },
  { id: 'bus-current', label: 'Bus current', value: signedAmperes(house.gridCurrentA) },
];

const modeOf = (unit: UnitData): { readonly mode: string; readonly modeWhy: string } => {
  const { effective, local } = unit.apis.operation_mode;
  const { title, meaning } = MODE_TEXTS[labelOfMode(effective)];
  const source =
    local === null
      ? 'It has no mode of its own and follows the community.'
      : `Its own mode is ${MODE_TEXTS[labelOfMode(local)].title}.`;
  return { mode: title, modeWhy: `${meaning} ${source}` };
};

/** Everything that the House page says in numbers. Pure. */
export function housePageView(parts: Partial<PageParts>, unitId: string | undefined): HousePageView {
  const { units = {} } = parts;
  const choices = Object.keys(units)
    .sort()
    .flatMap((id) => {
      const entry = units[id];
      return entry === undefined ? [] : [{ unitId: id, name: houseView(id, entry, undefined).name }];
    });
  const entry = unitId === undefined ? undefined : units[unitId];
  if (unitId === undefined || entry === undefined) return { choices, tiles: [] };
  const house = houseView(unitId, entry, undefined);
  const { unit } = entry;
  return {
    choices,
    house,
    tiles: tilesOf(house, unit?.dcdc.meter.wg),
    ...(unit === undefined ? {} : { will: { ...modeOf(unit), scenario: scenarioText(unit.scenario) } }),
  };
}
