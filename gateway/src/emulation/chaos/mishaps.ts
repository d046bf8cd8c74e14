import type { OperatorBody } from '../../domain/messages.ts';
import type { Cancel } from '../../ports/clock.ts';
import type { FaultTarget } from '../world-fault.ts';
import { type EndOf, type Mishap, type PlannedFault, ROLES } from './chaos-fault.ts';
import type { ChaosHouse } from './chaos-house.ts';
import { isBetween, type NetworkTrouble } from './chaos-network.ts';
import type { ChaosStage } from './chaos-stage.ts';
import { Troubles } from './troubles.ts';

/** Place of the faults that concern the bus as a whole. */
export const BUS = 'bus';
/** Faults of a house that its neighbours feel. */
const OF_THE_BUS: ReadonlySet<string> = new Set([
  'secondVoltageSource',
  'leak',
  'trip',
  'heavyAlarm',
  'offsetCurrent',
  'houseOffline',
]);
/** Faults that trip the converter later or never, by what: the bus feels them no sooner. */
const TRIPS_IN_TIME: ReadonlyMap<string, string> = new Map([
  ['battery-locked', 'batteryLocked'],
  ['over-temperature', 'overheat'],
]);
/** How long an operator waits before he says a thing again that was not done. */
const SAY_AGAIN_MSEC = 5_000;

type Undo = () => void;

/** It runs, and no lowering that a part of the community has not heard of yet waits there for its stamp (RULE-12). */
const isTold = ({ unit }: ChaosHouse): boolean => {
  const mode = unit?.mode();
  return mode?.global.value === 'autonomous' && mode.lowerings === undefined;
};

/** Makes mishaps happen, and undoes them. */
export class Mishaps {
  readonly troubles = new Troubles();
  readonly #stage: ChaosStage;
  readonly #active = new Map<PlannedFault, Undo>();
  readonly #brokenLines = new Set<string>();
  #lastEndAt = 0;
  #begunInDeals = 0;
  #deaths = 0;
  #wantsRun = false;
  readonly #cancels: Cancel[] = [];
  readonly #traps: { skip: number; fire: () => void }[] = [];

  constructor(stage: ChaosStage) {
    this.#stage = stage;
    stage.hub.tap(({ channel, envelope }) => {
      if (channel === 'command' && 'kind' in envelope.body && envelope.body.kind === 'control') this.#commandSaid();
    });
    stage.world.onEvent((event) => {
      if (event.event !== 'converter.tripped') return;
      const fault = TRIPS_IN_TIME.get(event.trip);
      const isAtWork = fault !== undefined && this.troubles.at(event.houseId, stage.clock.monotonic()).has(fault);
      if (isAtWork) this.#settled(BUS, 'tripped');
    });
  }

