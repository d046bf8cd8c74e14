import type { FakeGridOptions, HouseOptions } from '@apis-edge/gateway/emulation';

/** Where the emulated network is that a config node stands for. */
export const SOURCES = ['daemon', 'address', 'hosted'] as const;
export type Source = (typeof SOURCES)[number];

/** What people type into `apis-fake-grid`; numbers may be their text, as Node-RED's environment gives them. */
export interface FakeGridFields {
  readonly source?: string;
  readonly host?: string;
  readonly port?: string | number;
  readonly houses?: string;
  readonly lines?: string;
  readonly ohms?: string | number;
  readonly dataset?: string;
  readonly seed?: string | number;
}

const wrong = (what: string, expected: string, got: string): Error =>
  new Error(`${what}: expected ${expected}, got ${got === '' ? 'nothing' : JSON.stringify(got.slice(0, 40))}`);

const partsOf = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

/** A number out of a field; undefined for an empty one. */
export function numberIn(value: string | number | undefined, what: string): number | undefined {
  const text = String(value ?? '').trim();
  if (text === '') return undefined;
  const number = Number(text);
  if (!Number.isFinite(number)) throw wrong(what, 'a number', text);
  return number;
}

/** `E001:92` is a house with 92 % in its battery. */
function houseOf(part: string): HouseOptions {
  const [id = '', rsoc, ...rest] = part.split(':').map((one) => one.trim());
  if (id === '' || rest.length > 0) throw wrong('houses', 'ids like E001, or with a charge like E001:92', part);
  return rsoc === undefined ? { id } : { id, rsoc: numberIn(rsoc, `charge of ${id}`) ?? 50 };
}

/** `E001-E002:0.11` is a line of 0.11 Ω. */
function branchOf(part: string): { from: string; to: string; ohms: number } {
  const [, from, to, ohms] = /^([^-:]+)-([^-:]+):([\d.]+)$/.exec(part) ?? [];
  if (from === undefined || to === undefined) throw wrong('lines', 'line, star, or lines like E001-E002:0.11', part);
  return { from, to, ohms: Number(ohms) };
}

function networkOf({ lines, ohms }: FakeGridFields): FakeGridOptions['network'] {
  const kind = (lines ?? '').trim() || 'line';
  const ohmsPerSpan = numberIn(ohms, 'resistance');
  if (kind !== 'line' && kind !== 'star') return { kind: 'branches', branches: partsOf(kind).map(branchOf) };
  return ohmsPerSpan === undefined ? { kind } : { kind, ohmsPerSpan };
}

/** The network that a config node hosts. Throws with what is wrong in which field (INV-11). */
export function hostedGrid(fields: FakeGridFields): FakeGridOptions {
  const [port, seed] = [numberIn(fields.port, 'port'), numberIn(fields.seed, 'seed')];
  const network = networkOf(fields);
  return {
    houses: partsOf(fields.houses).map(houseOf),
    ...(network === undefined ? {} : { network }),
    ...(fields.dataset?.trim() ? { dataset: fields.dataset.trim() } : {}),
    ...(port === undefined ? {} : { port }),
    ...(seed === undefined ? {} : { seed }),
  };
}

export const sourceOf = ({ source }: FakeGridFields): Source => SOURCES.find((one) => one === source) ?? 'daemon';
