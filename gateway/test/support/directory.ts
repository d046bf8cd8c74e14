import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

const directories: string[] = [];

/** An empty directory, which is gone when the test file has ended. */
export async function aDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'apis-test-'));
  directories.push(directory);
  return directory;
}

t.teardown(() => Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true }))));
