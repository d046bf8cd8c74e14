import { join } from 'node:path';
import { lastLoggedDeals } from '../adapters/files/deal-log-files.ts';
import {
  type CommunityState,
  findUnits,
  readDaemonFile,
  type TlsFiles,
  type UnitAddress,
  UnitClient,
} from '../client/index.ts';
import type { LoggedDeal } from '../domain/deal.ts';
import { ConfigError, messageOf, PeerError } from '../domain/errors.ts';
import { one, UsageError } from './option.ts';
import { brokerAddress, dataDirectory, file } from './value-kinds.ts';

/** Together below the 3 s that a command may take. */
const READY_MSEC = 1_600;
const PEERS_MSEC = 700;
const FIND_MSEC = 500;

export const DEFAULT_DATA_DIRECTORY = '.apis';

/** Options of every command that talks to a running unit. */
export const ATTACH_OPTIONS = {
  ca: one(file, 'certificate of the CA, for units that want TLS; with --cert and --key'),
  cert: one(file, 'own certificate, of an operator or observer; default that of the local unit'),
  key: one(file, 'key of the own certificate'),
  gateway: one(brokerAddress, 'broker of the unit to talk to; default: the units of the data directory'),
  data: one(dataDirectory, `data directory of the gateway; default ${DEFAULT_DATA_DIRECTORY}`),
} as const;

export interface AttachValues {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly gateway: UnitAddress | undefined;
  readonly data: string | undefined;
}

/** Addresses to try, first one first. Rejects PeerError when no gateway runs with the data directory. */
export async function unitAddresses(values: AttachValues): Promise<readonly UnitAddress[]> {
  const { gateway, data } = values;
  const tls = tlsFilesOf(values);
  const local = await readDaemonFile(join(data ?? DEFAULT_DATA_DIRECTORY, 'daemon.json')).catch((error: unknown) => {
    if (!(error instanceof ConfigError)) throw error;
    return error;
  });
  if (gateway !== undefined) {
    // Who works at a gateway may look at others with its certificate.
    const files = tls ?? (local instanceof ConfigError ? undefined : local.units[0]?.tls);
    return [{ ...gateway, ...(files && { tls: files }) }];
  }
  if (!(local instanceof ConfigError)) return local.units.map((unit) => ({ ...unit, ...(tls && { tls }) }));
  throw unreachable(`no gateway runs here (${messageOf(local)}). Start one with "apis up", or ${NAME_ONE}`);
}

/** All three files or none. */
function tlsFilesOf({ ca, cert, key }: AttachValues): TlsFiles | undefined {
  if (ca === undefined && cert === undefined && key === undefined) return undefined;
  if (ca !== undefined && cert !== undefined && key !== undefined) return { ca, cert, key };
  throw new UsageError('--ca, --cert and --key go together');
}

const NAME_ONE = 'name one with --gateway HOST:PORT or --data DIR.';
const unreachable = (message: string): PeerError => new PeerError('peer.unreachable', '?', message);

/**
 * As `unitAddresses`, and where no gateway runs with the default data directory, a unit that announces itself on the
 * network. Good enough to look at; nothing is ordered from a unit that nobody has named.
 */
async function addressesToRead(values: AttachValues): Promise<readonly UnitAddress[]> {
  try {
    return await unitAddresses(values);
  } catch (error) {
    if (!(error instanceof PeerError) || values.data !== undefined) throw error;
    const found = await findUnits({ waitMsec: FIND_MSEC });
    const clusters = new Set(found.map(({ communityId, clusterId }) => `${communityId}/${clusterId}`));
    if (clusters.size === 0) throw error;
    if (clusters.size > 1) throw unreachable(`units of ${[...clusters].join(' and ')} are found; ${NAME_ONE}`);
    const tls = tlsFilesOf(values);
    return found.map((unit) => ({ ...unit, ...(tls && { tls }) }));
  }
}

/** Attaches to a unit for as long as `use` takes. Rejects PeerError `peer.unreachable` when it does not answer. */
async function withClient<T>(
  address: UnitAddress,
  follow: boolean,
  use: (client: UnitClient) => Promise<T>,
): Promise<T> {
  const client = UnitClient.attach(address, { follow });
  try {
    await client.ready(READY_MSEC).catch(() => {
      throw unreachable(`no unit answers at ${address.host}:${address.port}`);
    });
    return await use(client);
  } finally {
    await client.close();
  }
}

/** Does it with the first unit of the data directory (or the one named). */
export async function withUnit<T>(values: AttachValues, use: (client: UnitClient) => Promise<T>): Promise<T> {
  return withClient(firstOf(await unitAddresses(values)), false, use);
}

const firstOf = ([first]: readonly UnitAddress[]): UnitAddress => {
  if (first === undefined) throw unreachable('the gateway has no units');
  return first;
};

/** Tells each unit, all at once; gives what became of it, by address. */
export async function withEveryUnit(
  values: AttachValues,
  use: (client: UnitClient) => Promise<void>,
): Promise<readonly { readonly address: UnitAddress; readonly problem?: string }[]> {
  const addresses = await unitAddresses(values);
  return Promise.all(
    addresses.map((address) =>
      withClient(address, false, use).then(
        () => ({ address }),
        (error) => ({ address, problem: messageOf(error) }),
      ),
    ),
  );
}

/** Every unit that the first one names has spoken. */
const isWhole = (client: UnitClient, { units }: CommunityState): boolean => {
  const named = units[client.unitId() ?? '']?.birth?.peers ?? [];
  const all = [client.unitId() ?? '', ...named.map(({ unitId }) => unitId)];
  return all.every((unitId) => units[unitId]?.unit !== undefined && units[unitId]?.mode !== undefined);
};

/** The community as one unit and its peers tell it; peers that do not answer in time are shown as offline. */
export async function readCommunity(values: AttachValues): Promise<CommunityState> {
  return withClient(firstOf(await addressesToRead(values)), true, async (client) => {
    await client.when((state) => isWhole(client, state), PEERS_MSEC).catch(() => undefined);
    return client.state();
  });
}

/** How many finished deals a list shows. */
const LAST_DEALS = 10;

/** Finished deals as the units of the data directory have logged them, the youngest first; none of a gateway elsewhere. */
export async function lastFinishedDeals({ gateway, data }: AttachValues): Promise<readonly LoggedDeal[]> {
  const directory = data ?? DEFAULT_DATA_DIRECTORY;
  if (gateway !== undefined) return [];
  const daemon = await readDaemonFile(join(directory, 'daemon.json')).catch(() => undefined);
  const logs = await Promise.all(
    (daemon?.units ?? []).map(({ unitId }) => lastLoggedDeals(join(directory, unitId, 'deals'), LAST_DEALS)),
  );
  const byId = new Map(logs.flat().map((deal) => [deal.dealId, deal]));
  const youngest = [...byId.values()].sort((a, b) => (a.createDateTime < b.createDateTime ? 1 : -1));
  return youngest.slice(0, LAST_DEALS);
}
