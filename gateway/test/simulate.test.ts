import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t from 'tap';
import type { Io } from '../src/cli/command.ts';
import { runCli } from '../src/cli/run-cli.ts';
import { nameIn, simulateCommand } from '../src/cli/simulate-command.ts';
import { demoHwConfig, demoPolicy, demoScenario } from '../src/config/defaults.ts';
import type { Policy } from '../src/config/policy.ts';
import type { Scenario } from '../src/config/scenario.ts';
import type { Deal } from '../src/domain/deal.ts';
import { ConfigError } from '../src/domain/errors.ts';
import type { Dataset } from '../src/emulation/dataset.ts';
import { generatedYear } from '../src/emulation/generated-year.ts';
import { balance } from '../src/emulation/physics/house-balance.ts';
import { barChart, escaped, niceStep } from '../src/emulation/year/bar-chart.ts';
import { DealBus } from '../src/emulation/year/deal-bus.ts';
import {
  differenceOf,
  type EnergyTotals,
  imbalanceWh,
  selfSufficiencyOf,
  totalsOf,
} from '../src/emulation/year/energy-totals.ts';
import { HouseBank, type HouseSpec } from '../src/emulation/year/house-bank.ts';
import { LOSS_PROFILES, type LossProfileName } from '../src/emulation/year/loss-profile.ts';
import { MarketFloor, type MarketSettings } from '../src/emulation/year/market-floor.ts';
import { type PvCase, pvFactors } from '../src/emulation/year/pv-case.ts';
import { isStep, type RunResult, runYear } from '../src/emulation/year/run-year.ts';
import { layOut, STUDY_CASES, type StudyOptions } from '../src/emulation/year/study.ts';
import { studyPlot } from '../src/emulation/year/study-plot.ts';
import { caseResultOf, gapClosed } from '../src/emulation/year/study-result.ts';
import { studyTable } from '../src/emulation/year/study-table.ts';
import { type DealCurrentName, tradeSetUp } from '../src/emulation/year/trade-set-up.ts';
import { sampleYear, sumOfLoads, YEAR_BEGIN } from '../src/emulation/year/year-samples.ts';
import { decideAccept, decideRequest, draftDeal } from '../src/market/index.ts';
import { tooSlowWhileCounted } from './support/coverage.ts';
import { aSituation, scenarioOf, unitDataAt } from './support/market.ts';
import { aDeal } from './support/messages.ts';

const shared = fileURLToPath(new URL('../../../shared/', import.meta.url));
const skipWithoutData = existsSync(join(shared, 'data')) ? false : 'needs ../shared/data';
const skipBaseline = skipWithoutData || tooSlowWhileCounted;
const YEARS = { timeout: 600_000 };
t.setTimeout(YEARS.timeout);
const skipWithoutConfigs = existsSync(join(shared, 'vectors/original-config')) ? false : 'needs ../shared/vectors';

const SAMPLES = 365 * 48 + 1;
const constant = (watts: number): Float64Array => new Float64Array(SAMPLES).fill(watts);
const DARK = constant(0);

const aHouse = (more: Partial<HouseSpec> = {}): HouseSpec => ({
  pvFactor: 1,
  loadW: DARK,
  capacityWh: 4800,
  devices: 1,
  ...more,
});

interface BankSetUp {
  readonly houses?: readonly HouseSpec[];
  readonly solarW?: number;
  readonly losses?: LossProfileName;
  readonly charge?: number;
}

const aBank = ({ houses = [aHouse()], solarW = 0, losses = 'compat', charge = 0.5 }: BankSetUp = {}): HouseBank =>
  new HouseBank({ houses, solarW: constant(solarW), losses: LOSS_PROFILES[losses], initialCharge: charge });

/** Sets each house of a bank to a charge in percent. */
function charged(bank: HouseBank, ...rsocs: number[]): HouseBank {
  rsocs.forEach((rsoc, house) => {
    bank.storedWh[house] = (4800 * rsoc) / 100;
  });
  return bank;
}

const near = (
  t: { ok(value: boolean, name: string): boolean },
  found: number,
  wanted: number,
  tolerance = 1e-6,
  name = `${wanted}`,
): boolean => t.ok(Math.abs(found - wanted) <= tolerance, `${name}: ${found}`);

t.test('year-samples: the data set on its finest grid', async (t) => {
  const dataset: Dataset = {
    homes: ['E001', 'E002', 'E003'],
    solarW: (at) => (at - YEAR_BEGIN) / 1_800_000,
    loadW: (home, at) => Number(home.slice(1)) * 1000 + (at - YEAR_BEGIN) / 1_800_000,
    nextSampleAt: (at) => at + 1,
  };

  t.test('every half-hour from 2020-01-01 on is read once, and the end leads back to the beginning', async (t) => {
    const { solarW } = sampleYear(dataset, 1);
    t.equal(solarW.length, SAMPLES);
    t.same([...solarW.slice(0, 3)], [0, 1, 2]);
    t.same([...solarW.slice(-2)], [SAMPLES - 2, 0]);
  });

  t.test('only the first homes are read', async (t) => {
    const { homes, loadW } = sampleYear(dataset, 2);
    t.same(homes, ['E001', 'E002']);
    t.same(
      loadW.map((row) => row[1]),
      [1001, 2001],
    );
  });

  t.test('a pool uses what its homes use together', async (t) => {
    t.equal(sumOfLoads(sampleYear(dataset, 3).loadW)[1], 1001 + 2001 + 3001);
  });
});

t.test('pv-case: the cases of emulator.md §8', async (t) => {
  t.same(pvFactors('uniform', 3), [1, 1, 1]);
  t.same(pvFactors('half', 4), [1, 0, 1, 0], 'odd houses have the PV');
  t.same(pvFactors('half-double', 4), [2, 0, 2, 0]);
  t.same(pvFactors('spread', 4), [0.25, 0.75, 1.25, 1.75]);
  t.same(pvFactors('spread', 1), [1], 'one house spreads nothing');
  const sum = (values: readonly number[]): number => values.reduce((total, one) => total + one, 0);
  for (const name of ['uniform', 'half-double', 'spread'] as const) near(t, sum(pvFactors(name, 20)), 20, 1e-9, name);
});

