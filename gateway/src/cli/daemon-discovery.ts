import { randomUUID } from 'node:crypto';
import type { UnitBroker } from '../adapters/broker/unit-broker.ts';
import type { Discovery } from '../adapters/discovery/discovery.ts';
import { interfaceFor } from '../adapters/discovery/interfaces.ts';
import { SystemEntropy } from '../adapters/system/system-entropy.ts';
import type { UnitSettings } from '../config/load-unit.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

export interface DiscoveryNeeds {
  readonly settings: UnitSettings;
  readonly broker: UnitBroker;
  /** SHA-256 of the unit's certificate. */
  readonly fingerprint: string | undefined;
  /** Units of this process. */
  readonly localIds: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Announces a unit by mDNS and looks for the others, where its config wants it; the library is loaded only then. */
export async function openDiscovery(needs: DiscoveryNeeds): Promise<Discovery | undefined> {
  const { settings, broker, fingerprint, clock, log } = needs;
  const { discovery, mqtt } = settings.unitConfig;
  if (!(discovery.mdns ?? isNeeded(needs))) return undefined;
  const { Discovery: Opened } = await import('../adapters/discovery/discovery.ts');
  const { communityId, clusterId, unitId } = broker.place;
  const announced = { communityId, clusterId, unitId, instance: randomUUID(), port: broker.address.port };
  return new Opened({
    clock,
    entropy: new SystemEntropy(),
    log,
    interface: interfaceFor(discovery.interface, mqtt.host),
    services: [{ ...announced, ...(fingerprint === undefined ? {} : { fingerprint }) }],
  });
}

/** Members live elsewhere, and the config does not say where. */
function isNeeded({ settings: { unitConfig, policy }, localIds }: DiscoveryNeeds): boolean {
  const known = [...localIds, ...unitConfig.peers.map(({ unitId }) => unitId)];
  return policy.memberUnitIds.some((unitId) => !known.includes(unitId));
}
