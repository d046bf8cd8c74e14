import { ConfigError, type Problem } from '../domain/errors.ts';
import { applyRules, type ConsistencyRule } from './consistency.ts';
import { type Decrypt, withDecryptedKeys } from './encrypted-keys.ts';
import type { Field } from './field.ts';
import { type FlowFile, flowFields } from './flow-file.ts';
import { type HardwareProfile, hardwareProfileFields } from './hardware-profile.ts';
import { type HwConfig, hwConfigFields } from './hw-config.ts';
import { hwConfigRules } from './hw-config-rules.ts';
import { type JsonNode, lineOfPath } from './json-tree.ts';
import { parseText } from './parse-text.ts';
import { type Policy, policyFields } from './policy.ts';
import { policyRules } from './policy-rules.ts';
import { Report } from './report.ts';
import type { Scenario } from './scenario.ts';
import { scenarioFields } from './scenario-fields.ts';
import { type UnitConfig, unitConfigFields } from './unit-config.ts';
import { unitConfigRules } from './unit-config-rules.ts';

/** What each kind of file holds. */
export interface ConfigValues {
  readonly config: UnitConfig;
  readonly hwConfig: HwConfig;
  readonly policy: Policy;
  readonly scenario: Scenario;
  readonly profile: HardwareProfile;
  readonly flow: FlowFile;
}
export type ConfigKind = keyof ConfigValues;

export const CONFIG_KINDS = [
  'config',
  'hwConfig',
  'policy',
  'scenario',
  'profile',
  'flow',
] as const satisfies readonly ConfigKind[];

interface KindOfFile<T> {
  readonly fields: Field<T>;
  readonly rules: readonly ConsistencyRule<T>[];
}

const KINDS: { readonly [K in ConfigKind]: KindOfFile<ConfigValues[K]> } = {
  config: { fields: unitConfigFields, rules: unitConfigRules },
  hwConfig: { fields: hwConfigFields, rules: hwConfigRules },
  policy: { fields: policyFields, rules: policyRules },
  scenario: { fields: scenarioFields, rules: [] },
  profile: { fields: hardwareProfileFields, rules: [] },
  flow: { fields: flowFields, rules: [] },
};

export interface Parsed<T> {
  readonly value: T;
  readonly warnings: readonly Problem[];
  /** The line of a dotted path, or of the nearest object that stands in the file. */
  readonly lineOf: (path: string) => number;
}

export interface ParseOptions {
  /** For `.encrypted` keys of a unit config; without it their texts stay encrypted, with a warning. */
  readonly decrypt?: Decrypt;
}

/**
 * The validated content of a file with all defaults filled in.
 * @throws ConfigError with every problem of the file (relations between keys only once all keys are right for themselves)
 */
export function parseConfig<K extends ConfigKind>(
  kind: K,
  text: string,
  fileName: string,
  { decrypt }: ParseOptions = {},
): Parsed<ConfigValues[K]> {
  const report = new Report(fileName);
  const parsed = parseText(text, report);
  const root = kind === 'config' && parsed?.kind === 'object' ? withDecryptedKeys(parsed, report, decrypt) : parsed;
  const value = root === undefined ? undefined : readRoot(KINDS[kind], root, report);
  // Without a problem there is a value; both are asked so that no path leads around the check.
  if (root === undefined || value === undefined || report.problems.length > 0) throw new ConfigError(report.problems);
  return { value, warnings: report.warnings, lineOf: (path) => lineOfPath(root, path) };
}

function readRoot<T>({ fields, rules }: KindOfFile<T>, root: JsonNode, report: Report): T | undefined {
  const value = fields.read({ node: root, path: '', line: root.line, report });
  if (value !== undefined && report.problems.length === 0) {
    applyRules(rules, value, report, (path) => lineOfPath(root, path));
  }
  return value;
}
