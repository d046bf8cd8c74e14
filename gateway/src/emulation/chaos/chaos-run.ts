import { type Deal, isStarted, isStopped } from '../../domain/deal.ts';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { PlannedFault } from './chaos-fault.ts';
import type { ChaosHouse } from './chaos-house.ts';
import { ChaosStage } from './chaos-stage.ts';
import type { Violation } from './finding.ts';
import { energyOff, type Ledgers, recordsMissing } from './ledger-checks.ts';
import { Mishaps } from './mishaps.ts';
import { Observer } from './observer.ts';
import type { RunResult } from './run-result.ts';
import { Weather } from './weather.ts';

export interface RunOptions {
  readonly seed: number;
  readonly units: number;
  readonly faults: readonly PlannedFault[];
  /** When the last fault must have healed, ms from the beginning. */
  readonly faultsUntilMsec: Milliseconds;
}

/** INV-10: with nothing broken any more a community trades again within this time. */
const RESUME_MSEC: Milliseconds = 300_000;
/** What runs so long after the last fault has survived it. */
const SURVIVES_MSEC: Milliseconds = 30_000;
/** And its last deals end, at the latest, when their longest duration is over. */
const DRAIN_MSEC: Milliseconds = 4_200_000;
/** How often a run asks whether what it waits for has come. */
const LOOK_MSEC: Milliseconds = 500;
/** Records are settled between the parties within this time (RULE-13). */
const SETTLE_MSEC: Milliseconds = 60_000;

const describeDeal = (deal: Deal): string => {
  const { dealId, dischargeUnitId, chargeUnitId, term, revision } = deal;
  const marks = [deal.activateDateTime && 'activated', deal.startDateTime && 'started', deal.stopDateTime && 'stopped'];
  return `${dealId.slice(0, 4)} ${dischargeUnitId}>${chargeUnitId} ${marks.findLast((mark) => mark) ?? 'created'} (${term}, ${revision})`;
};

/** One run, from a fresh start through all its faults to the settled ledgers; stops at the first violation. */
export class ChaosRun {
  readonly #options: RunOptions;
  readonly #stage: ChaosStage;
  readonly #mishaps: Mishaps;
  readonly #weather: Weather;
  readonly #observer: Observer;
  readonly #violations: Violation[] = [];

