import type { Policy } from '../../config/policy.ts';
import type { ConverterMode } from '../../domain/converter-mode.ts';
import type { Deal } from '../../domain/deal.ts';
import type { ConverterLoss } from '../physics/converter-loss.ts';
import type { HouseBank } from './house-bank.ts';
import { type RunningDeal, recordOf } from './running-deal.ts';
import { at } from './year-samples.ts';

/** From the choice of an accept to the first command (emulator.md §8). */
export const START_DELAY_SECONDS = 30;
/** From a dead bus to the full voltage (emulator.md §1.6). */
export const RAMP_SECONDS = 120;
/** Below this a deal counts as done: far below a meter's step, far above rounding. */
const DONE_WH = 1e-6;

type Ending = (running: RunningDeal, second: number) => boolean;

/**
 * The DC bus of the study and the grid master's work on it, in a few rules: start after a delay and a ramp, one
 * voltage reference, constant currents, stop at the amount or at a force-stop limit (emulator.md §8 (b)). Compensation,
 * voltage optimisation, branch limits and failures are left out. Between two calls of `settle` all powers are constant.
 */
export class DealBus {
  readonly #bank: HouseBank;
  readonly #policy: Policy;
  readonly #loss: ConverterLoss;
  readonly #endings: readonly Ending[];
  #open: RunningDeal[] = [];
  /** Deals of each house, in order of their making. */
  readonly #byHouse: RunningDeal[][];
  /** When the bus has or will have its voltage; undefined while it is down. */
  #upAt: number | undefined;
  #voltageReference: number | undefined;
  #started = 0;

