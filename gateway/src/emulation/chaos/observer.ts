import type { Milliseconds, WattHours } from '../../domain/quantities.ts';
import type { ChaosHouse } from './chaos-house.ts';
import type { ChaosStage } from './chaos-stage.ts';
import { CHECKS } from './checks.ts';
import { Patience, type Violation } from './finding.ts';
import { BUS, type Mishaps } from './mishaps.ts';
import type { Check, HouseMoment, Moment } from './moment.ts';

const USUAL_MSEC: Milliseconds = 1_000;
/** After something has happened, and while something is tolerated, it looks more often. */
const CLOSE_MSEC: Milliseconds = 50;
const CLOSE_FOR_MSEC: Milliseconds = 2_500;
/** A house that was in trouble within this time counts as lately lost. */
const LATELY_MSEC: Milliseconds = 20_000;

const TOLD = ['mode', 'dvg', 'dig', 'drg'] as const;

/** Looks at the truth at every event of the world and in between, and hands every look to the checks. */
export class Observer {
  readonly #stage: ChaosStage;
  readonly #mishaps: Mishaps;
  readonly #checks: readonly Check[];
  readonly #patience = new Patience();
  readonly #found: (violation: Violation) => void;
  readonly #lastTrouble = new Map<string, Milliseconds>();
  readonly #awakeSince = new Map<string, Milliseconds>();
  #isDue = false;
  #closeUntil: Milliseconds = 0;
  #lastAt: Milliseconds = 0;
  #isOver = false;
  /** Into the batteries through the converters, by the truth; and what of it nobody can be blamed for. */
  chargedWh: WattHours = 0;
  excusedWh: WattHours = 0;

  constructor(stage: ChaosStage, mishaps: Mishaps, found: (violation: Violation) => void, checks = CHECKS) {
    this.#stage = stage;
    this.#mishaps = mishaps;
    this.#found = found;
    this.#checks = checks;
  }

  start(): void {
    this.#stage.world.onEvent(({ event }) => {
      if (event === 'world.set') return;
      this.#closeUntil = this.#stage.clock.monotonic() + CLOSE_FOR_MSEC;
      this.#lookSoon();
    });
    this.#tick();
  }

  stop(): void {
    this.#isOver = true;
  }

  #tick(): void {
    if (this.#isOver) return;
    this.#look();
    const isClose = this.#patience.isWaiting || this.#stage.clock.monotonic() < this.#closeUntil;
    this.#stage.clock.after(isClose ? CLOSE_MSEC : USUAL_MSEC, () => this.#tick());
  }

  /** The world is in the middle of its event: it is looked at when it has ended. */
  #lookSoon(): void {
    if (this.#isDue || this.#isOver) return;
    this.#isDue = true;
    this.#stage.clock.after(0, () => {
      this.#isDue = false;
      this.#look();
    });
    // The regular look may be far away: come back in between.
    this.#stage.clock.after(CLOSE_MSEC, () => this.#look());
  }

  #look(): void {
    if (this.#isOver) return;
    const moment = this.#moment();
    const findings = this.#checks.flatMap((check) => check(moment));
    for (const violation of this.#patience.judge(findings, moment.at)) this.#found(violation);
  }

  #moment(): Moment {
    const { clock, setting } = this.#stage;
    const at = clock.monotonic();
    const segments = this.#segments();
    const calmMsec = this.#mishaps.calmMsec();
    const houses = this.#stage.houses.map((house, index) => this.#house(house, segments[index] ?? 0, at, calmMsec));
    this.#lastAt = at;
    const lost = houses.filter(({ houseId }) => at - (this.#lastTrouble.get(houseId) ?? -Infinity) < LATELY_MSEC);
    return {
      at,
      policy: setting.policy,
      hwConfig: setting.hwConfig,
      houses,
      busTroubles: this.#mishaps.troubles.at(BUS, at),
      recentLosses: lost.length + (this.#stage.network.isWell ? 0 : 2),
      calmMsec,
    };
  }

  #house(house: ChaosHouse, segment: number, at: Milliseconds, calmMsec: Milliseconds): HouseMoment {
    const { unitId, life, unit } = house;
    const truth = this.#stage.world.house(unitId);
    const troubles = this.#mishaps.troubles.at(unitId, at);
    if (!life.isAwake) this.#awakeSince.set(unitId, Number.POSITIVE_INFINITY);
    else if (this.#awakeSince.get(unitId) === Number.POSITIVE_INFINITY) this.#awakeSince.set(unitId, at);
    if (!life.isAwake || troubles.size > 0) this.#lastTrouble.set(unitId, at);
    this.#account(truth.mode === 'WAIT' ? 0 : truth.wb, at, calmMsec);
    const since = Math.max(house.upSince, this.#awakeSince.get(unitId) ?? 0);
    const { houseId, mode, vg, ig, tmp, dvg, dig, drg, demandedA, rsoc } = truth;
    return {
      houseId,
      mode,
      vg,
      ig,
      tmp,
      dvg,
      dig,
      drg,
      demandedA,
      rsoc,
      segment,
      isAwake: life.isAwake,
      awakeMsec: life.isAwake ? at - since : 0,
      toldMode: house.told.mode,
      isAsTold: TOLD.every((name) => house.told[name] === truth[name]),
      permitUntil: this.#stage.traffic.permitUntil(unitId, truth.mode),
      deals: unit?.deals() ?? [],
      isGridMaster: unit?.isGridMaster === true,
      grants: this.#stage.traffic.grants(unitId),
      troubles,
      isPinned: truth.faults.includes('wrongMode'),
    };
  }

  #account(batteryW: number, at: Milliseconds, calmMsec: Milliseconds): void {
    const wh = (batteryW * (at - this.#lastAt)) / 3_600_000;
    if (wh > 0) this.chargedWh += wh;
    if (calmMsec < LATELY_MSEC) this.excusedWh += Math.abs(wh);
  }

  /** Numbers the parts of the line: a new one begins behind every broken branch. */
  #segments(): readonly number[] {
    let part = 0;
    return this.#stage.houses.map(({ unitId }, index, houses) => {
      const before = houses[index - 1]?.unitId;
      if (before !== undefined && this.#mishaps.isBroken(`${before}-${unitId}`)) part += 1;
      return part;
    });
  }
}
