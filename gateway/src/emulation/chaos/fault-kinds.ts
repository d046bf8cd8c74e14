import type { SeededEntropy } from '../../ports/entropy.ts';
import type { HouseFault } from '../world-fault.ts';
import { type EndOf, type Mishap, ROLES } from './chaos-fault.ts';

/** Draws the parts of a fault. */
export class Lot {
  readonly #entropy: SeededEntropy;
  readonly unitIds: readonly string[];

  constructor(entropy: SeededEntropy, unitIds: readonly string[]) {
    this.#entropy = entropy;
    this.unitIds = unitIds;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.#entropy.next();
  }

  whole(low: number, high: number): number {
    return Math.floor(this.between(low, high + 1));
  }

  of<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#entropy.next() * choices.length)] as T; // choices are never empty here
  }

  /** Half of the time whoever is doing something that matters. */
  victim(): string {
    return this.of([true, false]) ? this.of<string>(ROLES) : this.of(this.unitIds);
  }

  /** Some units, never none and never all. */
  some(): readonly string[] {
    const count = this.whole(1, Math.max(1, Math.floor(this.unitIds.length / 2)));
    const first = this.whole(0, this.unitIds.length - 1);
    return Array.from({ length: count }, (_, index) => this.unitIds[(first + index) % this.unitIds.length] as string);
  }
}

const ENDS = ['process', 'machine'] as const satisfies readonly EndOf[];

interface FaultKind {
  /** How often it comes, against the others. */
  readonly weight: number;
  /** Shortest and longest time until it is healed, ms. */
  readonly lasts: readonly [number, number];
  readonly draw: (lot: Lot) => Mishap;
}

const house = (weight: number, lasts: readonly [number, number], draw: (lot: Lot) => HouseFault): FaultKind => ({
  weight,
  lasts,
  draw: (lot) => ({ kind: 'house', victim: lot.victim(), fault: draw(lot) }),
});

const fault = (weight: number, lasts: readonly [number, number], draw: (lot: Lot) => Mishap): FaultKind => ({
  weight,
  lasts,
  draw,
});

