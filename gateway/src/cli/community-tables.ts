import type { CommunityState, KnownFault, UnitState } from '../client/index.ts';
import { modeOfCode } from '../domain/converter-mode.ts';
import { isActivated, isDeactivated, isStarted, isStopped, type LoggedDeal } from '../domain/deal.ts';
import { faultTag } from '../domain/fault.ts';
import { labelOfMode } from '../domain/operation-mode.ts';
import { textTable } from './text-table.ts';

/** What rounds to nothing has no sign. */
const rounded = (value: number, digits: number): string => value.toFixed(digits).replace(/^-(?=[0.]+$)/, '');

const quantity = (value: number | undefined, unit: string, digits = 0): string =>
  value === undefined ? '–' : `${rounded(value, digits)} ${unit}`;

function unitRow(id: string, { online, unit, mode }: UnitState): readonly string[] {
  const dcdc = unit?.dcdc;
  return [
    id,
    online ? (unit?.stale ? 'stale' : 'online') : 'offline',
    mode === undefined ? '–' : labelOfMode(mode.effective),
    quantity(unit?.battery.rsoc, '%', 1),
    dcdc === undefined ? '–' : (modeOfCode(dcdc.status.status) ?? dcdc.status.status),
    quantity(dcdc?.meter.vg, 'V', 1),
    quantity(dcdc?.meter.ig, 'A', 2),
    quantity(unit?.emu?.pvc_charge_power, 'W'),
    quantity(unit?.emu?.ups_output_power, 'W'),
  ];
}

/** `apis status` for people. */
export function statusText({ units, deals, grid, faults }: CommunityState): string {
  const head = ['unit', 'state', 'mode', 'battery', 'converter', 'bus', 'current', 'PV', 'load'];
  const open = deals.filter((deal) => !isDeactivated(deal));
  const bus =
    grid === undefined
      ? 'Grid master: none heard'
      : [
          `Grid master: ${grid.gridMasterUnitId} (term ${grid.term})`,
          `mode ${labelOfMode(grid.mode.value)}`,
          `voltage reference ${grid.voltageReferenceUnitId ?? 'none'}`,
        ].join(', ');
  return [
    textTable(
      head,
      Object.entries(units).map(([id, unit]) => unitRow(id, unit)),
    ),
    '',
    bus,
    `Deals: ${open.length} open. Faults heard: ${faults.length}.`,
  ].join('\n');
}

/** Where a deal stands in its life, in one word. */
export function dealPhase(deal: LoggedDeal): string {
  if (deal.abortReason !== undefined) return 'aborted';
  if (deal.scramReason !== undefined) return 'scrammed';
  if (isDeactivated(deal)) return 'finished';
  if (isStopped(deal)) return 'stopping';
  if (isStarted(deal)) return 'running';
  return isActivated(deal) ? 'starting' : 'agreed';
}

/** `apis deals` for people. */
export function dealsText(deals: readonly LoggedDeal[]): string {
  if (deals.length === 0) return 'No deals.';
  const head = ['deal', 'created', 'from', 'to', 'phase', 'current', 'moved', 'of', 'points/Wh'];
  return textTable(
    head,
    deals.map((deal) => [
      deal.dealId.slice(0, 8),
      deal.createDateTime,
      deal.dischargeUnitId,
      deal.chargeUnitId,
      dealPhase(deal),
      quantity(deal.dealGridCurrentA, 'A', 2),
      quantity(deal.cumulateAmountWh ?? 0, 'Wh', 1),
      quantity(deal.dealAmountWh, 'Wh'),
      deal.pointPerWh === null ? '–' : String(deal.pointPerWh),
    ]),
  );
}

/** `apis faults` for people. */
export function faultsText(faults: readonly KnownFault[]): string {
  if (faults.length === 0) return 'No faults.';
  return textTable(
    ['id', 'at', 'seen', 'unit', 'kind', 'state', 'reason', 'message'],
    faults.map((fault) => [
      fault.faultId,
      fault.lastAt ?? fault.at,
      `${fault.count ?? 1}×`,
      fault.unitId,
      faultTag(fault),
      fault.acknowledgedAt === undefined ? 'new' : 'acknowledged',
      fault.reason,
      fault.message,
    ]),
  );
}