t.test('house-bank: the original house (emulator.md §1.4, §1.5)', async (t) => {
  const HOUR = 3600;
  /** Lets one hour pass in half-hours, as the samples want it. */
  const anHour = (bank: HouseBank): void => {
    for (const second of [0, HOUR / 2]) bank.advance(second, HOUR / 2);
  };

  t.test('an idle house burns 208 W on battery: 151 from it, 57 from the grid', async (t) => {
    const bank = aBank();
    bank.advance(0, 1800);
    near(t, bank.totals(0).storedChangeWh, -151 / 2);
    near(t, bank.totals(0).importedWh, 57 / 2);
  });

  t.test('an idle house burns 146 W in bypass: 22 from the battery, 124 from the grid', async (t) => {
    const bank = charged(aBank(), 30);
    bank.advance(0, 30); // the step that sees the threshold
    const before = bank.totals(0);
    bank.advance(30, 1770);
    const passed = differenceOf(bank.totals(0), before);
    near(t, passed.storedChangeWh, (-22 * 1770) / 3600);
    near(t, passed.importedWh, (124 * 1770) / 3600);
  });

  t.test('bypass begins at 30 % and ends at 35 %, not in between', async (t) => {
    const importOf = (bank: HouseBank): number => {
      const before = bank.totals(0).importedWh;
      bank.advance(30, 30);
      return (bank.totals(0).importedWh - before) * 120;
    };
    const bank = aBank({ houses: [aHouse({ loadW: constant(1000) })] });
    const settled = (rsoc: number): number => {
      charged(bank, rsoc).advance(0, 1e-6);
      return importOf(charged(bank, rsoc));
    };
    near(t, settled(33), 57, 1e-3, 'battery above 30 %');
    near(t, settled(29.9), 1000 * 1.06 + 124, 1e-3, 'bypass at 30 %');
    near(t, settled(33), 1000 * 1.06 + 124, 1e-3, 'still bypass at 33 %');
    near(t, settled(35.1), 57, 1e-3, 'battery from 35 %');
  });

  t.test('the AC charger works from 20 % to 25 % and brings 150 W for 160 W', async (t) => {
    const bank = charged(aBank(), 19.9);
    bank.advance(0, 1e-6);
    const start = bank.totals(0);
    bank.advance(1e-6, 1800);
    const passed = differenceOf(bank.totals(0), start);
    near(t, passed.storedChangeWh, (150 - 22) / 2, 1e-3);
    near(t, passed.importedWh, (124 + 160) / 2, 1e-3);
    charged(bank, 25.1).advance(1801, 1e-6);
    const off = bank.totals(0).importedWh;
    bank.advance(1802, 100);
    near(t, ((bank.totals(0).importedWh - off) * 3600) / 100, 124, 1e-3, 'off again');
  });

  t.test('a full battery cuts the PV to what is used', async (t) => {
    const bank = charged(aBank({ solarW: 2000, losses: 'none' }), 100);
    anHour(bank);
    near(t, bank.totals(0).curtailedWh, 2000);
    t.equal(bank.storedWh[0], 4800);
  });

  t.test('what is pushed into a full battery beyond its own PV is spilled, and stays in the account', async (t) => {
    const bank = aBank({ solarW: 100, losses: 'none', charge: 1 });
    bank.gridW[0] = 700;
    anHour(bank);
    near(t, bank.totals(0).curtailedWh, 100);
    near(t, bank.totals(0).spilledWh, 700);
    near(t, imbalanceWh(bank.totals(0)), 0, 1e-9);
  });

  t.test('an empty battery leaves the rest to the grid', async (t) => {
    const bank = charged(aBank({ houses: [aHouse({ loadW: constant(1000) })], losses: 'none' }), 10);
    anHour(bank);
    t.equal(bank.storedWh[0], 0);
    near(t, bank.totals(0).importedWh, 1000 - 480);
  });

  t.test('PV and load go in straight lines between the samples', async (t) => {
    const bank = new HouseBank({
      houses: [aHouse({ pvFactor: 2 })],
      solarW: constant(0).map((_, index) => (index === 1 ? 600 : 0)),
      losses: LOSS_PROFILES.none,
      initialCharge: 0.5,
    });
    bank.advance(450, 900); // from a quarter to three quarters of the way up to 600 W
    near(t, bank.totals(0).pvWh, (2 * 300 * 900) / 3600);
  });

  t.test('a second year repeats the first', async (t) => {
    const samples = constant(0).map((_, index) => (index === 2 ? 500 : 0));
    const bank = new HouseBank({ houses: [aHouse()], solarW: samples, losses: LOSS_PROFILES.none, initialCharge: 0.5 });
    bank.advance(365 * 86_400 + 1800, 1800);
    near(t, bank.totals(0).pvWh, 125);
  });

  t.test('a step moves what the balance of the emulated house says (§1.5)', async () => {
    const watts = fc.integer({ min: 0, max: 5000 });
    const profile = fc.constantFrom<LossProfileName>('compat', 'eza-like', 'none');
    fc.assert(
      fc.property(
        profile,
        watts,
        watts,
        fc.integer({ min: -3000, max: 3000 }),
        fc.boolean(),
        (losses, pvW, loadW, gridW, bypass) => {
          const start = bypass ? 28 : 50;
          const bank = charged(aBank({ houses: [aHouse({ loadW: constant(loadW) })], solarW: pvW, losses }), start);
          bank.advance(0, 1e-9);
          charged(bank, start);
          const before = bank.totals(0);
          bank.gridW[0] = gridW;
          bank.advance(0, 60);
          const passed = differenceOf(bank.totals(0), before);
          const inBypass = bypass && losses !== 'none';
          const wanted = balance(
            {
              pvW,
              loadW,
              gridW,
              converterLossW: losses === 'none' ? 0 : 4.5,
              busChargeW: 0,
              bypass: inBypass,
              acCharging: false,
              mayCharge: true,
              mayDischarge: true,
            },
            LOSS_PROFILES[losses].house,
          );
          const close = (foundWh: number, wantedW: number): boolean => Math.abs(foundWh * 60 - wantedW) < 1e-6;
          return (
            close(passed.storedChangeWh, wanted.battery) &&
            close(passed.importedWh, wanted.import) &&
            close(passed.houseLossWh, wanted.houseLoss) &&
            close(passed.receivedWh, wanted.gridReceived) &&
            close(passed.sentWh, wanted.gridSent)
          );
        },
      ),
    );
  });
});

/** What a house's converter is doing: power at the grid side and loss. */
const converterOf = (bank: HouseBank, house: number): readonly [number | undefined, number | undefined] => [
  bank.gridW[house],
  bank.converterLossW[house],
];

const IDLE = [0, 4.5] as const;

interface Street {
  readonly bank: HouseBank;
  readonly bus: DealBus;
  /** Lets time pass as the engine does, event by event, with thresholds looked at every 30 s. */
  readonly to: (second: number) => void;
  readonly deal: (charger: number, discharger: number, more?: Partial<Deal>) => void;
}

/** Houses with a bus between them, no market. */
function aStreet(houses: number, policy: Policy = demoPolicy(['E001']), set: BankSetUp = {}): Street {
  const bank = aBank({ houses: Array.from({ length: houses }, () => aHouse()), charge: 0.5, ...set });
  const bus = new DealBus(bank, policy, LOSS_PROFILES[set.losses ?? 'compat'].converter);
  let now = 0;
  let made = 0;
  return {
    bank,
    bus,
    to: (second) => {
      bus.settle(now);
      while (now < second) {
        const until = Math.min(second, now - (now % 30) + 30, bus.nextEventAt(now));
        bank.advance(now, until - now);
        bus.accrue(until - now);
        now = until;
        bus.settle(now);
      }
    },
    deal: (charger, discharger, more = {}) => {
      made += 1;
      bus.open(aDeal(`D${made}`, { dealGridCurrentA: 2, dealAmountWh: 100, ...more }), charger, discharger, now);
    },
  };
}

const policyWith = (
  deal: Partial<Policy['gridMaster']['deal']>,
  gridMaster: Partial<Policy['gridMaster']> = {},
): Policy => {
  const policy = demoPolicy(['E001']);
  return {
    ...policy,
    gridMaster: { ...policy.gridMaster, ...gridMaster, deal: { ...policy.gridMaster.deal, ...deal } },
  };
};

