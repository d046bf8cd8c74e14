import { CONVERTER_MODES } from '../domain/converter-mode.ts';
import type { SafetyCheck, Violation } from './safety-check.ts';

const hardware = (check: string, reason: string, message: string, stops: boolean): readonly Violation[] => [
  { check, reason, category: 'HARDWARE', message, stops },
];

/** L1: a heavy alarm stops the converter (INV-3). */
export const checkAlarm: SafetyCheck = ({ dcdc: { status } }) => {
  if (status.alarmState !== 'Heavy alarm') return [];
  const message = 'the converter reports a heavy alarm';
  return hardware('L1', 'safety.heavy-alarm', status.alarm ? `${message}: ${status.alarm}` : message, true);
};

const BOTH_DIRECTIONS = 3;

/** L2: the battery permits both directions, or does not tell. */
export const checkBatteryPermission: SafetyCheck = ({ batteryOperationStatus: value }) =>
  value === undefined || value === null || value === BOTH_DIRECTIONS
    ? []
    : hardware(
        'L2',
        'safety.battery-permission',
        `battery_operation_status is ${value}, not ${BOTH_DIRECTIONS}`,
        false,
      );

/**
 * L3, L4: the code is known, the text belongs to it, and it is a mode that the converter was told (INV-2);
 * what cannot be named cannot be supervised, so it stops (INV-3).
 */
export const checkMode: SafetyCheck = ({ mode, isExpected, dcdc: { status } }) => {
  if (mode === undefined) return hardware('L3', 'safety.unknown-mode', `unknown mode code ${status.status}`, true);
  const text = CONVERTER_MODES[mode].operationMode;
  if (status.operationMode !== text) {
    const message = `code ${status.status} says "${text}", the text is "${status.operationMode}"`;
    return hardware('L4', 'safety.wrong-mode-text', message, true);
  }
  return isExpected ? [] : hardware('L4', 'safety.unexpected-mode', `in ${mode}, which it was not told`, true);
};
