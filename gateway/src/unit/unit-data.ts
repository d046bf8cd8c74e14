import type { HwConfig } from '../config/hw-config.ts';
import type { Policy } from '../config/policy.ts';
import type { Acquired } from '../controller/index.ts';
import type { ModeState } from '../domain/messages.ts';
import { formatTimestamp } from '../domain/timestamp.ts';
import type { OesUnit, UnitData } from '../domain/unit-data.ts';
import { efficientGridVoltageV, remainingCapacityWh, slots } from '../market/index.ts';
import type { Clock } from '../ports/clock.ts';

/** Version text that clients of the original expect (control.md §1.2). */
export const APIS_VERSION = '3.0.0';

export interface UnitDataSources {
  readonly identity: Omit<OesUnit, 'budo'>;
  readonly acquired: Acquired;
  /** RULE-3 */
  readonly isPossiblyActive: boolean;
  readonly mode: ModeState;
  readonly isGridMaster: boolean;
  /** RULE-18 */
  readonly isWired: boolean;
  /** A fault keeps it from trading. */
  readonly isBarred: boolean;
  /** Deals that hold a slot of this unit. */
  readonly dealIds: readonly string[];
  readonly hwConfig: HwConfig;
  readonly policy: Policy;
  readonly clock: Clock;
}

/** The unit data object that a unit publishes (control.md §1.2, market.md §1.9). */
export function composeUnitData(sources: UnitDataSources): UnitData {
  const { acquired, mode, clock, hwConfig, policy } = sources;
  const { dcdc, battery, emu, time } = acquired.reading;
  const efficientV = efficientGridVoltageV(hwConfig, dcdc.meter.vb);
  return {
    time: time ?? formatTimestamp(clock.now(), clock.zoneOffsetMinutes()),
    oesunit: { ...sources.identity, budo: mode.effective === 'autonomous' ? '1' : '0' },
    dcdc,
    battery,
    ...(emu === undefined ? {} : { emu }),
    apis: {
      version: APIS_VERSION,
      remaining_capacity_wh: remainingCapacityWh(hwConfig.batteryNominalCapacityWh, battery.rsoc),
      deal_interlock_capacity: slots(hwConfig.gridCurrentCapacityA, policy.mediator.deal.gridCurrentA),
      energy_wh: acquired.energyWh,
      ...(efficientV === undefined ? {} : { efficient_grid_voltage_v: efficientV }),
      ...(sources.isGridMaster ? { is_grid_master: true as const } : {}),
      ...(sources.isBarred ? { barred: true as const } : {}),
      ...(sources.isWired ? { wired_device: true as const } : {}),
      ...(sources.dealIds.length > 0 ? { deal_id_list: sources.dealIds } : {}),
      operation_mode: { global: mode.global.value, local: mode.local, effective: mode.effective },
    },
    ...(acquired.stale ? { stale: true as const } : {}),
    ...(sources.isPossiblyActive ? { possiblyActive: true as const } : {}),
  };
}