t.test('deal-bus: the life of deals (emulator.md §8 (b))', async (t) => {
  t.test('30 s to the ramp, 120 s of ramp at the voltage reference, then the current', async (t) => {
    const { bank, to, deal } = aStreet(3);
    deal(0, 1);
    to(29);
    t.same([converterOf(bank, 0), converterOf(bank, 1)], [IDLE, IDLE]);
    to(30);
    t.same([converterOf(bank, 0), converterOf(bank, 1)], [[0, 55], IDLE], 'the charging house holds the voltage');
    to(149);
    t.same(converterOf(bank, 1), IDLE);
    to(150);
    t.same(
      [0, 1, 2].map((house) => converterOf(bank, house)),
      [[700, 55], [-700, 55], IDLE],
    );
  });

  t.test(
    'a deal ends at the moment its amount has reached the battery of the reference side (control.md §4.9)',
    async (t) => {
      const { bank, bus, to, deal } = aStreet(2);
      deal(0, 1);
      to(5000);
      // 700 W less 55 W of the receiver: 100 Wh take 558.1 s.
      near(t, bank.totals(0).receivedWh, (100 * 700) / 645, 1e-5);
      near(t, bank.totals(1).sentWh, (100 * 700) / 645, 1e-5);
      t.same([bus.started, bus.taken(0), bus.taken(1)], [1, 0, 0]);
      t.same([converterOf(bank, 0), converterOf(bank, 1)], [IDLE, IDLE]);
      t.equal(bus.nextEventAt(5000), Number.POSITIVE_INFINITY);
    },
  );

  t.test('with the discharging side as reference its own battery counts', async (t) => {
    const { bank, to, deal } = aStreet(2, policyWith({ referenceSide: 'dischargeUnit' }));
    deal(0, 1);
    to(5000);
    near(t, bank.totals(1).sentWh, (100 * 700) / 755, 1e-5);
  });

  t.test('the voltage reference stands on the side that the policy names', async (t) => {
    const { bank, to, deal } = aStreet(2, policyWith({}, { voltageReferenceSide: 'dischargeUnit' }));
    deal(0, 1);
    to(100);
    t.same([converterOf(bank, 0), converterOf(bank, 1)], [IDLE, [0, 55]]);
    to(160);
    t.same(
      [converterOf(bank, 0), converterOf(bank, 1)],
      [
        [700, 71],
        [-700, 55],
      ],
    );
  });

  t.test('on a live bus a deal needs no ramp, and its receiver is no second voltage reference (INV-1)', async (t) => {
    const { bank, to, deal } = aStreet(4);
    deal(0, 1);
    to(200);
    deal(2, 3);
    to(229);
    t.same(converterOf(bank, 2), IDLE);
    to(230);
    t.same(
      [converterOf(bank, 0), converterOf(bank, 2), converterOf(bank, 3)],
      [
        [700, 55],
        [700, 71],
        [-700, 55],
      ],
    );
  });

  t.test('deals that come during the ramp wait for its end', async (t) => {
    const { bank, to, deal } = aStreet(4);
    deal(0, 1);
    to(60);
    deal(2, 3);
    to(149);
    t.same(converterOf(bank, 3), IDLE);
    to(150);
    t.same(converterOf(bank, 3), [-700, 55]);
  });

  t.test('when the voltage reference has no more deals it hands over to a running one (INV-1)', async (t) => {
    const { bank, to, deal } = aStreet(4);
    deal(0, 1);
    to(400);
    deal(2, 3);
    to(720); // the first deal has ended at 708 s
    t.same(converterOf(bank, 0), IDLE);
    t.same(converterOf(bank, 2), [700, 55]);
    to(3000);
    t.same(converterOf(bank, 2), IDLE);
  });

  t.test('a bus that waits for the next deal stays up, held by that deal', async (t) => {
    const { bank, to, deal } = aStreet(4);
    deal(0, 1);
    to(700);
    deal(2, 3);
    to(715);
    t.same([converterOf(bank, 0), converterOf(bank, 2)], [IDLE, [0, 55]]);
    to(730);
    t.same(converterOf(bank, 2), [700, 55]);
  });

  t.test('a bus without deals is down: the next one ramps it up again', async (t) => {
    const { bank, to, deal } = aStreet(2);
    deal(0, 1);
    to(1000);
    deal(0, 1);
    to(1149);
    t.same(converterOf(bank, 1), IDLE);
    to(1150);
    t.same(converterOf(bank, 1), [-700, 55]);
  });

  t.test('a sender that falls to 20 % is stopped by force, at the next look', async (t) => {
    const { bank, bus, to, deal } = aStreet(2);
    charged(bank, 50, 21);
    deal(0, 1);
    to(1200);
    t.equal(bus.taken(1), 0);
    t.ok(bank.totals(0).receivedWh > 1 && bank.totals(0).receivedWh < 50, `${bank.totals(0).receivedWh} Wh`);
  });

  t.test('a receiver that rises to 95 % is stopped by force', async (t) => {
    const { bank, bus, to, deal } = aStreet(2);
    charged(bank, 94.8, 60);
    deal(0, 1);
    to(400);
    t.equal(bus.taken(0), 0);
    t.ok(bank.totals(0).receivedWh > 1 && bank.totals(0).receivedWh < 50, `${bank.totals(0).receivedWh} Wh`);
  });

  t.test('a deal whose losses eat its current ends all the same (control.md S22)', async (t) => {
    const { bank, bus, to, deal } = aStreet(2, policyWith({ maxDurationFactor: 2 }));
    deal(0, 1, { dealGridCurrentA: 0.1, dealAmountWh: 10 }); // 35 W in, 55 W lost
    to(2000);
    t.equal(bus.taken(0), 1);
    to(150 + 2 * ((3600 * 10) / 35) + 31);
    t.equal(bus.taken(0), 0);
    near(t, bank.totals(0).receivedWh, 20, 0.5);
  });

  t.test('a deal that would lift the sum of currents over the limit waits (INV-9)', async (t) => {
    const policy = demoPolicy(['E001']);
    const tight = { ...policy, safety: { ...policy.safety, sumOfDealGridCurrentMaxA: 3 } };
    const { bank, to, deal } = aStreet(4, tight);
    deal(0, 1);
    deal(2, 3);
    to(700);
    t.same(converterOf(bank, 3), IDLE);
    to(740);
    t.same(converterOf(bank, 3), [-700, 55], 'after the first has ended');
  });

  t.test('a deal that is over the limit by itself never ramps the bus up', async (t) => {
    const policy = demoPolicy(['E001']);
    const { bank, bus, to, deal } = aStreet(2, {
      ...policy,
      safety: { ...policy.safety, sumOfDealGridCurrentMaxA: 1 },
    });
    deal(0, 1);
    to(1000);
    t.same([converterOf(bank, 0), bus.started], [IDLE, 0]);
  });

  t.test('deals that share a receiver share what reaches its battery by their currents', async (t) => {
    const { bank, bus, to, deal } = aStreet(3);
    deal(0, 1, { dealGridCurrentA: 1 });
    deal(0, 2, { dealGridCurrentA: 1 });
    to(150 + 279);
    t.same(converterOf(bank, 0), [700, 55]);
    const moved = bus.dealsOf(0).map((deal) => deal.cumulateAmountWh ?? 0);
    near(t, moved[0] ?? 0, (645 / 2) * (279 / 3600), 1e-9);
    near(t, moved[1] ?? 0, moved[0] ?? 0, 1e-9);
  });

  t.test('the eza-like converter loses by its power, also while it only holds the voltage (§6.2)', async (t) => {
    const { bank, to, deal } = aStreet(2, undefined, { losses: 'eza-like' });
    deal(0, 1);
    to(100);
    t.same(converterOf(bank, 0), [0, 20]);
    to(200);
    near(t, bank.converterLossW[1] ?? 0, 20 + 14 + 3.92, 1e-9);
  });
});

