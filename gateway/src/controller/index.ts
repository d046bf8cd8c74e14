/** The controller room: one unit's converter and battery (control.md §1, §5.2). */
export { BatteryCapacity } from './battery-capacity.ts';
export { Controller } from './controller.ts';
export type { Acquired, ControllerNeeds, HeldPermit } from './needs.ts';
export { type SafeStopOptions, type SafeStopResult, safeStop } from './safe-stop.ts';
