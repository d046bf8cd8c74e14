/** The vocabulary of the system: plain data, no behaviour that waits. */
export * from './converter-mode.ts';
export * from './deal.ts';
export * from './device-command.ts';
export * from './emulation.ts';
export * from './errors.ts';
export * from './fault.ts';
export * from './fault-actions.ts';
export * from './messages.ts';
export * from './operation-mode.ts';
export * from './quantities.ts';
export * from './question.ts';
export * from './role.ts';
export * from './timestamp.ts';
export * from './trade.ts';
export * from './unit-data.ts';
export * from './wired-device.ts';
