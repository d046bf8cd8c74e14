import { detectKind } from '../config/detect-kind.ts';
import { CONFIG_KINDS, type ConfigKind, type ParseOptions } from '../config/load.ts';
import { type FileReader, loadUnit, type ParsedFile, readParsed, readText } from '../config/load-unit.ts';
import type { UnitConfig } from '../config/unit-config.ts';
import { ConfigError, describeProblem, messageOf, type Problem } from '../domain/errors.ts';

/** What `apis check` needs of the world. */
export interface CheckWorld extends FileReader, ParseOptions {
  /** Takes one line of the result. */
  print(line: string): void;
}

/**
 * `apis check FILE… [--as KIND]`: one line per warning and problem, `OK` or `BAD` for each file; a unit config is
 * checked together with the files it names. Gives the exit code: 0, or 2 when a file is bad.
 */
export function check(files: readonly string[], as: string | undefined, world: CheckWorld): 0 | 2 {
  const usage = usageProblem(files, as);
  if (usage !== undefined) {
    world.print(usage);
    return 2;
  }
  const results = files.map((file) =>
    checkFile(
      file,
      CONFIG_KINDS.find((kind) => kind === as),
      world,
    ),
  );
  return results.every(Boolean) ? 0 : 2;
}

function usageProblem(files: readonly string[], as: string | undefined): string | undefined {
  if (files.length === 0) return 'apis check: expected at least one file';
  if (as === undefined || CONFIG_KINDS.some((kind) => kind === as)) return undefined;
  return `apis check: --as expected one of ${CONFIG_KINDS.join(', ')}, got ${JSON.stringify(as)}`;
}

function checkFile(file: string, as: ConfigKind | undefined, world: CheckWorld): boolean {
  try {
    const kind = as ?? kindOf(file, world);
    for (const warning of warningsOf(kind, file, world)) world.print(`warning: ${describeProblem(warning)}`);
    world.print(`OK ${file} (${kind})`);
    return true;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) world.print(describeProblem(problem));
    world.print(`BAD ${file}`);
    return false;
  }
}

function warningsOf(kind: ConfigKind, file: string, world: CheckWorld): readonly Problem[] {
  if (kind !== 'config') return readParsed(kind, file, world).warnings;
  const config = readParsed(kind, file, world, world);
  const missing = missingFiles(config, world);
  return missing.length === 0 ? loadUnit(file, world, world).warnings : [...config.warnings, ...missing];
}

/** A config may be checked away from the machine it is for, so files that are not here do not make it bad. */
function missingFiles({ value, lineOf, file }: ParsedFile<UnitConfig>, world: CheckWorld): Problem[] {
  return (['hwConfigFile', 'policyFile', 'scenarioFile'] as const).flatMap((path) => {
    try {
      world.read(world.beside(file, value[path]));
      return [];
    } catch (error) {
      return [{ file, line: lineOf(path), path, message: `not checked together: ${messageOf(error)}` }];
    }
  });
}

function kindOf(file: string, world: CheckWorld): ConfigKind {
  const kind = detectKind(readText(file, world), file);
  if (kind !== undefined) return kind;
  const message = `expected a file that shows its kind (${CONFIG_KINDS.join(', ')}) by its keys; name it with --as`;
  throw new ConfigError([{ file, path: '', message }]);
}
