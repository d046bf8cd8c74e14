import type { WattHours } from '../domain/quantities.ts';
import type { BusAccount } from './physics/bus.ts';
import { FLOW_KEYS, type HouseAccount, imbalanceWh } from './physics/house-account.ts';

export interface HouseEnergy extends HouseAccount {
  /** In the battery now. */
  readonly stored: WattHours;
}

/** All energy since the beginning of the world, Wh (INV-8). */
export interface EnergyAccount {
  readonly houses: Readonly<Record<string, HouseEnergy>>;
  readonly total: HouseEnergy;
  readonly bus: BusAccount & {
    /** In the capacitance of the bus now. */
    readonly storedWh: WattHours;
  };
  /** Energy that came from nowhere, at worst place: 0 but for rounding. */
  readonly imbalanceWh: WattHours;
  /** Everything that came in, Wh: what an imbalance is to be compared with. */
  readonly turnoverWh: WattHours;
}

export interface HouseBooks {
  readonly id: string;
  readonly account: HouseAccount;
  readonly storedWh: WattHours;
}

/** Closes the books: copies all sums and compares sources with sinks, house by house and on the bus. */
export function energyAccount(books: readonly HouseBooks[], bus: BusAccount, busStoredWh: WattHours): EnergyAccount {
  const houses = Object.fromEntries(books.map(({ id, account, storedWh }) => [id, { ...account, stored: storedWh }]));
  const total = sumOf(Object.values(houses));
  const onBusWh =
    bus.foreignWh + total.busCharge - total.grid - bus.lineLossWh - bus.leakWh - bus.bleedWh - busStoredWh;
  const inHouses = books.map(({ account, storedWh }) => imbalanceWh(account, storedWh));
  return {
    houses,
    total,
    bus: { ...bus, storedWh: busStoredWh },
    imbalanceWh: [onBusWh, ...inHouses].reduce((worst, wh) => (Math.abs(wh) > Math.abs(worst) ? wh : worst), 0),
    turnoverWh: total.initial + total.pvUsed + total.import + total.gridReceived + Math.abs(bus.foreignWh),
  };
}

function sumOf(houses: readonly HouseEnergy[]): HouseEnergy {
  const add = (key: keyof HouseEnergy): WattHours => houses.reduce((sum, house) => sum + house[key], 0);
  const keys = [...FLOW_KEYS, 'batteryLoss', 'adjusted', 'initial', 'stored'] as const;
  return Object.fromEntries(keys.map((key) => [key, add(key)])) as unknown as HouseEnergy; // every key of it is listed
}
