import { demoHwConfig, demoPolicy, demoScenario, demoUnitConfig } from '../../src/config/defaults.ts';
import type { Policy } from '../../src/config/policy.ts';
import type { Deal } from '../../src/domain/deal.ts';
import type { Channel } from '../../src/domain/messages.ts';
import type { Milliseconds } from '../../src/domain/quantities.ts';
import { busOf, clockOf, deviceOf, ProcessLife, storeOf } from '../../src/emulation/chaos/process-life.ts';
import { World } from '../../src/emulation/world.ts';
import type { WorldOptions } from '../../src/emulation/world-options.ts';
import {
  MemoryBusHub,
  MemoryStore,
  SeededEntropy,
  type Store,
  silentLog,
  sleep,
  VirtualClock,
} from '../../src/ports/index.ts';
import { identityOf, NO_NETWORK } from '../../src/unit/identity.ts';
import { Unit } from '../../src/unit/unit.ts';

const MAY_MORNING = Date.UTC(2020, 4, 15, 9);

export interface MortalsOptions {
  readonly seed?: number;
  readonly rsoc?: readonly number[];
  readonly policy?: (policy: Policy) => Policy;
  readonly policyHash?: (unitId: string, policy: Policy) => string;
  readonly world?: Omit<WorldOptions, 'clock' | 'entropy' | 'houses'>;
  /** When the others learn that a process has ended, as where each unit has a broker of its own; absent: by its silence. */
  readonly endKnownMsec?: Milliseconds;
}

/** Four houses whose units can be killed, cut off and started again; disk and converter stay. */
export class Mortals {
  readonly clock = new VirtualClock(MAY_MORNING);
  readonly ids = ['E001', 'E002', 'E003', 'E004'] as const;
  readonly world: World;
  readonly hub: MemoryBusHub;
  readonly policy: Policy;
  readonly stores = new Map<string, MemoryStore>();
  readonly ledgers = new Map<string, Map<string, Deal>>();
  /** Says whether a message gets through. */
  reaches: (from: string, to: string, channel?: Channel) => boolean = () => true;
  /** How long the disk of a unit takes. */
  writeMsec: (unitId: string, key: string) => Milliseconds = () => 0;
  /** Whose disk takes nothing more. */
  isDiskFull: (unitId: string, key: string) => boolean = () => false;
  saved: (unitId: string, key: string) => void = () => {};
  /** Whose disk has only an older record of it. */
  isOutdated: (unitId: string, key: string) => boolean = () => false;
  /** The policy that a unit finds on its own disk. */
  policyFile: (unitId: string) => Policy = () => this.policy;
  /** By which policy the next process of a unit works. */
  policyHash: (unitId: string, policy: Policy) => string;
  readonly #units = new Map<string, { readonly unit: Unit; readonly life: ProcessLife; readonly session: string }>();
  readonly #endKnownMsec: Milliseconds | undefined;
  readonly #entropy: SeededEntropy;
  #starts = 0;

  constructor({
    seed = 1,
    rsoc = [92, 80, 55, 30],
    policy = (one) => one,
    world,
    policyHash = () => 'test',
    endKnownMsec,
  }: MortalsOptions = {}) {
    this.#endKnownMsec = endKnownMsec;
    this.policyHash = policyHash;
    this.#entropy = new SeededEntropy(seed);
    const base = demoPolicy(this.ids, { gridCurrentA: 2, amountWh: 100 });
    // Who leads stays as it is unless a test wants otherwise.
    const gridMaster = { ...base.gridMaster, gridMasterSelection: { strategy: 'anywhere' as const } };
    this.policy = policy({ ...base, gridMaster, largeCapacityUnitIds: [] });
    this.world = new World({
      ...world,
      clock: this.clock,
      entropy: this.#entropy.fork('world'),
      houses: this.ids.map((id, index) => ({ id, rsoc: rsoc[index] ?? 50 })),
    });
    this.hub = new MemoryBusHub(this.clock, {
      delay: (from, to, channel) => (this.reaches(from, to, channel) ? 1 : undefined),
    });
    for (const id of this.ids) {
      this.stores.set(id, new MemoryStore());
      this.ledgers.set(id, new Map());
      this.start(id);
    }
  }