  /** Puts the whole plan on the clock. */
  schedule(plan: readonly PlannedFault[]): void {
    const { clock } = this.#stage;
    for (const planned of plan) {
      this.#cancels.push(
        clock.after(planned.atMsec - clock.monotonic(), () => this.#begin(planned)),
        clock.after(planned.atMsec + planned.forMsec - clock.monotonic(), () => this.#end(planned)),
      );
    }
  }

  /** For how long nothing has been broken; 0 while something is. */
  calmMsec(): number {
    return this.#active.size > 0 ? 0 : this.#stage.clock.monotonic() - this.#lastEndAt;
  }

  /** Faults so far that fell while a converter moved current for a deal. */
  get begunInDeals(): number {
    return this.#begunInDeals;
  }

  get deaths(): number {
    return this.#deaths;
  }

  isBroken(branch: string): boolean {
    return this.#brokenLines.has(branch);
  }

  /** The last fault heals: everything is mended, every process runs, and the operator has said run if he ever said stop. */
  healAll(): void {
    for (const cancel of this.#cancels.splice(0)) cancel();
    for (const planned of [...this.#active.keys()]) this.#end(planned);
    this.#traps.splice(0);
    for (const house of this.#stage.houses) {
      house.disk.setTrap(undefined);
      house.scenario = 0;
      house.start();
    }
    this.#lastEndAt = this.#stage.clock.monotonic();
  }

  #begin(planned: PlannedFault): void {
    this.#stage.note('fault', { ...planned.mishap });
    if (this.#stage.isCurrentFlowing) this.#begunInDeals += 1;
    this.#active.set(planned, this.#do(planned.mishap, planned.forMsec));
  }

  #end(planned: PlannedFault): void {
    const undo = this.#active.get(planned);
    if (undo === undefined) return;
    this.#active.delete(planned);
    this.#lastEndAt = this.#stage.clock.monotonic();
    this.#stage.note('fault.over', { kind: planned.mishap.kind });
    undo();
  }

  #do(mishap: Mishap, forMsec: number): Undo {
    const { world, network } = this.#stage;
    switch (mishap.kind) {
      case 'lineBreak':
        world.inject(mishap);
        this.#brokenLines.add(mishap.branch);
        this.troubles.begin(BUS, 'lineBreak');
        return () => {
          world.heal(mishap);
          this.#brokenLines.delete(mishap.branch);
          this.#settled(BUS, 'lineBreak');
        };
      case 'network':
        network.begin(mishap.trouble);
        this.#refuse(mishap.trouble);
        return () => {
          network.end(mishap.trouble);
          this.#stage.reconnect();
        };
      default:
        return this.#doTo(this.#victim(mishap.victim), mishap, forMsec);
    }
  }

  #doTo(house: ChaosHouse, mishap: Exclude<Mishap, { kind: 'lineBreak' | 'network' }>, forMsec: number): Undo {
    const { unitId } = house;
    switch (mishap.kind) {
      case 'house':
        return this.#houseFault(unitId, mishap.fault);
      case 'crash':
        this.#kill(house, mishap.endOf);
        return () => house.start();
      case 'crashAtWrite':
        house.disk.setTrap({
          skip: mishap.skip,
          when: mishap.when,
          spring: () => this.#down(house, forMsec, mishap.endOf),
        });
        return () => {};
      case 'crashAtCommand':
        this.#traps.push({
          skip: mishap.skip,
          fire: () =>
            void this.#stage.clock.after(mishap.delayMsec, () =>
              this.#down(this.#victim(mishap.victim), forMsec, mishap.endOf),
            ),
        });
        return () => {};
      case 'freeze': {
        const { life } = house;
        life.freeze();
        return () => life.thaw();
      }
      case 'slowDisk': {
        const usualMsec = house.disk.writeMsec;
        house.disk.writeMsec = mishap.writeMsec;
        return () => {
          house.disk.writeMsec = usualMsec;
        };
      }
      case 'wallClock':
        house.skewMsec = mishap.offsetMsec;
        return () => {
          house.skewMsec = 0;
        };
      case 'mode':
        this.#say(house, { kind: 'mode', value: mishap.value });
        return () => this.#sayRun();
      case 'emergencyStop':
        this.#say(house, { kind: 'emergency-stop', reason: 'chaos' });
        return () => this.#sayRun();
      case 'localMode':
        this.#say(house, { kind: 'local-mode', value: mishap.value });
        return () => this.#clearLocalMode(house);
      case 'scenario':
        house.scenario = 1;
        return () => {
          house.scenario = 0;
        };
    }
  }

  #houseFault(houseId: string, fault: Extract<Mishap, { kind: 'house' }>['fault']): Undo {
    const { world, clock } = this.#stage;
    this.troubles.begin(houseId, fault.kind);
    if (OF_THE_BUS.has(fault.kind)) this.troubles.begin(BUS, fault.kind);
    world.inject({ ...fault, houseId });
    return () => {
      const target: FaultTarget = { kind: fault.kind, houseId };
      world.heal(target);
      this.troubles.end(houseId, fault.kind, clock.monotonic());
      if (OF_THE_BUS.has(fault.kind)) this.#settled(BUS, fault.kind);
    };
  }

  #settled(place: string, kind: string): void {
    this.troubles.end(place, kind, this.#stage.clock.monotonic());
  }

  /** A process dies at its trap, and is back after its time. */
  #down(house: ChaosHouse, forMsec: number, endOf: EndOf | undefined): void {
    if (house.unit === undefined) return;
    const marker: PlannedFault = {
      atMsec: this.#stage.clock.monotonic(),
      forMsec,
      mishap: { kind: 'crash', victim: house.unitId },
    };
    this.#kill(house, endOf);
    this.#deaths += 1;
    this.#active.set(marker, () => house.start());
    this.#cancels.push(this.#stage.clock.after(forMsec, () => this.#end(marker)));
  }

  /** The end of a process shows wherever nothing is wrong on the way; that of its machine nowhere. */
  #kill(house: ChaosHouse, endOf: EndOf = 'machine'): void {
    const { network } = this.#stage;
    house.kill();
    if (endOf === 'process') this.#stage.refuse(house, (neighbour) => network.isClear(house.unitId, neighbour));
  }

  /** A cut that refuses: each part takes the processes of the other for ended, for as long as it hears nothing of them. */
  #refuse(trouble: NetworkTrouble): void {
    if (trouble.kind !== 'partition' || trouble.refuses !== true) return;
    for (const house of this.#stage.houses) {
      if (house.unit !== undefined)
        this.#stage.refuse(house, (neighbour) => isBetween(trouble, house.unitId, neighbour));
    }
  }

  #commandSaid(): void {
    const trap = this.#traps[0];
    if (trap === undefined) return;
    if (trap.skip > 0) trap.skip -= 1;
    else {
      this.#traps.shift();
      trap.fire();
    }
  }

  /** The house that a fault means, by name or by role. */
  #victim(victim: string): ChaosHouse {
    const { houses, world } = this.#stage;
    const hasRole: Readonly<Record<(typeof ROLES)[number], (house: ChaosHouse) => boolean>> = {
      'grid-master': ({ unit }) => unit?.isGridMaster === true,
      'voltage-reference': ({ unitId }) => world.house(unitId).mode === 'VOLTAGE_REFERENCE',
      charging: ({ unitId }) => world.house(unitId).mode === 'CHARGE',
      discharging: ({ unitId }) => world.house(unitId).mode === 'DISCHARGE',
    };
    const role = ROLES.find((name) => name === victim);
    const found = role === undefined ? this.#stage.house(victim) : houses.find(hasRole[role]);
    return found ?? (houses[0] as ChaosHouse); // there is at least one house
  }

  /** An operator's word, once. What comes of it shows in the invariants. */
  #say(house: ChaosHouse, body: OperatorBody): void {
    if ('kind' in body && (body.kind === 'mode' || body.kind === 'emergency-stop')) this.#wantsRun = false;
    house.unit?.operate(body).catch(() => {}); // without a grid master it may not be carried out in time
  }

  /** The operator takes a lowering back, and says it again until it is done. */
  #sayRun(): void {
    if (this.#wantsRun) return;
    this.#wantsRun = true;
    const again = (): void => {
      if (this.#stage.houses.every(isTold)) this.#wantsRun = false;
      if (!this.#wantsRun) return;
      this.#stage.houses
        .find(({ unit }) => unit !== undefined)
        ?.unit?.operate({ kind: 'mode', value: 'autonomous' })
        .catch(() => {}); // said again below
      this.#stage.clock.after(SAY_AGAIN_MSEC, again);
    };
    again();
  }

  #clearLocalMode(house: ChaosHouse): void {
    const { unit } = house;
    if (unit !== undefined) unit.operate({ kind: 'local-mode', value: null }).catch(() => {});
    else this.#stage.clock.after(SAY_AGAIN_MSEC, () => this.#clearLocalMode(house));
  }
}
