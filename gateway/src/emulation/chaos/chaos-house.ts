import { demoUnitConfig } from '../../config/defaults.ts';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Device, ModeSetting } from '../../ports/device.ts';
import type { SeededEntropy } from '../../ports/entropy.ts';
import type { Log } from '../../ports/log.ts';
import type { MemoryBusHub } from '../../ports/memory-bus.ts';
import { identityOf, NO_NETWORK } from '../../unit/identity.ts';
import { Unit } from '../../unit/unit.ts';
import type { ChaosSetting } from './chaos-setting.ts';
import { HouseDisk } from './house-disk.ts';
import { busOf, clockOf, deviceOf, ProcessLife, storeOf } from './process-life.ts';

/** A write as it leaves a unit's process, before the driver has it. */
export interface DriverWrite {
  readonly unitId: string;
  readonly at: Milliseconds;
  readonly setting: Partial<ModeSetting>;
}

export interface ChaosHouseNeeds {
  readonly unitId: string;
  readonly setting: ChaosSetting;
  readonly clock: Clock;
  readonly hub: MemoryBusHub;
  readonly device: Device;
  readonly entropy: SeededEntropy;
  readonly log: Log;
  /** Hears of every driver write before it happens. */
  wrote(write: DriverWrite): void;
  /** Hears what the harness does to the house. */
  note(event: string, fields?: object): void;
}

/** One house of a run: its disk and device stay, its unit's process comes and goes. */
export class ChaosHouse {
  readonly unitId: string;
  readonly disk: HouseDisk;
  readonly #needs: ChaosHouseNeeds;
  #life = new ProcessLife();
  #unit: Unit | undefined;
  #session = '';
  #starts = 0;
  #upSince: Milliseconds = 0;
  /** How far the wall time of the gateway is off. */
  skewMsec: Milliseconds = 0;
  /** Which of the two scenarios is in force. */
  scenario: 0 | 1 = 0;
  #told: ModeSetting = { mode: 'WAIT', dvg: 0, dig: 0, drg: 0 };

  constructor(needs: ChaosHouseNeeds) {
    this.unitId = needs.unitId;
    this.#needs = needs;
    this.disk = new HouseDisk(needs.clock);
  }

  get life(): ProcessLife {
    return this.#life;
  }

  /** The unit while its process lives. */
  get unit(): Unit | undefined {
    return this.#life.isAlive ? this.#unit : undefined;
  }

  /** Of the present process, or of the last one. */
  get session(): string {
    return this.#session;
  }

  /** Since when the present process runs. */
  get upSince(): Milliseconds {
    return this.#upSince;
  }

  /** What the converter was told last. */
  get told(): ModeSetting {
    return this.#told;
  }

  /** Starts a process: a new session on the same disk and the same device. */
  start(): void {
    if (this.unit !== undefined) return;
    const { clock, hub, log, setting, unitId } = this.#needs;
    const life = new ProcessLife();
    const entropy = this.#needs.entropy.fork(`${this.#starts}`);
    const store = storeOf(this.disk, life);
    this.#life = life;
    this.#starts += 1;
    this.#upSince = clock.monotonic();
    this.#session = entropy.uuid();
    this.#unit = new Unit({
      identity: identityOf(demoUnitConfig(unitId), NO_NETWORK),
      device: deviceOf(this.#watched(), life),
      bus: busOf(hub.join(unitId, this.#session), life),
      clock: clockOf(clock, life, () => this.skewMsec),
      entropy,
      log: log.child({ unitId }),
      store,
      saveFinished: (deal) => life.follow(this.disk.saveFinished(deal)),
      policy: () => setting.policy,
      hwConfig: () => setting.hwConfig,
      scenario: () => setting.scenarios[this.scenario],
      policyHash: () => 'chaos',
    });
    this.#needs.note('process.started', { start: this.#starts });
    void this.#unit.start();
  }

  /** The process is gone, in the middle of whatever it did; the converter stays as it is. */
  kill(): void {
    if (!this.#life.isAlive) return;
    this.#needs.note('process.killed');
    this.#life.kill();
    this.disk.setTrap(undefined);
    this.#needs.hub.leave(this.unitId);
  }

  #watched(): Device {
    const { device } = this.#needs;
    return {
      read: (signal) => device.read(signal),
      readStatus: (signal) => device.readStatus(signal),
      setMode: (setting, signal) => {
        this.#wrote(setting);
        return device.setMode(setting, signal);
      },
      setVoltage: (setting, signal) => {
        this.#wrote(setting);
        return device.setVoltage(setting, signal);
      },
      setCurrent: (setting, signal) => {
        this.#wrote(setting);
        return device.setCurrent(setting, signal);
      },
    };
  }

  #wrote(setting: Partial<ModeSetting>): void {
    this.#told = { ...this.#told, ...setting };
    this.#needs.wrote({ unitId: this.unitId, at: this.#needs.clock.monotonic(), setting });
  }
}
