import { join } from 'node:path';
import { type CommunityState, readDaemonFile, type UnitAddress, UnitClient } from '../client/index.ts';
import { ConfigError, messageOf, PeerError } from '../domain/errors.ts';
import { one } from './option.ts';
import { brokerAddress, dataDirectory } from './value-kinds.ts';

/** Together below the 3 s that a command may take. */
const READY_MSEC = 1_600;
const PEERS_MSEC = 700;

export const DEFAULT_DATA_DIRECTORY = '.apis';

/** Options of every command that talks to a running unit. */
export const ATTACH_OPTIONS = {
  gateway: one(brokerAddress, 'broker of the unit to talk to; default: the units of the data directory'),
  data: one(dataDirectory, `data directory of the gateway; default ${DEFAULT_DATA_DIRECTORY}`),
} as const;

export interface AttachValues {
  readonly gateway: UnitAddress | undefined;
  readonly data: string | undefined;
}

/** Addresses to try, first one first. Rejects PeerError when no gateway runs with the data directory. */
export async function unitAddresses({ gateway, data }: AttachValues): Promise<readonly UnitAddress[]> {
  if (gateway !== undefined) return [gateway];
  const directory = data ?? DEFAULT_DATA_DIRECTORY;
  const daemon = await readDaemonFile(join(directory, 'daemon.json')).catch((error) => {
    if (!(error instanceof ConfigError)) throw error;
    const advice = 'Start one with "apis up", or name one with --gateway HOST:PORT or --data DIR.';
    throw new PeerError('peer.unreachable', '?', `no gateway runs here (${messageOf(error)}). ${advice}`);
  });
  return daemon.units;
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
      throw new PeerError('peer.unreachable', '?', `no unit answers at ${address.host}:${address.port}`);
    });
    return await use(client);
  } finally {
    await client.close();
  }
}

/** Does it with the first unit of the data directory (or the one named). */
export async function withUnit<T>(
  values: AttachValues,
  follow: boolean,
  use: (client: UnitClient) => Promise<T>,
): Promise<T> {
  const [first] = await unitAddresses(values);
  if (first === undefined) throw new PeerError('peer.unreachable', '?', 'the gateway has no units');
  return withClient(first, follow, use);
}

/** Tells each unit, all at once; gives what became of it, by address. */
export async function withEveryUnit(
  values: AttachValues,
  use: (client: UnitClient) => Promise<void>,
): Promise<readonly { readonly address: UnitAddress; readonly problem?: string }[]> {
  const addresses = await unitAddresses(values);
  return Promise.all(
    addresses.map(({ host, port }) =>
      withClient({ host, port }, false, use).then(
        () => ({ address: { host, port } }),
        (error) => ({ address: { host, port }, problem: messageOf(error) }),
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
export function readCommunity(values: AttachValues): Promise<CommunityState> {
  return withUnit(values, true, async (client) => {
    await client.when((state) => isWhole(client, state), PEERS_MSEC).catch(() => undefined);
    return client.state();
  });
}
