/** The small interfaces between the core and the world, each with its fake beside it. */
export * from './bus.ts';
export * from './clock.ts';
export * from './deadline.ts';
export * from './device.ts';
export * from './entropy.ts';
export * from './exclusive-locks.ts';
export * from './log.ts';
export * from './memory-bus.ts';
export * from './pulse.ts';
export * from './store.ts';
export * from './virtual-clock.ts';
