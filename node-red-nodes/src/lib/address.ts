import { type DaemonFile, readDaemonFile, type UnitAddress } from '@apis-edge/gateway/client';
import { discovered } from './discovered.ts';

/** What the user says about a unit: its id, and its address when it is not one of the local daemon's. */
export interface UnitChoice {
  readonly unitId: string;
  readonly host: string;
  readonly port: number | undefined;
  /** Files by which these nodes prove who they are; without them those that the local daemon names. */
  readonly tls?: NonNullable<UnitAddress['tls']>;
}

/** Why there is no address; also the key of the status text. */
export type AddressProblem = 'noGateway' | 'unknownUnit';

/** Thrown while a unit cannot be found; carries what the node's status should say. */
export class AddressError extends Error {
  override readonly name = 'AddressError';
  readonly problem: AddressProblem;
  constructor(problem: AddressProblem, message: string) {
    super(message);
    this.problem = problem;
  }
}

/** Where the local daemon writes down its units: `$APIS_DATA/daemon.json`, set by `apis up` (architecture.md §8). */
export const daemonFilePath = (environment: NodeJS.ProcessEnv = process.env): string =>
  `${environment.APIS_DATA || '.apis'}/daemon.json`;

const readLocalDaemon = (path: string): Promise<DaemonFile> =>
  readDaemonFile(path).catch((error: unknown) => {
    throw new AddressError('noGateway', String(error));
  });

/** Where the broker of a gateway's first unit listens when nobody has said otherwise (architecture.md §7). */
const USUAL_PORT = 18_830;

type Named = { readonly unitId: string } & UnitAddress;

/** The one that was chosen; without a choice the first. */
const pick = (units: readonly Named[], unitId: string): UnitAddress | undefined => {
  const unit = unitId === '' ? units[0] : units.find((one) => one.unitId === unitId);
  return unit && { host: unit.host, port: unit.port, ...(unit.tls && { tls: unit.tls }) };
};

async function localAddress({ unitId }: UnitChoice, path: string): Promise<UnitAddress> {
  const address = pick((await readLocalDaemon(path)).units, unitId);
  if (address === undefined) throw new AddressError('unknownUnit', `the gateway of ${path} does not run ${unitId}`);
  return address;
}

/**
 * Address of the chosen unit, looked up anew on each call, so that a daemon that came back elsewhere is found: as it
 * was given, else at the local daemon, else, for those that only look, by mDNS. Nothing is ordered from a unit that
 * nobody has named: anybody may announce any name. Rejects AddressError while there is no such unit.
 */
export async function addressOf(choice: UnitChoice, path: string, onlyLooks = false): Promise<UnitAddress> {
  const address = await placeOf(choice, path, onlyLooks);
  return choice.tls === undefined ? address : { ...address, tls: choice.tls };
}

async function placeOf(choice: UnitChoice, path: string, onlyLooks: boolean): Promise<UnitAddress> {
  // A host that was given is never passed over for a unit here that has the same id.
  if (choice.host !== '') return { host: choice.host, port: choice.port ?? USUAL_PORT };
  try {
    return await localAddress(choice, path);
  } catch (error) {
    const found = onlyLooks ? pick(await discovered(), choice.unitId) : undefined;
    if (found === undefined) throw error;
    return found;
  }
}

/** How many times faster than ours the local daemon's clock runs; undefined without a daemon. */
export const localSpeed = async (path: string): Promise<number | undefined> =>
  (await readLocalDaemon(path).catch(() => undefined))?.speed;