interface Floor {
  readonly bank: HouseBank;
  readonly bus: DealBus;
  readonly floor: MarketFloor;
  readonly deals: (house: number) => readonly Deal[];
}

const idsOf = (count: number): string[] => Array.from({ length: count }, (_, index) => `E00${index + 1}`);

/** Houses at these charges with a market; nothing moves by itself. */
function aFloor(rsocs: readonly number[], more: Partial<MarketSettings> = {}): Floor {
  const bank = charged(aBank({ houses: rsocs.map(() => aHouse()) }), ...rsocs);
  const unitIds = idsOf(rsocs.length);
  const settings: MarketSettings = { unitIds, ...tradeSetUp(unitIds, undefined), seed: 1, ...more };
  const bus = new DealBus(bank, settings.policy, LOSS_PROFILES.compat.converter);
  return { bank, bus, floor: new MarketFloor(settings, bank, bus), deals: (house) => bus.dealsOf(house) };
}

const allDay = (content: unknown): Scenario => scenarioOf({ '00:00:00-24:00:00': content });

t.test('market-floor: the live market without its waits', async (t) => {
  t.test('who has too much meets who has too little (emulator.md §8)', async (t) => {
    const { floor, deals } = aFloor([95, 50]);
    floor.trade(0, 60);
    t.equal(deals(0).length, 1);
    const [deal] = deals(0);
    t.equal(deal?.dischargeUnitId, 'E001');
    t.equal(deal?.chargeUnitId, 'E002');
    t.equal(deal?.dealAmountWh, 100);
    t.equal(deal?.dealGridCurrentA, 2);
    t.equal(deal?.createDateTime, '2020/01/01-00:00:00');
  });

  t.test('houses in the middle neither ask nor wake others', async (t) => {
    const { floor, deals } = aFloor([80, 70, 62]);
    floor.trade(0, 60);
    t.same([0, 1, 2].flatMap(deals), []);
  });

  t.test('the largest offer is chosen', async (t) => {
    const { floor, deals } = aFloor([50, 91, 99]);
    floor.trade(0, 60);
    t.equal(deals(2).length, 1, 'the fullest house gives');
    t.same(deals(1), []);
  });

  t.test('a house that has no slot left neither asks nor answers', async (t) => {
    const { floor, bus, deals } = aFloor([95, 50, 50]);
    floor.trade(0, 60);
    floor.trade(60, 60);
    t.equal(deals(0).length, 1);
    t.equal(bus.taken(1) + bus.taken(2), 1);
  });

  t.test('each house looks once a minute, at a moment that the seed decides', async (t) => {
    const askedAt = (seed: number): number => {
      for (let second = 0; second < 60; second += 1) {
        // E001 cannot ask here, E002 can: only the moment of E002 matters.
        const { floor, bus } = aFloor([80, 50], { seed });
        floor.trade(second, 1);
        if (bus.taken(0) > 0) return second;
      }
      return -1;
    };
    const moments = [1, 2, 3].map(askedAt);
    t.ok(
      moments.every((moment) => moment >= 0),
      `${moments}`,
    );
    t.ok(new Set(moments).size > 1, `${moments}`);
    t.same([1, 2, 3].map(askedAt), moments, 'the same again');
  });

  t.test('a house does not charge and discharge at once, even with slots to spare (INV-5)', async (t) => {
    const scenario = allDay({
      batteryStatus: { '-': 'any' },
      request: { any: { charge: { limitWh: 4500 }, discharge: { limitWh: 1500 } } },
      accept: { any: { charge: { limitWh: 4500 }, discharge: { limitWh: 1500 } } },
    });
    const hwConfig = { ...demoHwConfig(), gridCurrentCapacityA: 9 };
    const { floor, deals } = aFloor([40, 50, 60, 70], { scenario, hwConfig });
    for (let second = 0; second < 600; second += 60) floor.trade(second, 60);
    for (const [house, id] of idsOf(4).entries()) {
      const roles = new Set(deals(house).map((deal) => deal.chargeUnitId === id));
      t.equal(roles.size, 1, `${id} has one direction`);
    }
    t.ok(
      [0, 1, 2, 3].some((house) => deals(house).length > 1),
      'somebody has several deals',
    );
  });

  t.test('what is promised already is not offered again (W5)', async (t) => {
    const hwConfig = { ...demoHwConfig(), gridCurrentCapacityA: 20 };
    const { floor, deals } = aFloor([95, 50], { hwConfig });
    for (let second = 0; second < 1800; second += 60) floor.trade(second, 60);
    t.equal(deals(0).length, 4, 'after 400 Wh the receiver is 80 Wh short of 60 %, the giver below its 90 %');
  });

  t.test('outside all time windows nobody trades', async (t) => {
    const day = {
      batteryStatus: { '-': 'any' },
      request: { any: { charge: { limitWh: 4500 } } },
      accept: { any: { discharge: { limitWh: 1500 } } },
    };
    const scenario = scenarioOf({ '08:00:00-20:00:00': day });
    const { floor, deals } = aFloor([50, 60], { scenario });
    floor.trade(7 * 3600, 60);
    t.same(deals(0), []);
    floor.trade(86_400 + 8 * 3600, 60);
    t.equal(deals(0).length, 1, 'on the second day at eight');
  });

  t.test('a partner that a rule names is kept to', async (t) => {
    const scenario = allDay({
      batteryStatus: { '3000-': 'high', '-3000': 'low' },
      request: { low: { charge: { limitWh: 3000, pairUnitId: 'E002' } } },
      accept: { high: { discharge: { limitWh: 1500 } } },
    });
    const { floor, deals } = aFloor([50, 70, 99], { scenario });
    floor.trade(0, 60);
    t.equal(deals(1).length, 1, 'E002, although E003 has more');
    t.same(deals(2), []);
  });

  t.test('prices that do not meet make no deal', async (t) => {
    const scenario = scenarioOf({
      acceptSelection: { strategy: 'pointAndAmount' },
      '00:00:00-24:00:00': {
        batteryStatus: { '3000-': 'high', '-3000': 'low' },
        request: { low: { charge: { limitWh: 3000, pointPerWh: 5 } } },
        accept: { high: { discharge: { limitWh: 1500, pointPerWh: 10 } } },
      },
    });
    const { floor, deals } = aFloor([50, 99], { scenario });
    floor.trade(0, 60);
    t.same(deals(0), []);
  });

  t.test('when the best accept makes no deal the next one may (W1)', async (t) => {
    const { policy } = tradeSetUp(['E001'], undefined);
    const deal = { ...policy.mediator.deal, amountMinWh: 100, amountMaxWh: 200, amountUnitWh: 200 };
    const scenario = scenarioOf({
      acceptSelection: { strategy: 'pointAndAmount' },
      '00:00:00-24:00:00': {
        batteryStatus: { '4500-': 'top', '3000-4500': 'high', '-3000': 'low' },
        request: { low: { charge: { limitWh: 3000, pointPerWh: 10 } } },
        accept: {
          top: { discharge: { limitWh: 3000, pointPerWh: 8 } },
          high: { discharge: { limitWh: 3000, pointPerWh: 5 } },
        },
      },
    });
    const percent = (wh: number): number => wh / 48;
    const { floor, deals } = aFloor([percent(2700), percent(3150), percent(4400 + 200)], {
      policy: { ...policy, mediator: { ...policy.mediator, deal } },
      scenario,
    });
    floor.trade(0, 60);
    t.same(deals(1), [], 'the cheapest has 150 Wh, less than the unit of 200');
    t.equal(deals(2)[0]?.dealAmountWh, 200);
  });

  t.test('amounts below the unit make no deal with anybody', async (t) => {
    const { policy } = tradeSetUp(['E001'], undefined);
    const odd = { ...policy, mediator: { ...policy.mediator, deal: { ...policy.mediator.deal, amountUnitWh: 3000 } } };
    const { floor, deals } = aFloor([95, 50, 40], { policy: odd });
    floor.trade(0, 60);
    t.same([0, 1, 2].flatMap(deals), []);
  });

  t.test('two houses agree exactly on what their live markets would', async () => {
    const rsoc = fc.double({ min: 0, max: 100, noNaN: true });
    const { policy, hwConfig, scenario } = tradeSetUp(idsOf(2), undefined);
    const live = (asking: string, one: number, answering: string, other: number) => {
      const of = (unitId: string, at: number) =>
        aSituation({ unitId, policy, hwConfig, scenario, unitData: unitDataAt(unitId, at, '2020/01/01-00:00:00') });
      const request = decideRequest(of(asking, one));
      if ('refusal' in request) return undefined;
      const accept = decideAccept(of(answering, other), request.ok);
      const draft = 'refusal' in accept ? accept : draftDeal(request.ok, accept.ok, 'n', policy.mediator.deal);
      return 'refusal' in draft ? undefined : draft.ok;
    };
    const essence = (deal: Partial<Deal> | undefined): unknown =>
      deal && [
        deal.requestUnitId,
        deal.chargeUnitId,
        deal.requestAmountWh,
        deal.acceptAmountWh,
        deal.dealAmountWh,
        deal.pointPerWh,
      ];
    fc.assert(
      fc.property(rsoc, rsoc, (a, b) => {
        const { floor, deals } = aFloor([a, b]);
        floor.trade(0, 60);
        const found = JSON.stringify(essence(deals(0)[0]));
        const wanted = [live('E001', a, 'E002', b), live('E002', b, 'E001', a)].filter((deal) => deal !== undefined);
        if (wanted.length === 0) return found === undefined;
        return wanted.some((deal) => JSON.stringify(essence(deal)) === found);
      }),
      { numRuns: 300 },
    );
  });
});

