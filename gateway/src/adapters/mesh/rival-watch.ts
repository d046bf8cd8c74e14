import type { Milliseconds } from '../../domain/quantities.ts';
import type { Role } from '../../domain/role.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { UnitAddress } from '../broker/broker-connection.ts';
import type { TlsIdentity } from '../identity/tls-identity.ts';
import type { AnyDelivery } from './message-schemas.ts';
import type { UnitPlace } from './mqtt-topics.ts';
import { PeerLink } from './peer-link.ts';

/** Another process that lives under the id of this unit. */
export interface Rival {
  readonly address: UnitAddress;
  readonly session: string;
  /** Beacons that it has sent: who has sent more was there first, whatever wall clocks say. */
  readonly beacon: number;
}

export interface RivalWatchOptions {
  readonly place: UnitPlace;
  readonly tls?: TlsIdentity;
  readonly roles?: Readonly<Record<string, Role>>;
  readonly clock: Clock;
  readonly log: Log;
  readonly ownSession: () => string;
  readonly onRival: (rival: Rival) => void;
}

/** Somebody who is a rival says so twice a second. */
const PROBE_MSEC: Milliseconds = 3_000;
/** What was looked at is not looked at again so soon. */
const AGAIN_MSEC: Milliseconds = 30_000;

const keyOf = ({ host, port }: UnitAddress): string => `${host}:${port}`;

/**
 * Looks whether somebody else lives at an address that is said to be this unit's: a copied card or config. The own
 * broker may be named there as well, under an address that this unit does not know.
 */
export class RivalWatch {
  readonly #options: RivalWatchOptions;
  readonly #probes = new Map<string, PeerLink>();
  /** Of the last half minute. */
  readonly #lookedAt = new Map<string, Milliseconds>();
  #isClosed = false;

  constructor(options: RivalWatchOptions) {
    this.#options = options;
  }

  /** True while somebody is being looked at. */
  get isLooking(): boolean {
    return this.#probes.size > 0;
  }

  look(address: UnitAddress): void {
    const key = keyOf(address);
    const { clock, place, log, tls, roles } = this.#options;
    const now = clock.monotonic();
    for (const [other, lookedAt] of this.#lookedAt) if (now - lookedAt >= AGAIN_MSEC) this.#lookedAt.delete(other);
    if (this.#isClosed || this.#probes.has(key) || this.#lookedAt.has(key)) return;
    this.#lookedAt.set(key, now);
    const probe = new PeerLink(
      {
        unitId: place.unitId,
        peer: place,
        clock,
        log,
        ...(tls && { tls }),
        ...(roles && { roles }),
        hear: (delivery) => this.#hear(delivery, address),
        forget: () => {},
        gone: () => {},
        vanished: () => {},
      },
      [address],
    );
    this.#probes.set(key, probe);
    clock.after(PROBE_MSEC, () => this.#leave(key));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#probes.values()].map((probe) => probe.close()));
  }

  #hear({ channel, envelope }: AnyDelivery, address: UnitAddress): void {
    if (envelope.session === this.#options.ownSession()) this.#leave(keyOf(address));
    else if (channel === 'election') {
      this.#options.onRival({ address, session: envelope.session, beacon: envelope.body.beacon });
    }
  }

  #leave(key: string): void {
    const probe = this.#probes.get(key);
    this.#probes.delete(key);
    probe?.close().catch((error: unknown) => this.#options.log.debug({ error: String(error) }, 'mesh.close-failed'));
  }
}
