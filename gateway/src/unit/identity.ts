import type { UnitConfig } from '../config/unit-config.ts';
import type { OesUnit } from '../domain/unit-data.ts';

/** Addresses of the gateway's network interface (control.md §1.2). */
export type NetworkIdentity = Pick<OesUnit, 'ip' | 'ipv6_ll' | 'ipv6_g' | 'mac'>;

/** What a unit without a network of its own says, as the original does for missing values. */
export const NO_NETWORK: NetworkIdentity = { ip: 'NA', ipv6_ll: 'NA', ipv6_g: 'NA', mac: 'NA' };

/** The `oesunit` block of unit data, but for what changes (control.md §1.2). */
export function identityOf(config: UnitConfig, network: NetworkIdentity): Omit<OesUnit, 'budo'> {
  return {
    communityId: config.communityId,
    clusterId: config.clusterId,
    id: config.unitId,
    display: config.unitName ?? `auto${config.unitId}`,
    sn: config.serialNumber,
    ...network,
  };
}
