import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

const isLinkLocal = ({ address }: NetworkInterfaceInfo): boolean => address.toLowerCase().startsWith('fe80');

/**
 * Addresses of the last interface that is up, no loopback, and named as wired or wireless (`e…`, `w…`); `NA` for
 * what there is not (control.md §1.2).
 */
export function networkIdentity(interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces()) {
  const named = Object.entries(interfaces).filter(([name]) => /^[ew]/.test(name));
  const addresses = named.map(([, all = []]) => all.filter(({ internal }) => !internal)).findLast((all) => all.length);
  const first = (wanted: (info: NetworkInterfaceInfo) => boolean): string => addresses?.find(wanted)?.address ?? 'NA';
  return {
    ip: first(({ family }) => family === 'IPv4'),
    ipv6_ll: first((info) => info.family === 'IPv6' && isLinkLocal(info)),
    ipv6_g: first((info) => info.family === 'IPv6' && !isLinkLocal(info)),
    mac: addresses?.[0]?.mac ?? 'NA',
  };
}
