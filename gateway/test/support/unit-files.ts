import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { aHwConfig, aPolicy, aScenario, aUnitConfig, type Data } from '../config/samples.ts';

/** Writes the four files of each unit whose converter stands behind an emulator's port; gives the unit configs' paths. */
export async function unitFiles(
  directory: string,
  unitIds: readonly string[],
  emulatorPort: number,
  changes: { readonly config?: Data; readonly policy?: Data } = {},
): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true });
  const put = async (name: string, content: Data): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, JSON.stringify(content));
    return path;
  };
  await put('hwConfig.json', aHwConfig());
  await put('policy.json', { ...aPolicy(), memberUnitIds: unitIds, ...changes.policy });
  await put('scenario.json', aScenario());
  return Promise.all(
    unitIds.map((unitId) =>
      put(`${unitId}.json`, {
        ...aUnitConfig(),
        unitId,
        connection: { emulator: { host: '127.0.0.1', port: emulatorPort } },
        ...changes.config,
      }),
    ),
  );
}
