import { CURRENT_SIGN } from '../../domain/converter-mode.ts';
import type { Milliseconds } from '../../domain/quantities.ts';
import { SeededEntropy } from '../../ports/entropy.ts';
import { collectingLog, type LogLine } from '../../ports/log.ts';
import { MemoryBusHub } from '../../ports/memory-bus.ts';
import { VirtualClock } from '../../ports/virtual-clock.ts';
import { World } from '../world.ts';
import { ChaosHouse } from './chaos-house.ts';
import { ChaosNetwork } from './chaos-network.ts';
import { type ChaosSetting, chaosSetting } from './chaos-setting.ts';
import { EventLog } from './event-log.ts';
import type { Invariant } from './finding.ts';
import { Traffic } from './traffic.ts';

/** A morning in May, so that a run of a few hours meets sun and evening. */
const START = Date.UTC(2020, 4, 15, 9);
/** The event log of a failure tells so much of what came before it. */
const LOG_MSEC: Milliseconds = 240_000;
/** A closed connection is noticed, and the next one refused, after so long. */
const REFUSED_MSEC: Milliseconds = 100;

export interface StageOptions {
  readonly seed: number;
  readonly units: number;
  violated(invariant: Invariant, subject: string, message: string): void;
}

/** Everything that a run consists of: physics, network, houses with their processes, and who reads along. */
export class ChaosStage {
  readonly clock = new VirtualClock(START);
  readonly entropy: SeededEntropy;
  readonly setting: ChaosSetting;
  readonly world: World;
  readonly hub: MemoryBusHub;
  readonly network: ChaosNetwork;
  readonly traffic: Traffic;
  readonly log = new EventLog(LOG_MSEC);
  readonly houses: readonly ChaosHouse[];
  readonly #byId: ReadonlyMap<string, ChaosHouse>;

  constructor({ seed, units, violated }: StageOptions) {
    this.entropy = new SeededEntropy(seed);
    this.setting = chaosSetting(seed, units);
    const rsoc = (index: number): number => (index < units / 2 ? 92 - index : 35 + index);
    this.world = new World({
      clock: this.clock,
      entropy: this.entropy.fork('world'),
      houses: this.setting.unitIds.map((id, index) => ({ id, rsoc: rsoc(index) })),
    });
    this.network = new ChaosNetwork(this.entropy.fork('network'));
    this.hub = new MemoryBusHub(this.clock, { delay: this.network.delay });
    this.traffic = new Traffic({
      now: () => this.clock.monotonic(),
      disk: (unitId) => this.house(unitId)?.disk,
      violated,
    });
    this.houses = this.setting.unitIds.map((unitId) => this.#house(unitId));
    this.#byId = new Map(this.houses.map((house) => [house.unitId, house]));
    this.hub.tap((delivery) => this.traffic.see(delivery));
    this.world.onEvent(({ at: _at, event, ...fields }) => {
      const { houseId = 'world', ...rest } = fields as Record<string, unknown>;
      this.note(event, rest, String(houseId));
    });
  }

  house(unitId: string): ChaosHouse | undefined {
    return this.#byId.get(unitId);
  }

  /** A converter moves current for a deal. */
  get isCurrentFlowing(): boolean {
    return this.houses.some(({ unitId }) => CURRENT_SIGN[this.world.house(unitId).mode] !== 0);
  }

  /** Writes into the event log. */
  note(event: string, fields: object = {}, who = 'chaos'): void {
    this.log.add(this.clock.monotonic(), who, event, { ...fields });
  }

  /** A lost connection is back: what peers retain comes anew, in both directions. */
  reconnect(): void {
    for (const { unitId: from } of this.houses)
      for (const { unitId: to } of this.houses) if (from !== to) this.hub.resend(from, to);
  }

  /**
   * Connections to the present process of a unit are refused from here on: those of its neighbours that `isRefused` names
   * when they have noticed take it for ended.
   */
  refuse({ unitId, session }: ChaosHouse, isRefused: (neighbour: string) => boolean): void {
    this.clock.after(REFUSED_MSEC, () => {
      for (const { unitId: neighbour } of this.houses) {
        if (neighbour !== unitId && isRefused(neighbour)) this.hub.tellEnd(neighbour, unitId, session);
      }
    });
  }

  /** Ends everything that still runs. */
  close(): void {
    for (const house of this.houses) house.kill();
    this.world.close();
  }

  #house(unitId: string): ChaosHouse {
    return new ChaosHouse({
      unitId,
      setting: this.setting,
      clock: this.clock,
      hub: this.hub,
      device: this.world.device(unitId),
      entropy: this.entropy.fork(unitId),
      log: collectingLog((line) => this.#noteLine(unitId, line)),
      wrote: ({ setting }) => this.traffic.wrote(unitId, setting),
      note: (event, fields) => this.note(event, fields, unitId),
    });
  }

  /** A line of a unit's own log; what a fault says twice is left out, and of debugging only the device commands count. */
  #noteLine(unitId: string, { level, event, fields }: LogLine): void {
    if (event === 'controller.fault' || (level === 'debug' && event !== 'grid.command')) return;
    const { unitId: about, at: _at, ...rest } = fields;
    const who = level === 'debug' || typeof about !== 'string' ? unitId : about;
    this.note(event, event === 'grid.command' ? { to: about, ...rest } : rest, who);
  }
}
