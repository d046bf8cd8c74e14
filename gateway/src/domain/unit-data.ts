import type { OperationMode } from './operation-mode.ts';
import type { Amperes, Celsius, Percent, Volts, WattHours, Watts } from './quantities.ts';

/** `dcdc.meter`: what the converter measures; + into the battery, − out of it (control.md §0). */
export interface DcdcMeter {
  readonly vg: Volts;
  readonly ig: Amperes;
  readonly wg: Watts;
  readonly vb: Volts;
  readonly ib: Amperes;
  readonly wb: Watts;
  readonly tmp: Celsius;
}

export interface DcdcStatus {
  /** Mode code, see converter-mode.ts. */
  readonly status: string;
  readonly operationMode: string;
  /** `No alarm`, `Light alarm`, `Heavy alarm`: only the last has an effect. */
  readonly alarmState: string;
  readonly alarm?: string;
  readonly statusName?: string;
  readonly runningState?: string;
}

/** The `dcdc` block of unit data (control.md §1.2). `param.dig` is a magnitude, `vdis.drg` a ratio. */
export interface Dcdc {
  readonly status: DcdcStatus;
  readonly meter: DcdcMeter;
  readonly vdis: { readonly dvg: Volts; readonly drg: number };
  readonly param: { readonly dig: Amperes; readonly [other: string]: number };
  readonly powermeter?: Readonly<Record<string, number>>;
}

export interface BatteryState {
  readonly rsoc: Percent;
  /** 0 none, 1 charge only, 2 discharge only, 3 both; absent when the battery does not tell. */
  readonly battery_operation_status?: number | null;
}

/** The parts of the raw `emu` block that people look at (emulator.md §4); further fields may be present. */
export interface EmuData {
  readonly rsoc?: Percent;
  /** Photovoltaic power, W. */
  readonly pvc_charge_power?: Watts;
  /** Household load behind the UPS, W. */
  readonly ups_output_power?: Watts;
  readonly charge_discharge_power?: Watts;
  readonly [other: string]: unknown;
}

export interface OesUnit {
  readonly communityId: string;
  readonly clusterId: string;
  readonly id: string;
  readonly display: string;
  readonly sn: string;
  /** `1` exactly when the effective operation mode is autonomous. */
  readonly budo: '0' | '1';
  readonly ip: string;
  readonly ipv6_ll: string;
  readonly ipv6_g: string;
  readonly mac: string;
}

/** The `apis` block: what the unit derives about itself (market.md §1.9). */
export interface ApisBlock {
  readonly version: string;
  readonly remaining_capacity_wh: WattHours;
  readonly deal_interlock_capacity: number;
  /**
   * Ours: net energy through the battery side of the converter since this session began, + into the battery,
   * integrated by the unit itself over its own monotonic clock (RULE-13, control.md S23).
   */
  readonly energy_wh: WattHours;
  /** Ours: the bus voltage that suits the battery as it is now, V; absent when the hardware does not say (control.md S25). */
  readonly efficient_grid_voltage_v?: Volts;
  readonly is_grid_master?: true;
  /** Ours: the devices stand behind a flow; the unit must never hold the bus voltage (RULE-18). */
  readonly wired_device?: true;
  /** Ours: a fault keeps the unit from trading for the time being: whoever wants a deal asks when this is gone. */
  readonly barred?: true;
  readonly deal_id_list?: readonly string[];
  readonly operation_mode: {
    readonly global: OperationMode;
    readonly local: OperationMode | null;
    readonly effective: OperationMode;
  };
}

/** One side of a scenario's rule, by the role of the unit: until how much is stored, at which price, with whom only. */
export interface ScenarioRule {
  readonly limitWh: WattHours;
  readonly pointPerWh?: number;
  readonly pairUnitId?: string;
}
export interface ScenarioRules {
  readonly charge?: ScenarioRule;
  readonly discharge?: ScenarioRule;
}

/** What a unit's scenario says at this time of day and this charge. */
export interface ScenarioNow {
  /** `06:00`, of the day. */
  readonly from: string;
  readonly to: string;
  /** Name of the battery's level. */
  readonly status?: string;
  readonly request?: ScenarioRules;
  readonly accept?: ScenarioRules;
}

/** Everything a unit says about itself; published retained as `unit` (control.md §1.2). */
export interface UnitData {
  readonly time: string;
  readonly oesunit: OesUnit;
  readonly dcdc: Dcdc;
  readonly battery: BatteryState;
  readonly emu?: EmuData;
  readonly apis: ApisBlock;
  /** Ours: absent where the scenario says nothing. */
  readonly scenario?: ScenarioNow;
  /** Ours: true when the device did not answer lately and the values are old; never used for a decision then. */
  readonly stale?: true;
  /** Ours: a driver write is under way or got no answer; the converter may be out of WAIT, whatever it shows (RULE-3). */
  readonly possiblyActive?: true;
}
