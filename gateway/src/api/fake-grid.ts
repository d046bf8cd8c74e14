/** Emulated houses on one DC network, for programs that host them: flows and tests. */
export { HOUSE_FAULT_KINDS } from '../emulation/read-fault.ts';
export type { HouseFaultKind } from '../emulation/world-fault.ts';
export type { HouseOptions } from '../emulation/world-options.ts';
export type { EmulatorApi } from './emulator-api.ts';
export { type FakeGridOptions, hostFakeGrid } from './host-fake-grid.ts';