  constructor(bank: HouseBank, policy: Policy, loss: ConverterLoss) {
    this.#bank = bank;
    this.#policy = policy;
    this.#loss = loss;
    this.#byHouse = Array.from({ length: bank.count }, () => []);
    const { forceStopCondition, maxDurationFactor } = policy.gridMaster.deal;
    const rsoc = (house: number): number => (100 * at(bank.storedWh, house)) / at(bank.capacityWh, house);
    this.#endings = [
      ({ deal, movedWh }) => movedWh >= deal.dealAmountWh - DONE_WH,
      ({ discharger }) => rsoc(discharger) <= forceStopCondition.dischargeUnitLowerLimitRsoc,
      ({ charger }) => rsoc(charger) >= forceStopCondition.chargeUnitUpperLimitRsoc,
      // Losses may eat all that a small current brings: such a deal would never end (control.md S22).
      (running, second) => second >= this.#overdueAt(running, maxDurationFactor),
    ];
  }

  /** How many deals have carried current since the beginning. */
  get started(): number {
    return this.#started;
  }

  /** How many deals hold a slot of a house. */
  taken(house: number): number {
    return this.#byHouse[house]?.length ?? 0;
  }

  /** The deals of a house with what they have moved. */
  dealsOf(house: number): readonly Deal[] {
    return (this.#byHouse[house] ?? []).map(recordOf);
  }

  /** Takes a deal on that two houses have agreed on. */
  open(deal: Deal, charger: number, discharger: number, second: number): void {
    const running: RunningDeal = {
      deal,
      charger,
      discharger,
      currentA: deal.dealGridCurrentA,
      readyAt: second + START_DELAY_SECONDS,
      startedAt: undefined,
      movedWh: 0,
      rate: 0,
    };
    this.#open.push(running);
    for (const house of [charger, discharger]) this.#byHouse[house]?.push(running);
  }

  /** The next second at which something changes by itself; Infinity without deals. */
  nextEventAt(second: number): number {
    let next = Number.POSITIVE_INFINITY;
    if (this.#upAt !== undefined && this.#upAt > second) next = this.#upAt;
    for (const running of this.#open) next = Math.min(next, this.#nextEventOf(running, second));
    return next;
  }

  /** Counts what the deals have moved in the last `duration` seconds. */
  accrue(duration: number): void {
    for (const running of this.#open) running.movedWh += running.rate * duration;
  }

  /** Ends, hands over, ramps up and starts what is due, and sets the powers of all converters. */
  settle(second: number): void {
    if (this.#open.length === 0) return;
    const before = this.#open.length;
    for (const running of this.#open.filter((one) => this.#isOver(one, second))) this.#close(running);
    const changed = this.#open.length !== before;
    if (this.#open.length === 0) this.#upAt = this.#voltageReference = undefined;
    const begun = this.#rampUp(second) || this.#startReady(second);
    if (changed || begun) {
      this.#handOver();
      this.#setPowers();
    }
  }

  #nextEventOf(running: RunningDeal, second: number): number {
    if (running.startedAt === undefined) return running.readyAt > second ? running.readyAt : Number.POSITIVE_INFINITY;
    const leftWh = running.deal.dealAmountWh - running.movedWh;
    return running.rate > 0 ? second + leftWh / running.rate : Number.POSITIVE_INFINITY;
  }

  #isOver(running: RunningDeal, second: number): boolean {
    return running.startedAt !== undefined && this.#endings.some((isReached) => isReached(running, second));
  }

  #overdueAt({ deal, startedAt = 0, currentA }: RunningDeal, factor: number): number {
    const powerW = currentA * this.#policy.operationGridVoltageV;
    return startedAt + (factor * 3600 * deal.dealAmountWh) / powerW;
  }

  #close(running: RunningDeal): void {
    const without = (deals: RunningDeal[]): RunningDeal[] => deals.filter((one) => one !== running);
    this.#open = without(this.#open);
    for (const house of [running.charger, running.discharger])
      this.#byHouse[house] = without(this.#byHouse[house] ?? []);
  }

  /** True when the ramp has begun now: the first deal that is ready brings the voltage reference. */
  #rampUp(second: number): boolean {
    if (this.#upAt !== undefined) return false;
    const first = this.#open.find((running) => running.readyAt <= second && this.#isAdmitted(running));
    if (first === undefined) return false;
    this.#upAt = second + RAMP_SECONDS;
    this.#voltageReference = this.#referenceOf(first);
    return true;
  }

  #startReady(second: number): boolean {
    if (this.#upAt === undefined || second < this.#upAt) return false;
    const before = this.#started;
    for (const running of this.#open) {
      if (running.startedAt !== undefined || running.readyAt > second || !this.#isAdmitted(running)) continue;
      running.startedAt = second;
      this.#started += 1;
    }
    return this.#started > before;
  }

  /** The sum of all deal currents keeps below the policy's limit (control.md §4.5). */
  #isAdmitted({ currentA }: RunningDeal): boolean {
    const limitA = this.#policy.safety.sumOfDealGridCurrentMaxA ?? Number.POSITIVE_INFINITY;
    const flowingA = this.#open.reduce((sum, one) => sum + (one.startedAt === undefined ? 0 : one.currentA), 0);
    return flowingA + currentA <= limitA;
  }

  #referenceOf({ charger, discharger }: RunningDeal): number {
    return this.#policy.gridMaster.voltageReferenceSide === 'chargeUnit' ? charger : discharger;
  }

  /** A voltage reference without a deal hands over to the newest one's, started ones first (INV-1). */
  #handOver(): void {
    const holder = this.#voltageReference;
    if (holder === undefined || this.#open.some((one) => this.#referenceOf(one) === holder)) return;
    const newest = this.#open.findLast((one) => one.startedAt !== undefined) ?? this.#open.at(-1);
    this.#voltageReference = newest && this.#referenceOf(newest);
  }

  #setPowers(): void {
    const { gridW } = this.#bank;
    gridW.fill(0);
    for (const { startedAt, currentA, charger, discharger } of this.#open) {
      if (startedAt === undefined) continue;
      const powerW = currentA * this.#policy.operationGridVoltageV;
      gridW[charger] = at(gridW, charger) + powerW;
      gridW[discharger] = at(gridW, discharger) - powerW;
    }
    for (let house = 0; house < this.#bank.count; house += 1) this.#setLoss(house);
    for (const running of this.#open) running.rate = running.startedAt === undefined ? 0 : this.#rateOf(running);
  }

  #setLoss(house: number): void {
    const { gridW, converterLossW, trading } = this.#bank;
    const mode = this.#modeOf(house);
    trading[house] = mode === 'WAIT' ? 0 : 1;
    converterLossW[house] = this.#loss(mode, at(gridW, house));
  }

  #modeOf(house: number): ConverterMode {
    if (house === this.#voltageReference) return 'VOLTAGE_REFERENCE';
    const powerW = at(this.#bank.gridW, house);
    return powerW > 0 ? 'CHARGE' : powerW < 0 ? 'DISCHARGE' : 'WAIT';
  }

  /** Battery side of the reference unit, shared by current among its deals (control.md §4.9). */
  #rateOf({ charger, discharger, currentA }: RunningDeal): number {
    const house = this.#policy.gridMaster.deal.referenceSide === 'chargeUnit' ? charger : discharger;
    const gridW = at(this.#bank.gridW, house);
    const batteryW = (gridW - at(this.#bank.converterLossW, house)) * (house === charger ? 1 : -1);
    const share = (currentA * this.#policy.operationGridVoltageV) / Math.abs(gridW);
    return (batteryW * share) / 3600;
  }
}
