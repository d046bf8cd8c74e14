import { type DaemonFile, readDaemonFile, type UnitAddress } from '@apis-edge/gateway/client';

/** What the user says about a unit: its id, and its address when it is not one of the local daemon's. */
export interface UnitChoice {
  readonly unitId: string;
  readonly host: string;
  readonly port: number | undefined;
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

const hasAddress = (choice: UnitChoice): choice is UnitChoice & { port: number } =>
  choice.host !== '' && choice.port !== undefined;

/**
 * Address of the chosen unit, looked up anew on each call, so that a daemon that came back elsewhere is found.
 * Rejects AddressError while there is no daemon, or it does not run this unit.
 */
export async function addressOf(choice: UnitChoice, path: string): Promise<UnitAddress> {
  if (hasAddress(choice)) return { host: choice.host, port: choice.port };
  const { units } = await readLocalDaemon(path);
  const unit = choice.unitId === '' ? units[0] : units.find(({ unitId }) => unitId === choice.unitId);
  if (unit === undefined) throw new AddressError('unknownUnit', `the gateway of ${path} does not run ${choice.unitId}`);
  return { host: unit.host, port: unit.port };
}

/** How many times faster than ours the local daemon's clock runs; undefined without a daemon. */
export const localSpeed = async (path: string): Promise<number | undefined> =>
  (await readLocalDaemon(path).catch(() => undefined))?.speed;