t.test('trade-set-up: the rules of the baseline and the files of a user', async (t) => {
  t.test('2 A: deals of 100 Wh, 100 A on the bus, one deal a house', async (t) => {
    const { policy, hwConfig } = tradeSetUp(['E001'], undefined);
    t.match(policy.mediator.deal, { gridCurrentA: 2, amountMinWh: 100, amountMaxWh: 100, amountUnitWh: 100 });
    t.equal(policy.safety.sumOfDealGridCurrentMaxA, 100);
    t.equal(hwConfig.gridCurrentCapacityA, 2.3);
  });

  t.test('6.6 A: deals up to 500 Wh, no limit on the bus, a converter that can do it', async (t) => {
    const { policy, hwConfig } = tradeSetUp(['E001'], '6.6');
    t.match(policy.mediator.deal, { gridCurrentA: 6.6, amountMinWh: 100, amountMaxWh: 500, amountUnitWh: 100 });
    t.equal(policy.safety.sumOfDealGridCurrentMaxA, undefined);
    t.ok(hwConfig.gridCurrentCapacityA > 6.6 && hwConfig.gridCurrentCapacityA < 13.2);
  });

  t.test('files count as they are; a named current goes above that of the file', async (t) => {
    const policy = demoPolicy(['E001']);
    const scenario = { ...demoScenario(), refreshingPeriodMsec: 7 };
    const own = tradeSetUp(['E001'], undefined, { policy, scenario });
    t.equal(own.policy, policy);
    t.equal(own.scenario, scenario);
    t.match(tradeSetUp(['E001'], '2', { policy }).policy.mediator.deal, { gridCurrentA: 2, amountMaxWh: 50 });
  });
});

/** The built-in year, which needs no files. */
const aStudy = (more: Partial<StudyOptions> = {}): StudyOptions => {
  const houses = more.houses ?? 6;
  const dataset = more.dataset ?? generatedYear(idsOf(houses));
  return {
    dataset,
    houses,
    days: 12,
    pv: 'half-double',
    losses: 'compat',
    trade: tradeSetUp(dataset.homes, undefined),
    seed: 1,
    ...more,
  };
};

