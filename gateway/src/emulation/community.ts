import type { HwConfig } from '../config/hw-config.ts';
import type { Policy } from '../config/policy.ts';
import type { Scenario } from '../config/scenario.ts';
import type { Birth } from '../domain/messages.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { OesUnit } from '../domain/unit-data.ts';
import type { Clock } from '../ports/clock.ts';
import type { Device } from '../ports/device.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { Log } from '../ports/log.ts';
import type { MemoryBusHub } from '../ports/memory-bus.ts';
import type { Store } from '../ports/store.ts';
import { Unit } from '../unit/unit.ts';

/** One member of a community in one process. */
export interface CommunityMember {
  readonly identity: Omit<OesUnit, 'budo'>;
  readonly device: Device;
  readonly store: Store;
  readonly hwConfig: HwConfig;
  readonly scenario: Scenario;
  readonly addresses?: Pick<Birth, 'broker' | 'peers'>;
}

export interface CommunityOptions {
  readonly clock: Clock;
  readonly hub: MemoryBusHub;
  readonly entropy: Entropy & { fork(label: string): Entropy };
  readonly log: Log;
  readonly policy: Policy;
  readonly policyHash: string;
  readonly members: readonly CommunityMember[];
}

/** Several whole units in one process on one in-memory bus: the demo's daemon, tests, benchmarks, fault runs. */
export class LocalCommunity {
  readonly units: readonly Unit[];
  readonly #options: CommunityOptions;

  constructor(options: CommunityOptions) {
    this.#options = options;
    this.units = options.members.map((member) => unitOf(member, options));
  }

  async start(): Promise<void> {
    await Promise.all(this.units.map((unit) => unit.start()));
  }

  /**
   * Orderly end of all units: nothing new is agreed, constant-current converters go to WAIT first and together,
   * the voltage reference last (RULE-7).
   */
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

  /** Resolves when every unit has measured and knows its grid master; polls on the community's own clock. */
  async ready(pollMsec: Milliseconds = 20): Promise<void> {
    while (!this.isReady()) await new Promise<void>((resolve) => this.#options.clock.after(pollMsec, resolve));
  }
}

function unitOf(member: CommunityMember, options: CommunityOptions): Unit {
  const unitId = member.identity.id;
  const entropy = options.entropy.fork(unitId);
  return new Unit({
    identity: member.identity,
    device: member.device,
    bus: options.hub.join(unitId, entropy.uuid()),
    clock: options.clock,
    entropy,
    log: options.log.child({ unitId }),
    store: member.store,
    policy: () => options.policy,
    hwConfig: () => member.hwConfig,
    scenario: () => member.scenario,
    policyHash: options.policyHash,
    ...(member.addresses === undefined ? {} : { addresses: member.addresses }),
  });
}
