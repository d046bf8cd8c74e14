import { ConfigError } from '../domain/errors.ts';
import type { ConfigKind } from './load.ts';
import { parseText } from './parse-text.ts';
import { Report } from './report.ts';
import { windowTimes } from './time-of-day.ts';

/** Keys that stand in one kind of file only; a window key tells as much as one of them. */
const TELLING_KEYS: readonly { kind: ConfigKind; tells: (key: string) => boolean }[] = [
  { kind: 'config', tells: oneOf('unitId', 'systemType', 'policyFile', 'hwConfigFile', 'scenarioFile') },
  {
    kind: 'hwConfig',
    tells: oneOf('batteryNominalCapacityWh', 'gridCurrentCapacityA', 'gridCurrentAllowanceA', 'droopRatio'),
  },
  {
    kind: 'policy',
    tells: oneOf('memberUnitIds', 'gridMaster', 'mediator', 'operationGridVoltageV', 'operationGridVoltageVRange'),
  },
  { kind: 'scenario', tells: (key) => key === 'acceptSelection' || windowTimes(key) !== undefined },
  { kind: 'profile', tells: oneOf('profileVersion', 'devices') },
];

function oneOf(...keys: readonly string[]): (key: string) => boolean {
  return (key) => keys.includes(key);
}

/**
 * The kind of a file by its content: a list is a flow, an object is the kind with most telling keys; undefined when
 * there are none.
 * @throws ConfigError when it is no JSON
 */
export function detectKind(text: string, fileName: string): ConfigKind | undefined {
  const report = new Report(fileName);
  const root = parseText(text, report);
  if (root === undefined) throw new ConfigError(report.problems);
  if (root.kind !== 'object') return root.kind === 'array' ? 'flow' : undefined;
  const keys = [...root.members.keys()];
  const scores = TELLING_KEYS.map(({ kind, tells }) => ({ kind, score: keys.filter(tells).length }));
  const best = Math.max(...scores.map(({ score }) => score));
  return best === 0 ? undefined : scores.find(({ score }) => score === best)?.kind;
}