t.test('run-year and study', async (t) => {
  for (const losses of ['compat', 'eza-like', 'none'] as const) {
    t.test(`INV-8: no energy is made or lost, in no house and on no bus, with the losses ${losses}`, async (t) => {
      const runs = layOut(aStudy({ losses, trade: tradeSetUp(idsOf(6), '6.6') }));
      for (const name of STUDY_CASES) {
        const { totals, houses } = runs[name]();
        for (const house of [totals, ...houses]) {
          near(t, imbalanceWh(house), 0, 1e-9 * (totals.loadWh + totals.pvWh), `${name} balances`);
          for (const [flow, wh] of Object.entries(house))
            t.ok(flow === 'storedChangeWh' || wh >= 0, `${flow} ≥ 0: ${wh}`);
        }
        near(t, totals.sentWh, totals.receivedWh, 1e-6, `${name}: sent is received`);
        t.equal(totals.receivedWh > 0, name === 'apis', `${name}: ${totals.receivedWh} Wh exchanged`);
        t.equal(totals.exchangeLossWh > 0, name === 'apis' && losses !== 'none');
      }
    });
  }

  t.test('the ledger agrees with the physics: deals of 100 Wh each reached the receivers (INV-8)', async (t) => {
    const { totals, deals } = layOut(aStudy()).apis();
    // 645 of 700 W reach the battery of a voltage reference, 629 that of others; few deals are cut short.
    const deliveredWh = deals * 100;
    t.ok(deals > 50, `${deals} deals`);
    t.ok(totals.receivedWh > (0.97 * deliveredWh * 700) / 645, `${totals.receivedWh} Wh for ${deals} deals`);
    t.ok(totals.receivedWh < (deliveredWh * 700) / 629 + 1, `${totals.receivedWh} Wh for ${deals} deals`);
  });

  t.test('the same options give the same result, to the last digit', async (t) => {
    const once = (): string => JSON.stringify(layOut(aStudy()).apis());
    t.equal(once(), once());
    t.not(once(), JSON.stringify(layOut(aStudy({ seed: 2 })).apis()), 'another seed is another run');
  });

  t.test('nobody trades in the studies alone and pooled, and the pool loses nothing on the way', async (t) => {
    const runs = layOut(aStudy());
    const [alone, pooled] = [runs.alone(), runs.pooled()];
    t.same([alone.deals, pooled.deals], [0, 0]);
    t.same([alone.houses.length, pooled.houses.length], [6, 1]);
    near(t, pooled.totals.pvWh, alone.totals.pvWh, 1e-3);
    near(t, pooled.totals.loadWh, alone.totals.loadWh, 1e-3);
  });

  t.test('trading lies between alone and pooled', async (t) => {
    const runs = layOut(aStudy({ days: 60 }));
    const [alone, apis, pooled] = STUDY_CASES.map((name) => selfSufficiencyOf(runs[name]().totals));
    t.ok(Number(alone) < Number(apis) && Number(apis) < Number(pooled), `${alone} ${apis} ${pooled}`);
  });

  t.test('a house on its own trades with nobody', async (t) => {
    const runs = layOut(aStudy({ houses: 1, pv: 'uniform' }));
    const [alone, apis, pooled] = [runs.alone(), runs.apis(), runs.pooled()];
    t.equal(apis.deals, 0);
    t.same(apis.totals, alone.totals);
    t.same(pooled.totals, alone.totals);
  });

  t.test('months are those of 2020, the last one as far as it went, and add up to the whole', async (t) => {
    const { months, totals } = layOut(aStudy({ days: 40, houses: 2 })).apis();
    t.same(
      months.map(({ month }) => month),
      ['2020-01', '2020-02'],
    );
    const sum = months.reduce((wh, month) => wh + month.totals.loadWh, 0);
    near(t, sum, totals.loadWh, 1e-6);
    t.equal(layOut(aStudy({ days: 31, houses: 2 })).alone().months.length, 1);
    t.equal(layOut(aStudy({ days: 365 + 31, houses: 1 })).pooled().months.length, 13);
  });

  t.test('INV-11: more houses than the data have are refused', async (t) => {
    t.throws(() => layOut(aStudy({ dataset: generatedYear(idsOf(3)), houses: 4 })), {
      name: 'ConfigError',
      message: 'command line --houses: expected at most 3, the homes of the data set, got 4',
    });
  });

  t.test('steps fit into the samples', async (t) => {
    t.same([30, 60, 1800].map(isStep), [true, true, true]);
    t.same([0, -30, 7, 3600].map(isStep), [false, false, false, false]);
    const losses = LOSS_PROFILES.compat;
    const options = { houses: [aHouse()], solarW: DARK, losses, initialCharge: 0.5, days: 1 };
    t.throws(() => runYear({ ...options, stepSeconds: 7 }), { name: 'InternalError' });
  });
});

t.test('study-result: the numbers that are reported', async (t) => {
  const totals = (more: Partial<EnergyTotals>): EnergyTotals => ({ ...totalsOf(() => 0), ...more });
  const run = (more: Partial<EnergyTotals>): RunResult => ({ totals: totals(more), houses: [], months: [], deals: 3 });

  t.test('self-sufficiency is 1 − (bought − stored) / load (emulator.md §8)', async (t) => {
    t.equal(caseResultOf(run({ loadWh: 1000, importedWh: 600, storedChangeWh: 100 })).selfSufficiency, 0.5);
    t.equal(
      caseResultOf(run({ loadWh: 1000, importedWh: 1500 })).selfSufficiency,
      -0.5,
      'devices may burn more than the sun brings',
    );
    t.equal(caseResultOf(run({})).selfSufficiency, 0, 'nothing used');
  });

  t.test('energies are given to a tenth of a Wh, zero without a sign', async (t) => {
    const result = caseResultOf(run({ receivedWh: 12.345, exchangeLossWh: 1.26, curtailedWh: -1e-9 }));
    t.match(result, { exchangedWh: 12.3, exchangeLossWh: 1.3, curtailedWh: 0, deals: 3 });
    t.ok(Object.is(result.curtailedWh, 0));
  });

  t.test('the gap that is closed lies between 0 and 1', async (t) => {
    t.equal(gapClosed(0.1, 0.15, 0.3), 0.25);
    t.equal(gapClosed(0.1, 0.05, 0.3), 0, 'worse than alone');
    t.equal(gapClosed(0.1, 0.4, 0.3), 1);
    t.equal(gapClosed(0.3, 0.3, 0.3), 0, 'no gap');
  });
});

t.test('bar-chart and study-plot: the picture', async (t) => {
  const frame = { x: 50, y: 20, width: 300, height: 100 };
  const label = (value: number): string => String(value);
  const bars = (svg: string) =>
    [...svg.matchAll(/<rect x="([\d.-]+)" y="([\d.-]+)" width="([\d.-]+)" height="([\d.-]+)"/g)].map((match) => {
      const [x = 0, y = 0, width = 0, height = 0] = match.slice(1).map(Number);
      return { x, y, width, height };
    });
  const chart = (values: readonly number[], more = {}): string => {
    const groups = values.map((_, index) => `g${index}`);
    return barChart({ title: 'T', label, groups, series: [{ name: 's', colour: 'red', values }], ...more }, frame);
  };

  t.test('steps of the axis are 1, 2 or 5 times a power of ten', async (t) => {
    t.same([5, 7, 0.3, 1234, 26].map(niceStep), [1, 2, 0.1, 500, 10]);
  });

  t.test('bars stand on the zero line and hang from it', async (t) => {
    const [up, down] = bars(chart([2, -1]));
    near(t, Number(up?.y) + Number(up?.height), Number(down?.y), 0.11, 'one line for both');
    near(t, Number(up?.height), 2 * Number(down?.height), 0.21, 'heights in proportion');
  });

  t.test('nothing leaves the frame', async () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 40 }), (values) =>
        bars(chart(values)).every(
          ({ x, y, width, height }) => x >= 50 && x + width <= 350.1 && y >= 19.9 && y + height <= 120.2 && height >= 0,
        ),
      ),
    );
  });

  t.test('zeros get an axis, crowds of groups only so many names', async (t) => {
    t.match(chart([0, 0]), /<line class="zero"/);
    t.match(chart([5e-324, -5e-324]), /<line class="zero"/);
    const names = (svg: string): number => [...svg.matchAll(/text-anchor="middle"/g)].length;
    t.equal(names(chart([1, 2, 3])), 3);
    t.equal(names(chart(Array.from({ length: 30 }, () => 1))), 10);
  });

  t.test('text cannot break out of its element', async (t) => {
    t.equal(escaped('<a b="c">&'), '&lt;a b=&quot;c&quot;&gt;&amp;');
    t.notMatch(chart([1], { title: '<script>' }), /<script>/);
  });

  t.test('the plot shows every case that was run, by month', async (t) => {
    const month = (name: string) => ({ month: name, selfSufficiency: 0.2, exchangedWh: 12_000 });
    const result = (selfSufficiency: number) => ({
      ...caseResultOf({ totals: totalsOf(() => 0), houses: [], months: [], deals: 0 }),
      selfSufficiency,
      months: [month('2020-01'), month('2020-02')],
    });
    const all = studyPlot({ alone: result(0.1), apis: result(0.2), pooled: result(0.3) }, 'a study');
    t.match(all, /each house alone: 10 %/);
    t.match(all, /exchange by deals: 20 %/);
    t.match(all, /one shared battery: 30 %/);
    t.match(all, />Jan<.*>Feb</s);
    t.match(all, /Feb, exchange by deals: 12</, 'tips of the lower chart in kWh');
    t.equal(bars(all).length, 3 + 2 * 3 + 2, 'legend, both charts');
    const one = studyPlot({ apis: result(0.2) }, 'a study');
    t.notMatch(one, /alone/);
    t.equal(bars(one).length, 1 + 2 + 2);
    t.equal([...all.matchAll(/<(\w+)[ >]/g)].filter(([, tag]) => tag === 'svg').length, 1);
    t.ok(studyPlot({}, 'nothing').endsWith('</svg>\n'));
    t.match(studyPlot({ apis: { ...result(0), months: [month('2020-13')] } }, ''), /2020-13/);
  });
});

