import { createHash } from 'node:crypto';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { UnitConfig } from '../config/unit-config.ts';
import { ConfigError } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { lockData } from './data-lock.ts';
import { httpOptionsOf } from './http-device-of.ts';
import { UsageError } from './option.ts';
import { takenPort } from './port-owner.ts';

/** Held by whoever drives a converter, one process at a time (RULE-11). */
export interface ConverterLock {
  release(): Promise<void>;
}

const POLL_MSEC: Milliseconds = 50;
const ANSWER_MSEC: Milliseconds = 500;

/**
 * Takes the lock of a unit's converter, or waits for its owner to be gone. It ends with its process, however that ends,
 * kill -9 included. Rejects UsageError that names the owner when `waitMsec` has passed.
 */
export async function lockConverter(config: UnitConfig, waitMsec: Milliseconds): Promise<ConverterLock> {
  const end = performance.now() + waitMsec;
  for (;;) {
    const taken = await tryLock(lockName(config));
    if ('release' in taken) return taken;
    if (performance.now() >= end) {
      throw new UsageError(`the converter of ${config.unitId} is in use by ${taken.owner ?? 'another process'}`);
    }
    await pause(POLL_MSEC);
  }
}

/** Takes the locks of several converters, all or none. Rejects ConfigError for two units on one, before that. */
export async function lockConverters(configs: readonly UnitConfig[], waitMsec: Milliseconds): Promise<ConverterLock> {
  const names = configs.map(lockName);
  const twice = configs.find((_config, index) => names.indexOf(names[index] ?? '') !== index);
  if (twice !== undefined) {
    const message = `expected every unit to have a converter of its own, got that of another unit for ${twice.unitId}`;
    throw new ConfigError([{ file: `config of ${twice.unitId}`, path: 'connection', message }]);
  }
  const locks: ConverterLock[] = [];
  const release = async (): Promise<void> => {
    for (const lock of locks) await lock.release();
  };
  try {
    for (const config of configs) locks.push(await lockConverter(config, waitMsec));
  } catch (error) {
    await release();
    throw error;
  }
  return { release };
}

interface Taken {
  readonly owner: string | undefined;
}

/** Names of this machine; another address of 127.0.0.0/8 may be another driver's. */
const THIS_MACHINE: readonly string[] = ['localhost', '127.0.0.1', '::1', '[::1]', '::ffff:127.0.0.1'];

/** Two configs that lead to one converter have one name, whatever else stands in them. @throws ConfigError */
function lockName(config: UnitConfig): string {
  const { systemType, controller, unitId } = httpOptionsOf(config);
  const called = controller.host.toLowerCase();
  const host = THIS_MACHINE.includes(called) ? 'localhost' : called;
  const house = systemType === 'dcdc_emulator' ? [unitId] : []; // one port serves many houses
  const identity = JSON.stringify([host, controller.port, ...house]);
  return `apis-converter-${createHash('sha256').update(identity).digest('hex').slice(0, 24)}`;
}

const tryLock = (name: string): Promise<ConverterLock | Taken> =>
  process.platform === 'linux' ? bindName(name) : lockFile(name);

/**
 * A socket name without a file: the system gives it to one process and takes it back with that process. No cleaner of
 * temporary files removes it under its holder, and it means the same in every private view of the file system.
 */
async function bindName(name: string): Promise<ConverterLock | Taken> {
  const path = `\0${name}`;
  const server = createServer((socket) => {
    socket.on('error', () => undefined); // who asked has gone
    socket.end(String(process.pid));
  });
  try {
    await listen(server, path);
  } catch (error) {
    if (takenPort(error) === undefined) throw error;
    return { owner: await ownerOf(path) };
  }
  server.unref();
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });

/** The owner tells its id itself, at once; one that hangs, or has more to say, is not waited for. */
function ownerOf(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let said = '';
    const socket = connect(path);
    const timer = setTimeout(() => socket.destroy(), ANSWER_MSEC);
    socket.on('data', (chunk) => {
      said += chunk.toString();
    });
    socket.on('end', () => resolve(/^\d+$/.test(said) ? `process ${said}` : undefined));
    socket.on('error', () => undefined); // told by `close`
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(undefined); // an answer that came to its end was taken before
    });
  });
}

/** Elsewhere than on Linux a lock file with the owner's identity has to do. */
async function lockFile(name: string): Promise<ConverterLock | Taken> {
  try {
    return await lockData(tmpdir(), `.${name}.lock`);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { owner: /process \d+/.exec(error.message)?.[0] };
  }
}
