import type { Milliseconds } from '../domain/quantities.ts';
import type { Bus } from './physics/bus.ts';
import type { Intruder } from './physics/bus-solution.ts';
import type { TripKind } from './physics/converter-state.ts';
import { type Household, terminalsOf } from './physics/household.ts';
import type { FaultOf, HouseFault, HouseFaultKind } from './world-fault.ts';

/** Where a fault takes effect. */
export interface FaultScene {
  readonly household: Household;
  readonly bus: Bus;
  readonly at: Milliseconds;
  trip(kind: TripKind): void;
}

interface Effect<K extends HouseFaultKind> {
  begin(fault: FaultOf<K>, scene: FaultScene): void;
  end(scene: FaultScene): void;
}

const nothing = (): void => {};

/** The device, its line or its log: nothing electrical. */
const NO_EFFECT = { begin: nothing, end: nothing };

const intruder = (kind: string, scene: FaultScene, one: Omit<Intruder, 'house'> | undefined): void =>
  scene.bus.setIntruder(`${kind}/${scene.household.id}`, one && { house: scene.household.house.parts.index, ...one });

/** What each fault does to the physics when it begins and when it is healed. */
const EFFECTS: { readonly [K in HouseFaultKind]: Effect<K> } = {
  noReply: NO_EFFECT,
  lateReply: NO_EFFECT,
  duplicate: NO_EFFECT,
  wrongMode: NO_EFFECT,
  lightAlarm: NO_EFFECT,
  refuseVoltageReference: NO_EFFECT,
  clockSkew: NO_EFFECT,
  reboot: NO_EFFECT,
  stuckMeter: {
    begin: (_, { household, bus, at }) => {
      household.stuck = household.meter.read(terminalsOf(household, bus, at));
    },
    end: ({ household }) => {
      household.stuck = undefined;
    },
  },
  offsetCurrent: {
    begin: ({ amperes }, { household }) => {
      household.converter.offsetA = amperes;
    },
    end: ({ household }) => {
      household.converter.offsetA = 0;
    },
  },
  meterOffset: {
    begin: ({ volts = 0, amperes = 0 }, { household }) => household.meter.shift(volts, amperes),
    end: ({ household }) => household.meter.shift(0, 0),
  },
  // The alarm stays after healing until WAIT is commanded, as with any trip.
  trip: { begin: (fault, scene) => scene.trip(fault.trip), end: nothing },
  heavyAlarm: { begin: (_, scene) => scene.trip('heavy-alarm'), end: nothing },
  secondVoltageSource: {
    begin: ({ volts, ohms = 0.5, limitA = 5 }, scene) =>
      intruder('source', scene, { source: { volts, siemens: 1 / ohms, low: -limitA, high: limitA } }),
    end: (scene) => intruder('source', scene, undefined),
  },
  leak: {
    begin: ({ siemens }, scene) => intruder('leak', scene, { leakS: siemens }),
    end: (scene) => intruder('leak', scene, undefined),
  },
  batteryLocked: {
    begin: (_, { household }) => {
      household.house.overrides.locked = true;
    },
    end: ({ household }) => {
      household.house.overrides.locked = false;
    },
  },
  pvDead: {
    begin: (_, { household }) => {
      household.house.overrides.pvDead = true;
    },
    end: ({ household }) => {
      household.house.overrides.pvDead = false;
    },
  },
  houseOffline: {
    begin: (_, { household }) => {
      household.house.overrides.offline = true;
      household.converter.loseSupply();
    },
    end: ({ household }) => {
      household.house.overrides.offline = false;
    },
  },
  overheat: {
    begin: ({ ambientC }, { household }) => {
      household.house.thermal.ambientC = ambientC;
    },
    end: ({ household }) => {
      household.house.thermal.ambientC = household.house.parts.ambientC;
    },
  },
};

/** Lets a fault begin. */
export function beginFault(fault: HouseFault, scene: FaultScene): void {
  const effect = EFFECTS[fault.kind] as Effect<HouseFaultKind>; // the table pairs every kind with its own effect
  effect.begin(fault, scene);
}

/** Undoes what a fault has done, as far as healing can. */
export const endFault = (kind: HouseFaultKind, scene: FaultScene): void => EFFECTS[kind].end(scene);

/** The trip that a standing fault keeps up whatever is commanded. */
export function standingTrip({ faults }: Pick<Household, 'faults'>): TripKind | undefined {
  return faults.get('trip')?.trip ?? (faults.has('heavyAlarm') ? 'heavy-alarm' : undefined);
}