/** Runs the command as the user does, and keeps what it says. */
async function apis(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const io: Io = {
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
  };
  return { code: await runCli({ simulate: simulateCommand }, '0', ['simulate', ...args], io), ...said };
}

const RESULT_KEYS = ['selfSufficiency', 'importedWh', 'curtailedWh', 'exchangedWh', 'exchangeLossWh', 'deals'];
const SHORT = ['--houses', '4', '--days', '4', '--pv', 'half-double'];

t.test('apis simulate: what the user sees', async (t) => {
  t.test('--json: one object, the result at its top', async (t) => {
    const { code, out, err } = await apis(...SHORT, '--json');
    t.equal(code, 0);
    const json = JSON.parse(out);
    t.hasOwnProps(json, [...RESULT_KEYS, 'wallSeconds', 'seed']);
    t.notOk('gapClosed' in json || 'apis' in json);
    t.match(json, { seed: 1, houses: 4, days: 4, pv: 'half-double', losses: 'compat', dealCurrentA: 2 });
    t.ok(json.wallSeconds > 0);
    t.equal(err, 'simulate: apis done\n', 'progress goes elsewhere');
  });

  t.test('--json --compare: one result for each case, and the gap', async (t) => {
    const { out } = await apis(...SHORT, '--json', '--compare');
    const json = JSON.parse(out);
    for (const name of STUDY_CASES) t.hasOwnProps(json[name], RESULT_KEYS);
    t.notOk('selfSufficiency' in json);
    t.ok(json.gapClosed >= 0 && json.gapClosed <= 1);
  });

  t.test('the same seed twice: the same output but for the wall time', async (t) => {
    const run = async (): Promise<unknown> => {
      const { out } = await apis(...SHORT, '--json', '--seed', '7');
      return { ...JSON.parse(out), wallSeconds: 0 };
    };
    t.same(await run(), await run());
  });

  t.test('without --json a table, with the gap when there is something to compare', async (t) => {
    const { out } = await apis(...SHORT, '--compare');
    const lines = out.trimEnd().split('\n');
    t.equal(lines[0], '4 houses, 4 days, PV half-double, losses compat, deals of 2 A, seed 1');
    t.match(lines[2], /self-sufficiency +imported kWh +curtailed kWh +exchanged kWh +exchange loss kWh +deals$/);
    t.match(
      lines.slice(3, 6).map((line) => line.slice(0, 18).trim()),
      ['each house alone', 'exchange by deals', 'one shared battery'],
    );
    t.match(lines.at(-1), /^Deals close [\d.]+ % of the gap/);
    t.equal(new Set(lines.slice(2, 6).map((line) => line.length)).size, 1, 'columns are aligned');
    t.notMatch((await apis(...SHORT)).out, /gap/);
    t.equal(studyTable({}).split('\n').length, 1);
  });

  t.test('--plot writes a picture', async (t) => {
    const file = join(t.testdir(), 'picture.svg');
    t.equal((await apis(...SHORT, '--plot', file)).code, 0);
    t.match(readFileSync(file, 'utf8'), /^<svg [^>]*>[\s\S]*4 houses[\s\S]*<\/svg>\n$/);
  });

  t.test('--deal-current, --losses and --scenario reach the study', async (t) => {
    const json = async (...more: string[]) => JSON.parse((await apis(...SHORT, '--days', '9', '--json', ...more)).out);
    t.rejects(json('--losses', 'none'), 'a repeated --days is refused');
    const base = ['--houses', '4', '--days', '9', '--pv', 'half-double', '--json'];
    const [plain, strong, lossless] = await Promise.all(
      [[], ['--deal-current', '6.6'], ['--losses', 'none']].map(async (more) =>
        JSON.parse((await apis(...base, ...more)).out),
      ),
    );
    t.equal(strong.dealCurrentA, 6.6);
    t.ok(strong.exchangedWh > plain.exchangedWh);
    t.equal(lossless.exchangeLossWh, 0);
    const scenario = join(t.testdir(), 'scenario.json');
    writeFileSync(
      scenario,
      JSON.stringify({ '00:00:00-24:00:00': { batteryStatus: { '-': 'any' }, request: {}, accept: {} } }),
    );
    const { out } = await apis(...base, '--scenario', scenario);
    t.equal(JSON.parse(out).deals, 0, 'nobody asks');
  });

  t.test('the original files load unmodified', { skip: skipWithoutConfigs }, async (t) => {
    const exe = (name: string): string => join(shared, 'vectors/original-config/exe', name);
    const { code, out } = await apis(
      ...SHORT,
      '--json',
      '--policy',
      exe('policy.json'),
      '--scenario',
      exe('scenario.json'),
    );
    t.equal(code, 0);
    t.match(JSON.parse(out), { dealCurrentA: 1 });
  });

  const missing = join(tmpdir(), 'not', 'there');
  const bad: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [[], /--houses: expected a whole number from 1 to 1000, got nothing/],
    [['--houses', '4'], /--days: expected a whole number from 1 to 3650, got nothing/],
    [['--houses', '0', '--days', '1'], /--houses: expected a whole number from 1 to 1000, got "0"/],
    [['--houses', '2.5', '--days', '1'], /--houses/],
    [['--houses', '4', '--days', 'x'], /--days: expected .*, got "x"/],
    [[...SHORT, '--seed', '-1'], /--seed/],
    [
      ['--houses', '4', '--days', '4', '--pv', 'double'],
      /--pv: expected one of uniform, half, half-double, spread, got "double"/,
    ],
    [[...SHORT, '--losses', 'some'], /--losses: expected one of compat, eza-like, none/],
    [[...SHORT, '--deal-current', '3'], /--deal-current: expected one of 2, 6\.6/],
    [[...SHORT, '--dataset', missing], /expected a folder with a dataset/],
    [
      [...SHORT, '--policy', missing, '--scenario', `${missing}2`],
      /there: cannot be read[\s\S]*there2: cannot be read/,
    ],
    [[...SHORT, '--plot', join(missing, 'p.svg')], /--plot: expected a file in a directory that exists/],
    [[...SHORT, '--plot', tmpdir()], /--plot/],
    [[...SHORT, '--bogus'], /unknown option "--bogus"/],
    [[...SHORT, 'word'], /unexpected "word"/],
  ];
  for (const [args, message] of bad) {
    t.test(
      `INV-11: ${args.filter((arg) => !arg.startsWith(tmpdir())).join(' ') || 'no option'} is refused`,
      async (t) => {
        const { code, out, err } = await apis(...args);
        t.equal(code, 2);
        t.equal(out, '');
        t.match(err, message);
        t.notMatch(err, /\n {4}at /, 'no stack trace');
      },
    );
  }

  t.test('INV-11: a bad run leaves no picture behind', async (t) => {
    const folder = mkdtempSync(join(t.testdir(), 'plot-'));
    const { code } = await apis(...SHORT, '--dataset', missing, '--plot', join(folder, 'p.svg'));
    t.equal(code, 2);
    t.same(readdirSync(folder), []);
  });

  t.test('a name is one of its table, nothing inherited', async (t) => {
    t.equal(nameIn({ a: 1 }).parse('a'), 'a');
    t.equal(nameIn({ a: 1 }).parse('toString'), undefined);
  });
});

