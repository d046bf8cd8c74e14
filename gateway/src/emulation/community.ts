import type { UnitSettings } from '../config/load-unit.ts';
import type { Policy } from '../config/policy.ts';
import type { Deal } from '../domain/deal.ts';
import type { Birth } from '../domain/messages.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { DealQuestion } from '../domain/question.ts';
import type { BusHub } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Device } from '../ports/device.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { ExclusiveLocks } from '../ports/exclusive-locks.ts';
import type { Log } from '../ports/log.ts';
import type { Pulse } from '../ports/pulse.ts';
import type { Store } from '../ports/store.ts';
import { identityOf, type NetworkIdentity, NO_NETWORK } from '../unit/identity.ts';
import { Unit } from '../unit/unit.ts';

/** One member of a community in one process. */
export interface CommunityMember {
  readonly settings: UnitSettings;
  readonly device: Device;
  readonly store: Store;
  readonly saveFinished: (deal: Deal) => Promise<void>;
  readonly entropy: Entropy;
  readonly network?: NetworkIdentity;
  readonly batteryLocks?: ExclusiveLocks;
  readonly addresses?: Pick<Birth, 'broker' | 'peers'>;
  readonly question?: (question: DealQuestion) => void;
}

export interface CommunityOptions {
  readonly clock: Clock;
  readonly hub: BusHub;
  readonly log: Log;
  readonly policyHash: (policy: Policy) => string;
  readonly members: readonly CommunityMember[];
  /** Told by the control loops of all units, with the unit's id before the loop's name. */
  readonly pulse?: Pulse;
}

/** Several whole units in one process: daemon, tests, benchmarks, fault runs. */
export class LocalCommunity {
  readonly units: readonly Unit[];
  readonly #clock: Clock;

  constructor(options: CommunityOptions) {
    this.#clock = options.clock;
    this.units = options.members.map((member) => unitOf(member, options));
  }

  async start(): Promise<void> {
    await Promise.all(this.units.map((unit) => unit.start()));
  }

  /** Orderly end of all units: nothing new is agreed, the grid master ends the deals, every converter is in WAIT. */
  async stop(): Promise<void> {
    await Promise.all(this.units.map((unit) => unit.standDown()));
    await Promise.all(this.units.map((unit) => unit.stop()));
  }

  unit(unitId: string): Unit | undefined {
    return this.units.find((unit) => unit.unitId === unitId);
  }

  get gridMaster(): Unit | undefined {
    return this.units.find((unit) => unit.isGridMaster);
  }

  isReady(): boolean {
    return this.units.every((unit) => unit.isReady());
  }

  /** Resolves when every unit has measured and knows its grid master; looks every `pollMsec` of its own clock. */
  async ready(pollMsec: Milliseconds = 20): Promise<void> {
    while (!this.isReady()) await new Promise<void>((resolve) => this.#clock.after(pollMsec, resolve));
  }
}

function unitOf(member: CommunityMember, options: CommunityOptions): Unit {
  const { settings, entropy, addresses, batteryLocks, question } = member;
  const { unitConfig } = settings;
  const { pulse } = options;
  return new Unit({
    identity: identityOf(unitConfig, member.network ?? NO_NETWORK),
    device: member.device,
    bus: options.hub.join(unitConfig.unitId, entropy.uuid()),
    clock: options.clock,
    entropy,
    log: options.log.child({ unitId: unitConfig.unitId }),
    store: member.store,
    saveFinished: member.saveFinished,
    policy: () => settings.policy,
    hwConfig: () => settings.hwConfig,
    scenario: () => settings.scenario,
    policyHash: options.policyHash,
    ...(pulse === undefined ? {} : { pulse: (loop, within) => pulse(`${unitConfig.unitId} ${loop}`, within) }),
    ...(addresses === undefined ? {} : { addresses }),
    ...(batteryLocks === undefined ? {} : { batteryLocks }),
    ...(question === undefined ? {} : { question }),
  });
}
