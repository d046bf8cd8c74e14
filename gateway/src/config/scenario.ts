/** How a requester chooses among accepts (market §2.6). */
export type AcceptStrategy = 'amount' | 'pointAndAmount';

export interface AcceptSelection {
  readonly strategy: AcceptStrategy;
}

/** What a unit wants or offers in one status: amount = distance of the stored energy to `limitWh` (market §2.4). */
export interface Rule {
  readonly limitWh: number;
  readonly pointPerWh?: number;
  readonly pairUnitId?: string;
}

/** Rules by the role of this unit; neither means: nothing in this status. */
export interface Rules {
  readonly charge?: Rule;
  readonly discharge?: Rule;
}

/** A range of stored energy, lower bound included, upper excluded, with its status name (market §2.3). */
export interface BatteryLevel {
  /** -Infinity if open. */
  readonly lowerWh: number;
  /** +Infinity if open. */
  readonly upperWh: number;
  readonly status: string;
}

/** What holds from `from` (included) to `to` (excluded), seconds of day; `to <= from` crosses midnight. */
export interface ScenarioWindow {
  readonly from: number;
  readonly to: number;
  /** In file order: the first match counts. */
  readonly batteryStatus: readonly BatteryLevel[];
  readonly acceptSelection?: AcceptSelection;
  /** By status name. */
  readonly request: ReadonlyMap<string, Rules>;
  readonly accept: ReadonlyMap<string, Rules>;
}

/** The trading intentions of one unit (market §2.1). */
export interface Scenario {
  readonly refreshingPeriodMsec: number;
  /** For windows that have none of their own. */
  readonly acceptSelection?: AcceptSelection;
  /** In file order: the first match counts. */
  readonly windows: readonly ScenarioWindow[];
}
