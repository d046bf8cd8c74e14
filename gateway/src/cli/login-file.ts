import { randomBytes, randomInt, scrypt, timingSafeEqual } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import { promisify } from 'node:util';
import * as v from 'valibot';
import { writeAtomically } from '../adapters/files/atomic-file.ts';
import { readOptional } from '../adapters/files/read-optional.ts';
import { ConfigError } from '../domain/errors.ts';

const derive = promisify<string, Buffer, number, Buffer>(scrypt);
const HASH_BYTES = 32;
/** Without letters and digits that look alike. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';
const GROUPS = 4;
const GROUP_LENGTH = 4;

const hex = v.pipe(v.string(), v.regex(/^([0-9a-f]{2}){16,64}$/));
const schema = v.strictObject({ user: v.string(), salt: hex, hash: hex, sessionKey: hex });

/** Who may log in to editor and dashboard: the password only as a salted hash, and the key that signs sessions. */
export type Login = v.InferOutput<typeof schema>;

/** 79 bits, in groups that can be read out and typed. */
export function generatedPassword(): string {
  const letter = (): string => ALPHABET[randomInt(ALPHABET.length)] ?? '';
  const group = (): string => Array.from({ length: GROUP_LENGTH }, letter).join('');
  return Array.from({ length: GROUPS }, group).join('-');
}

export async function loginOf(user: string, password: string): Promise<Login> {
  const salt = randomBytes(16);
  const hash = await derive(password, salt, HASH_BYTES);
  const sessionKey = randomBytes(32);
  return { user, salt: salt.toString('hex'), hash: hash.toString('hex'), sessionKey: sessionKey.toString('hex') };
}

/** Takes the same time for every wrong password. */
export async function isPassword(login: Login, user: string, password: string): Promise<boolean> {
  const hash = await derive(password, Buffer.from(login.salt, 'hex'), HASH_BYTES);
  return timingSafeEqual(hash, Buffer.from(login.hash, 'hex')) && user === login.user;
}

/** Reads a login; undefined when there is none yet, ConfigError for a file that is none. */
export async function readLogin(path: string): Promise<Login | undefined> {
  const text = await readOptional(path);
  if (text === undefined) return undefined;
  try {
    return v.parse(schema, JSON.parse(text));
  } catch {
    const message = 'expected a login as "apis up" writes it; make a new one with "apis up --new-password"';
    throw new ConfigError([{ file: path, path: '', message }]);
  }
}

export const USER = 'apis';

export interface PreparedLogin {
  readonly login: Login;
  /** Known only when it has just been made: it is told once and kept nowhere. */
  readonly password?: string;
}

/** The login on disk, made at the first start; `renew` replaces it, which also ends every session. */
export async function prepareLogin(path: string, renew: boolean): Promise<PreparedLogin> {
  const present = renew ? undefined : await readLogin(path);
  if (present !== undefined) return { login: present };
  const password = generatedPassword();
  const login = await loginOf(USER, password);
  await writeAtomically(path, `${JSON.stringify(login)}\n`);
  await chmod(path, 0o600);
  return { login, password };
}
