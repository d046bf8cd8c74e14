/** The emulated world: houses, batteries, converters and the DC bus between them. */
export * from './dataset.ts';
export * from './dataset-csv.ts';
export * from './energy-account.ts';
export * from './generated-year.ts';
export type { HouseState } from './house-state.ts';
export * from './world.ts';
export type { HouseSetting } from './world-checks.ts';
export * from './world-event.ts';
export * from './world-fault.ts';
export * from './world-options.ts';
