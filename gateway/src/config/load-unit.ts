import { ConfigError, messageOf, type Problem } from '../domain/errors.ts';
import { applyRules, type ConsistencyRule } from './consistency.ts';
import type { HwConfig } from './hw-config.ts';
import { type ConfigKind, type ConfigValues, type Parsed, type ParseOptions, parseConfig } from './load.ts';
import type { Policy } from './policy.ts';
import { Report } from './report.ts';
import type { Scenario } from './scenario.ts';
import type { UnitConfig } from './unit-config.ts';
import { hwUnderPolicyRules, scenarioOfUnitRules, unitUnderPolicyRules } from './unit-rules.ts';

/** The outside world of this room: how files are found and read. */
export interface FileReader {
  /** The text of a file; throws when it cannot be read. */
  read(path: string): string;
  /** The path of `name` as it stands in `file`: relative names are relative to that file. */
  beside(file: string, name: string): string;
}

/** All settings of one unit, each valid and consistent with the others. */
export interface UnitSettings {
  /** The unit config's file; absent for built-in settings. */
  readonly file?: string;
  readonly unitConfig: UnitConfig;
  readonly hwConfig: HwConfig;
  readonly policy: Policy;
  readonly scenario: Scenario;
}

/** A file's content with its name, for rules that blame it. */
export interface ParsedFile<T> extends Parsed<T> {
  readonly file: string;
}

/**
 * Reads a unit config and the three files it names, and checks them against each other (control §8.4).
 * @throws ConfigError with every problem of all four files
 */
export function loadUnit(
  file: string,
  reader: FileReader,
  options: ParseOptions = {},
): { value: UnitSettings; warnings: readonly Problem[] } {
  const config = readParsed('config', file, reader, options);
  const { hwConfigFile, policyFile, scenarioFile } = config.value;
  const problems: Problem[] = [];
  const named = <K extends ConfigKind>(kind: K, name: string) =>
    collecting(problems, () => readParsed(kind, reader.beside(file, name), reader, options));
  const hwConfig = named('hwConfig', hwConfigFile);
  const policy = named('policy', policyFile);
  const scenario = named('scenario', scenarioFile);
  if (hwConfig === undefined || policy === undefined || scenario === undefined) throw new ConfigError(problems);
  const cross = crossCheck({ config, hwConfig, policy, scenario });
  const warnings = [config, hwConfig, policy, scenario].flatMap((parsed) => parsed.warnings);
  return {
    value: { file, unitConfig: config.value, hwConfig: hwConfig.value, policy: policy.value, scenario: scenario.value },
    warnings: [...warnings, ...cross],
  };
}

/** Reads and parses one file; a file that cannot be read is a ConfigError too. */
export function readParsed<K extends ConfigKind>(
  kind: K,
  file: string,
  reader: FileReader,
  options: ParseOptions = {},
): ParsedFile<ConfigValues[K]> {
  return { ...parseConfig(kind, readText(file, reader), file, options), file };
}

/** The text of a file. @throws ConfigError when it cannot be read */
export function readText(file: string, reader: FileReader): string {
  try {
    return reader.read(file);
  } catch (error) {
    throw new ConfigError([{ file, path: '', message: `cannot be read: ${messageOf(error)}` }]);
  }
}

/** What `read` gives, or undefined after adding its problems to the list. */
function collecting<T>(problems: Problem[], read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems);
    return undefined;
  }
}

interface UnitFiles {
  readonly config: ParsedFile<UnitConfig>;
  readonly hwConfig: ParsedFile<HwConfig>;
  readonly policy: ParsedFile<Policy>;
  readonly scenario: ParsedFile<Scenario>;
}

/** The warnings among files that are each valid. @throws ConfigError when they cannot work together */
function crossCheck({ config, hwConfig, policy, scenario }: UnitFiles): readonly Problem[] {
  const settings = {
    unitConfig: config.value,
    hwConfig: hwConfig.value,
    policy: policy.value,
    scenario: scenario.value,
  };
  const reports = [
    against(unitUnderPolicyRules, settings, config),
    against(hwUnderPolicyRules, settings, hwConfig),
    against(scenarioOfUnitRules, settings, scenario),
  ];
  const problems = reports.flatMap((report) => report.problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return reports.flatMap(({ warnings }) => warnings);
}

function against<T>(rules: readonly ConsistencyRule<T>[], value: T, blamed: ParsedFile<unknown>): Report {
  const report = new Report(blamed.file);
  applyRules(rules, value, report, blamed.lineOf);
  return report;
}