/** Every kind of fault that a run can have. */
export const FAULT_KINDS = {
  'reply lost': house(3, [500, 8_000], (lot) => ({
    kind: 'noReply',
    probability: lot.of([0.3, 0.7, 1]),
    commandsAct: lot.of([true, false]),
  })),
  'device silent': house(1, [8_000, 60_000], (lot) => ({ kind: 'noReply', commandsAct: lot.of([true, false]) })),
  'reply late': house(2, [2_000, 30_000], (lot) => ({ kind: 'lateReply', delayMsec: lot.between(100, 6_000) })),
  'command duplicated': house(2, [5_000, 60_000], (lot) => ({ kind: 'duplicate', delayMsec: lot.between(50, 3_000) })),
  'meter stuck': house(2, [2_000, 60_000], () => ({ kind: 'stuckMeter' })),
  'meter lies': house(2, [2_000, 60_000], (lot) => ({
    kind: 'meterOffset',
    volts: lot.between(-15, 15),
    amperes: lot.between(-0.6, 0.6),
  })),
  'current off': house(1, [2_000, 30_000], (lot) => ({ kind: 'offsetCurrent', amperes: lot.between(-0.6, 0.6) })),
  'wrong mode': house(2, [500, 5_000], (lot) => ({
    kind: 'wrongMode',
    mode: lot.of(['WAIT', 'CHARGE', 'DISCHARGE', 'VOLTAGE_REFERENCE'] as const),
  })),
  trip: house(3, [500, 20_000], (lot) => ({
    kind: 'trip',
    trip: lot.of(['over-voltage', 'under-voltage', 'over-current', 'over-temperature'] as const),
  })),
  alarm: house(2, [500, 20_000], (lot) => ({ kind: lot.of(['heavyAlarm', 'lightAlarm'] as const) })),
  'refused reference': house(1, [5_000, 60_000], () => ({ kind: 'refuseVoltageReference' })),
  'battery locked': house(1, [2_000, 30_000], () => ({ kind: 'batteryLocked' })),
  'second voltage source': house(2, [500, 20_000], (lot) => ({
    kind: 'secondVoltageSource',
    volts: lot.between(330, 385),
    ohms: lot.between(0.5, 5),
    limitA: lot.between(1, 5),
  })),
  leak: house(2, [500, 30_000], (lot) => ({ kind: 'leak', siemens: lot.between(0.0005, 0.01) })),
  'house offline': house(1, [5_000, 60_000], () => ({ kind: 'houseOffline' })),
  overheat: house(1, [30_000, 120_000], (lot) => ({ kind: 'overheat', ambientC: lot.between(30, 60) })),
  'device clock skew': house(1, [10_000, 300_000], (lot) => ({
    kind: 'clockSkew',
    offsetMsec: lot.between(-7_200_000, 7_200_000),
  })),
  'line break': fault(1, [1_000, 60_000], (lot) => {
    const index = lot.whole(0, lot.unitIds.length - 2);
    return { kind: 'lineBreak', branch: `${lot.unitIds[index]}-${lot.unitIds[index + 1]}` };
  }),
  crash: fault(6, [200, 40_000], (lot) => ({ kind: 'crash', victim: lot.victim(), endOf: lot.of(ENDS) })),
  'crash at a journal write': fault(5, [200, 40_000], (lot) => ({
    kind: 'crashAtWrite',
    victim: lot.victim(),
    endOf: lot.of(ENDS),
    skip: lot.whole(0, 12),
    when: lot.of(['before', 'after'] as const),
  })),
  'crash at a command': fault(5, [200, 40_000], (lot) => ({
    kind: 'crashAtCommand',
    victim: lot.victim(),
    endOf: lot.of(ENDS),
    skip: lot.whole(0, 6),
    delayMsec: lot.between(0, 400),
  })),
  freeze: fault(2, [200, 15_000], (lot) => ({ kind: 'freeze', victim: lot.victim() })),
  partition: fault(4, [500, 60_000], (lot) => ({ kind: 'network', trouble: { kind: 'partition', units: lot.some() } })),
  'cut that refuses': fault(2, [500, 60_000], (lot) => ({
    kind: 'network',
    trouble: { kind: 'partition', units: lot.some(), refuses: true },
  })),
  'message loss': fault(3, [2_000, 60_000], (lot) => ({
    kind: 'network',
    trouble: { kind: 'messageLoss', units: lot.some(), probability: lot.between(0.05, 0.8) },
  })),
  'message delay': fault(3, [2_000, 60_000], (lot) => ({
    kind: 'network',
    trouble: { kind: 'messageDelay', units: lot.some(), delayMsec: lot.between(50, 6_000) },
  })),
  'clock skew': fault(1, [10_000, 600_000], (lot) => ({
    kind: 'wallClock',
    victim: lot.victim(),
    offsetMsec: lot.between(-60_000, 60_000),
  })),
  'slow disk': fault(1, [2_000, 60_000], (lot) => ({
    kind: 'slowDisk',
    victim: lot.victim(),
    writeMsec: lot.between(100, 4_000),
  })),
  'mode change': fault(2, [5_000, 300_000], (lot) => ({
    kind: 'mode',
    victim: lot.victim(),
    value: lot.of(['stop', 'heteronomous'] as const),
  })),
  'local mode change': fault(2, [5_000, 300_000], (lot) => ({
    kind: 'localMode',
    victim: lot.victim(),
    value: lot.of(['stop', 'heteronomous'] as const),
  })),
  'emergency stop': fault(1, [10_000, 60_000], (lot) => ({ kind: 'emergencyStop', victim: lot.victim() })),
  'scenario change': fault(2, [60_000, 900_000], (lot) => ({ kind: 'scenario', victim: lot.victim() })),
} as const satisfies Record<string, FaultKind>;

export type FaultKindName = keyof typeof FAULT_KINDS;
export const FAULT_NAMES = Object.keys(FAULT_KINDS) as readonly FaultKindName[]; // a closed literal

/** Kinds that the units do not yet stand: left out of the default plan, and named in the help. */
export const NOT_YET: readonly FaultKindName[] = [];

/** Kinds that a default plan draws from. */
export const DEFAULT_KINDS: readonly FaultKindName[] = FAULT_NAMES.filter((name) => !NOT_YET.includes(name));
