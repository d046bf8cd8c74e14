import { isIPv4 } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

/** An address of this machine on one network. */
export interface LinkAddress {
  readonly name: string;
  readonly address: string;
  readonly netmask: string;
}

/**
 * The IPv4 addresses to announce and to look on: those of one interface (by its name or address), or of all that are
 * up. None while the interface is not there.
 */
export function linkAddresses(
  wanted: string | undefined,
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): readonly LinkAddress[] {
  const all = Object.entries(interfaces).flatMap(([name, infos = []]) =>
    infos
      .filter(({ family }) => family === 'IPv4')
      .map(({ address, netmask }): LinkAddress => ({ name, address, netmask })),
  );
  return all.filter(({ name, address }) => wanted === undefined || wanted === name || wanted === address);
}

const ANYWHERE = '0.0.0.0';

/**
 * Where a unit is announced: on the interface it was told, else where its broker can be reached. An interface that
 * nobody can reach would only send the others astray.
 */
export function interfaceFor(configured: string | undefined, brokerHost: string): string | undefined {
  if (configured !== undefined) return configured;
  if (brokerHost === 'localhost') return '127.0.0.1';
  return isIPv4(brokerHost) && brokerHost !== ANYWHERE ? brokerHost : undefined;
}

const numberOf = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

/** RFC 6762 §11: only what comes from the link itself counts; a socket hears the multicast of other links, too. */
export function isOnLink(sender: string, { address, netmask }: LinkAddress): boolean {
  const network = (one: string): number => (numberOf(one) & numberOf(netmask)) >>> 0;
  return isIPv4(sender) && network(sender) === network(address);
}