  start(unitId: string): void {
    this.#starts += 1;
    const life = new ProcessLife();
    const entropy = this.#entropy.fork(`${unitId}/${this.#starts}`);
    const session = entropy.uuid();
    const unit = new Unit({
      identity: identityOf(demoUnitConfig(unitId), NO_NETWORK),
      device: deviceOf(this.world.device(unitId), life),
      bus: busOf(this.hub.join(unitId, session), life),
      clock: clockOf(this.clock, life, () => 0),
      entropy,
      log: silentLog,
      store: storeOf(this.#disk(unitId), life),
      saveFinished: async (deal) => {
        if (life.isAlive) this.ledgers.get(unitId)?.set(deal.dealId, deal);
      },
      policy: () => this.policyFile(unitId),
      hwConfig: () => demoHwConfig(),
      scenario: () => demoScenario(),
      policyHash: (policy) => this.policyHash(unitId, policy),
    });
    this.#units.set(unitId, { unit, life, session });
    void unit.start();
  }

  #disk(unitId: string): Store {
    const store = this.stores.get(unitId) as MemoryStore; // every id has one
    return {
      load: (key) => store.load(key),
      isOutdated: (key) => this.isOutdated(unitId, key),
      list: (prefix) => store.list(prefix),
      remove: (key) => store.remove(key),
      save: async (key, record) => {
        await sleep(this.clock, this.writeMsec(unitId, key));
        if (this.isDiskFull(unitId, key)) throw new Error('ENOSPC: no space left on device');
        await store.save(key, record);
        this.saved(unitId, key);
      },
    };
  }

  /** The process is gone in the middle of whatever it did; its converter stays as it is. */
  kill(unitId: string): void {
    const one = this.#units.get(unitId);
    if (one === undefined) return;
    one.life.kill();
    this.hub.leave(unitId);
    this.#units.delete(unitId);
    if (this.#endKnownMsec === undefined) return;
    this.clock.after(this.#endKnownMsec, () => {
      for (const other of this.ids) this.hub.tellEnd(other, unitId, one.session);
    });
  }

  /** Has every deal that is open now ended in order. */
  async endDeals(): Promise<void> {
    const dealIds = this.deals.map(({ dealId }) => dealId);
    const isOpen = (): boolean => this.deals.some(({ dealId }) => dealIds.includes(dealId));
    for (const dealId of dealIds) {
      const asked = this.units[0]?.operate({ kind: 'deal.stop', dealId, reason: 'test' });
      asked?.catch(() => {}); // what counts is whether they end
    }
    if (!(await this.until(() => !isOpen(), 30_000))) throw new Error('the deals did not end');
  }

  restart(unitId: string): void {
    this.kill(unitId);
    this.start(unitId);
  }

  /** Nobody of `part` hears anybody else, and the other way round; `heal` ends it. */
  cut(...part: readonly string[]): void {
    this.reaches = (from, to) => part.includes(from) === part.includes(to);
  }

  /** As `cut`, where what is between them turns connections away: each part takes the other for ended. */
  refuse(...part: readonly string[]): void {
    this.cut(...part);
    for (const [unitId, { session }] of this.#units) {
      for (const other of this.ids) if (!this.reaches(unitId, other)) this.hub.tellEnd(other, unitId, session);
    }
  }

  heal(): void {
    this.reaches = () => true;
    for (const from of this.ids) for (const to of this.ids) if (from !== to) this.hub.resend(from, to);
  }

  unit(unitId: string): Unit {
    const one = this.#units.get(unitId);
    if (one === undefined) throw new Error(`${unitId} is dead`);
    return one.unit;
  }

  get units(): readonly Unit[] {
    return [...this.#units.values()].map(({ unit }) => unit);
  }

  get gridMaster(): Unit | undefined {
    return this.units.find((unit) => unit.isGridMaster);
  }

  /** Who holds the voltage, in truth. */
  get references(): readonly string[] {
    return this.ids.filter((id) => this.mode(id) === 'VOLTAGE_REFERENCE');
  }

  mode(unitId: string): string {
    return this.world.house(unitId).mode;
  }

  get modes(): Record<string, string> {
    return Object.fromEntries(this.ids.map((id) => [id, this.mode(id)]));
  }

  /** Open deals, each once. */
  get deals(): readonly Deal[] {
    return [...new Map(this.units.flatMap((unit) => unit.deals()).map((deal) => [deal.dealId, deal])).values()];
  }

  /** Advances until the condition holds; false when the limit has passed. */
  until(condition: () => boolean, limitMsec: number): Promise<boolean> {
    return this.clock.runUntil(condition, limitMsec);
  }

  /** Until two deals run and nothing moves any more. */
  async untilRunning(count = 2): Promise<void> {
    const isRunning = (): boolean =>
      this.deals.length >= count && this.deals.every((deal) => deal.startDateTime !== undefined);
    if (!(await this.until(isRunning, 60_000))) throw new Error('the deals did not start');
    await this.clock.advance(3_000);
  }
}