t.test('simulate.ts: what only a broken world does', async (t) => {
  const { simulate } = await import('../src/cli/simulate.ts');
  const quiet: Io = { out: () => {}, err: () => {} };
  const values = { houses: 2, days: 1, compare: false, json: true };
  const world = {
    files: { read: () => '{', beside: (_: string, name: string) => name },
    dataset: async () => generatedYear(idsOf(2)),
    write: () => {
      throw new Error('disk full');
    },
    monotonic: () => 0,
  };

  t.test('a picture that cannot be written is an error of the input', async (t) => {
    await t.rejects(simulate({ ...values, plot: 'p.svg' }, world, quiet), {
      name: 'ConfigError',
      message: 'p.svg: expected a file that can be written, got disk full',
    });
  });

  t.test('a fault of ours is not called the user’s', async (t) => {
    const files = {
      ...world.files,
      read: () => {
        throw new Error('x');
      },
      beside: () => '',
    };
    await t.rejects(simulate({ ...values, policy: 'p' }, { ...world, files }, quiet), ConfigError);
    const dataset = async () => Promise.reject(new RangeError('ours'));
    await t.rejects(simulate(values, { ...world, dataset }, quiet), RangeError);
  });
});

t.test('the energy baseline of emulator.md §8', { ...YEARS, skip: skipBaseline }, async (t) => {
  const data = join(shared, 'data');
  /** Tolerance of one result against the table, in percentage points. */
  const TOLERANCE = 0.5;

  const results = async (houses: number, pv: PvCase, more: readonly string[] = []) => {
    const args = ['--houses', String(houses), '--days', '365', '--dataset', data, '--pv', pv, '--json', '--compare'];
    return JSON.parse((await apis(...args, ...more)).out);
  };
  const percent = (result: { selfSufficiency: number }): number => 100 * result.selfSufficiency;

  t.test(
    '20 houses, half without PV, others double: alone 5.3, deals of 2 A 13 … 17, pooled 32.2',
    YEARS,
    async (t) => {
      const before = process.cpuUsage();
      const { alone, apis: trading, pooled } = await results(20, 'half-double', ['--losses', 'compat']);
      const { user, system } = process.cpuUsage(before);
      near(t, percent(alone), 5.3, TOLERANCE, 'alone');
      near(t, percent(pooled), 32.2, TOLERANCE, 'pooled');
      t.ok(percent(trading) >= 13 && percent(trading) <= 17, `apis: ${percent(trading)}`);
      near(t, (100 * alone.curtailedWh) / alone.pvWh, 51, 1, 'curtailed alone');
      near(t, (100 * trading.curtailedWh) / trading.pvWh, 36, 1.5, 'curtailed with deals');
      near(t, alone.loadWh / 1e6, 91.1, 0.1, 'load MWh');
      t.ok(user + system <= 60e6, `${(user + system) / 1e6} s of one core`);
    },
  );

  t.test('4 houses alike: alone 26.6, deals of 2 A 27.9, pooled 31.0', YEARS, async (t) => {
    const { alone, apis: trading, pooled } = await results(4, 'uniform');
    near(t, percent(alone), 26.6, TOLERANCE, 'alone');
    near(t, percent(trading), 27.9, TOLERANCE, 'apis');
    near(t, percent(pooled), 31.0, TOLERANCE, 'pooled');
  });

  const dataset = async (houses: number): Promise<Dataset> => {
    const { parseDataset } = await import('../src/emulation/dataset-csv.ts');
    const { loadDataset } = await import('../src/adapters/files/dataset-files.ts');
    return parseDataset(await loadDataset(data), houses);
  };
  const rows: readonly (readonly [pv: PvCase, losses: LossProfileName, alone: number, pooled: number])[] = [
    ['half', 'compat', -3.1, 6.9],
    ['spread', 'compat', 22.6, 32.2],
    ['half-double', 'none', 40.6, 73.6],
  ];
  const twenty = await dataset(20);
  for (const [pv, losses, alone, pooled] of rows) {
    t.test(`20 houses, PV ${pv}, losses ${losses}: alone ${alone}, pooled ${pooled}`, YEARS, async (t) => {
      const runs = layOut(aStudy({ dataset: twenty, houses: 20, days: 365, pv, losses }));
      near(t, 100 * selfSufficiencyOf(runs.alone().totals), alone, TOLERANCE, 'alone');
      near(t, 100 * selfSufficiencyOf(runs.pooled().totals), pooled, TOLERANCE, 'pooled');
    });
  }

  const SLOW: readonly (readonly [pv: PvCase, current: DealCurrentName, losses: LossProfileName, apis: number])[] = [
    ['uniform', '2', 'compat', 28.0],
    ['half', '2', 'compat', 1.4],
    ['spread', '2', 'compat', 26.1],
    ['uniform', '6.6', 'compat', 29.0],
    ['half', '6.6', 'compat', 5.2],
    ['half-double', '6.6', 'compat', 25.2],
    ['spread', '6.6', 'compat', 28.1],
    ['half-double', '2', 'none', 55.1],
  ];
  const skip = process.env.APIS_SLOW_TESTS === undefined ? 'slow: set APIS_SLOW_TESTS' : false;
  for (const [pv, current, losses, wanted] of SLOW) {
    t.test(`20 houses, PV ${pv}, deals of ${current} A, losses ${losses}: ${wanted}`, { ...YEARS, skip }, async (t) => {
      const trade = tradeSetUp(twenty.homes, current);
      const { totals } = layOut(aStudy({ dataset: twenty, houses: 20, days: 365, pv, losses, trade })).apis();
      near(t, 100 * selfSufficiencyOf(totals), wanted, TOLERANCE);
    });
  }
});