  constructor(options: RunOptions) {
    this.#options = options;
    const { seed, units } = options;
    this.#stage = new ChaosStage({
      seed,
      units,
      violated: (invariant, subject, message) => this.#violated({ invariant, subject, message, at: this.#now }),
    });
    this.#mishaps = new Mishaps(this.#stage);
    this.#weather = new Weather(this.#stage);
    this.#observer = new Observer(this.#stage, this.#mishaps, (violation) => this.#violated(violation));
  }

  async run(): Promise<RunResult> {
    const onUnhandled = (error: unknown): void => {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#violated({
        invariant: 'INV-11',
        subject: 'unhandled',
        message: `nobody handled: ${message}`,
        at: this.#now,
      });
    };
    process.on('unhandledRejection', onUnhandled);
    try {
      await this.#play();
      await new Promise((resolve) => setImmediate(resolve)); // what is unhandled is told only now
      return this.#result();
    } finally {
      process.off('unhandledRejection', onUnhandled);
      this.#observer.stop();
      this.#stage.close();
    }
  }

  #result(): RunResult {
    return {
      seed: this.#options.seed,
      violations: this.#violations,
      log: this.#stage.log.lines(this.#now),
      fingerprint: this.#stage.log.fingerprint,
      deals: this.#stage.traffic.startedDeals.size,
      faultsInDeals: this.#mishaps.begunInDeals,
      deaths: this.#mishaps.deaths,
      virtualMsec: this.#now,
    };
  }

  async #play(): Promise<void> {
    for (const house of this.#stage.houses) house.start();
    this.#weather.start();
    this.#observer.start();
    this.#mishaps.schedule(this.#options.faults);
    await this.#until(() => this.#now >= this.#options.faultsUntilMsec, this.#options.faultsUntilMsec);
    if (this.#isOver) return;
    await this.#comeToRest();
  }

  /** INV-10, then the end: a soft stop, and the books. */
  async #comeToRest(): Promise<void> {
    const { clock, houses, world } = this.#stage;
    this.#mishaps.healAll();
    this.#weather.makeTradeCertain();
    const healedAt = this.#now;
    this.#stage.note('all healed');
    if (!(await this.#until(() => this.#isTrading(healedAt), RESUME_MSEC))) {
      this.#overdue('trading', `no deal runs ${RESUME_MSEC / 1000} s after the last fault healed`);
    }
    if (this.#isOver) return;
    const softStop = (): void => {
      if (this.#isOver || houses.every(({ unit }) => unit?.mode().global.value === 'heteronomous')) return;
      houses[0]?.unit?.operate({ kind: 'mode', value: 'heteronomous' }).catch(() => {});
      clock.after(5_000, softStop);
    };
    softStop();
    const isAtRest = (): boolean =>
      houses.every(({ unit, unitId }) => unit?.deals().length === 0 && world.house(unitId).mode === 'WAIT');
    if (!(await this.#until(isAtRest, DRAIN_MSEC))) {
      this.#overdue('deals', `${this.#openDeals()} are open ${DRAIN_MSEC / 60_000} min after the soft stop`);
    }
    await this.#until(() => false, SETTLE_MSEC);
    if (!this.#isOver) this.#checkBooks();
  }

  /** A deal that was there before may run on; then nothing has to begin. */
  #isTrading(healedAt: Milliseconds): boolean {
    if (this.#now < healedAt + SURVIVES_MSEC) return false;
    const deals = this.#stage.houses.flatMap(({ unit }) => unit?.deals() ?? []);
    return deals.some((deal) => isStarted(deal) && !isStopped(deal));
  }

  #openDeals(): string {
    const ids = this.#stage.houses.flatMap(
      ({ unitId, unit }) => unit?.deals().map(({ dealId }) => `${dealId} at ${unitId}`) ?? [],
    );
    return ids.length === 0 ? 'converters' : ids.join(', ');
  }

  #checkBooks(): void {
    const ledgers: Ledgers = new Map(this.#stage.houses.map(({ unitId, disk }) => [unitId, disk.ledger]));
    const { imbalanceWh, turnoverWh } = this.#stage.world.energy();
    const { chargedWh, excusedWh } = this.#observer;
    const findings = [
      ...recordsMissing(this.#stage.traffic.startedDeals, ledgers),
      ...energyOff(ledgers, { imbalanceWh, turnoverWh, chargedWh, excusedWh }),
    ];
    for (const { invariant, subject, message } of findings)
      this.#violated({ invariant, subject, message, at: this.#now });
  }

  #overdue(subject: string, message: string): void {
    if (!this.#isOver) this.#violated({ invariant: 'INV-10', subject, message, at: this.#now });
  }

  /** What comes after the first moment may only be its consequence. */
  #violated(violation: Violation): void {
    const [first = violation] = this.#violations;
    if (violation.at !== first.at) return;
    this.#violations.push(violation);
    this.#stage.note('VIOLATION', { invariant: violation.invariant, message: violation.message });
    if (first === violation) for (const house of this.#stage.houses) this.#noteState(house);
  }

  /** Where everybody stands at the moment of a violation. */
  #noteState({ unitId, unit, life }: ChaosHouse): void {
    const { mode, vg, ig, rsoc } = this.#stage.world.house(unitId);
    const deals = unit?.deals().map(describeDeal) ?? [];
    const roles = [...(life.isAwake ? [] : ['not running']), ...(unit?.isGridMaster ? ['grid master'] : [])];
    this.#stage.note('state', { mode, vg, ig, rsoc, effective: unit?.mode().effective, roles, deals }, unitId);
  }

  get #now(): Milliseconds {
    return this.#stage.clock.monotonic();
  }

  get #isOver(): boolean {
    return this.#violations.length > 0;
  }

  /** Lets time pass until the condition holds or something is violated; false when neither has happened in time. */
  async #until(condition: () => boolean, limitMsec: Milliseconds): Promise<boolean> {
    const end = this.#now + limitMsec;
    while (!this.#isOver && !condition()) {
      if (this.#now >= end) return false;
      await this.#stage.clock.advance(Math.min(LOOK_MSEC, end - this.#now));
    }
    return true;
  }
}
