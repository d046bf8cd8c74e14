import { demoHwConfig, demoPolicy, demoScenario, demoUnitConfig } from '../config/defaults.ts';
import type { UnitSettings } from '../config/load-unit.ts';
import type { Policy } from '../config/policy.ts';
import type { Deal } from '../domain/deal.ts';
import type { Clock } from '../ports/clock.ts';
import { SeededEntropy } from '../ports/entropy.ts';
import type { ExclusiveLocks } from '../ports/exclusive-locks.ts';
import { type Log, silentLog } from '../ports/log.ts';
import { MemoryBusHub, type MemoryBusOptions } from '../ports/memory-bus.ts';
import { MemoryStore } from '../ports/store.ts';
import { LocalCommunity } from './community.ts';
import { World } from './world.ts';
import { houseIds, type WorldOptions } from './world-options.ts';

export interface EmulatedCommunityOptions {
  readonly clock: Clock;
  readonly seed: number;
  readonly units: number;
  /** Everything of the world that is not its clock, its randomness and its houses' names. */
  readonly world?: Omit<WorldOptions, 'clock' | 'entropy' | 'houses'>;
  /** Charge of each house at the start, in order; those missing begin half full. */
  readonly rsoc?: readonly number[];
  /** Factor on the sun of each house, in order; default 1. */
  readonly pvScale?: readonly number[];
  /** Default: 2 A deals of 100 Wh, trading from the start. */
  readonly policy?: Policy;
  readonly bus?: MemoryBusOptions;
  readonly log?: Log;
  /** Locks of batteries that other communities use too, by unit. */
  readonly batteryLocks?: Readonly<Record<string, ExclusiveLocks>>;
}

/** A whole community in memory: physics, units, bus; everything that happens follows from the seed. */
export interface EmulatedCommunity {
  readonly world: World;
  readonly hub: MemoryBusHub;
  readonly community: LocalCommunity;
  /** Records of finished deals, by unit and in order. */
  readonly ledgers: ReadonlyMap<string, readonly Deal[]>;
}

/** Builds units, houses and bus; nothing runs before `community.start()`. */
export function emulatedCommunity(options: EmulatedCommunityOptions): EmulatedCommunity {
  const { clock, units, rsoc = [], pvScale = [] } = options;
  const entropy = new SeededEntropy(options.seed);
  const ids = houseIds(units);
  const policy = options.policy ?? demoPolicy(ids, { gridCurrentA: 2, amountWh: 100 });
  const world = new World({
    ...options.world,
    clock,
    entropy: entropy.fork('world'),
    houses: ids.map((id, index) => ({ id, rsoc: rsoc[index] ?? 50, pvScale: pvScale[index] ?? 1 })),
  });
  const hub = new MemoryBusHub(clock, options.bus);
  const ledgers = new Map<string, Deal[]>(ids.map((id) => [id, []]));
  const community = new LocalCommunity({
    clock,
    hub,
    log: options.log ?? silentLog,
    policyHash: () => 'built-in',
    members: ids.map((unitId) => ({
      settings: settingsOf(unitId, policy),
      device: world.device(unitId),
      store: new MemoryStore(),
      saveFinished: async (deal) => {
        ledgers.get(unitId)?.push(deal);
      },
      entropy: entropy.fork(unitId),
      ...locksOf(unitId, options),
    })),
  });
  return { world, hub, community, ledgers };
}

function locksOf(unitId: string, { batteryLocks = {} }: EmulatedCommunityOptions): { batteryLocks?: ExclusiveLocks } {
  const locks = batteryLocks[unitId];
  return locks === undefined ? {} : { batteryLocks: locks };
}

const settingsOf = (unitId: string, policy: Policy): UnitSettings => ({
  unitConfig: demoUnitConfig(unitId),
  hwConfig: demoHwConfig(),
  policy,
  scenario: demoScenario(),
});
