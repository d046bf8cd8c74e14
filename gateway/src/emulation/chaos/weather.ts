import type { SeededEntropy } from '../../ports/entropy.ts';
import type { ChaosStage } from './chaos-stage.ts';

interface Range {
  readonly min: number;
  readonly max: number;
}

const CHANGE_MSEC = { min: 600_000, max: 1_800_000 } as const;
/** Sun or load of a house at its strongest: about twice the power of a deal. */
const POWER_W = { min: 450, max: 1_500 } as const;
/** What a house has in its battery that offers, and one that asks, by the scenario of the beginning. */
const RSOC = { rich: { min: 82, max: 95 }, poor: { min: 32, max: 50 } } as const;

/**
 * Sun, loads and charges of the houses, changing by seed, so that there is nearly always one that offers and one that
 * asks: a fault that falls on an idle bus tries little.
 */
export class Weather {
  readonly #stage: ChaosStage;
  readonly #entropy: SeededEntropy;
  readonly #rich = new Set<string>();
  #isOver = false;

  constructor(stage: ChaosStage) {
    this.#stage = stage;
    this.#entropy = stage.entropy.fork('weather');
  }

  start(): void {
    for (const [index, unitId] of this.#stage.setting.unitIds.entries()) this.#change(unitId, index % 2 === 0);
  }

  /** From now on half of the houses have plenty and half of them need it; their batteries are set so that they must trade. */
  makeTradeCertain(): void {
    this.#isOver = true;
    const { unitIds } = this.#stage.setting;
    unitIds.forEach((unitId, index) => {
      const isRich = index < unitIds.length / 2;
      this.#stage.world.set(unitId, { rsoc: isRich ? 93 : 40, ...this.#powers(isRich) });
    });
  }

  #powers(isSunny: boolean): { pvW: number; loadW: number } {
    const watts = this.#within(POWER_W);
    return isSunny ? { pvW: watts, loadW: 100 } : { pvW: 0, loadW: watts };
  }

  #change(unitId: string, isRich: boolean): void {
    if (this.#isOver) return;
    if (isRich) this.#rich.add(unitId);
    else this.#rich.delete(unitId);
    this.#stage.world.set(unitId, { rsoc: this.#within(RSOC[isRich ? 'rich' : 'poor']), ...this.#powers(isRich) });
    this.#stage.clock.after(this.#within(CHANGE_MSEC), () => this.#change(unitId, this.#isRichNext(unitId)));
  }

  /** Either, while somebody else is left on the other side. */
  #isRichNext(unitId: string): boolean {
    const draw = this.#entropy.next() < 0.5;
    const others = this.#stage.setting.unitIds.filter((other) => other !== unitId);
    const richOthers = others.filter((other) => this.#rich.has(other)).length;
    if (richOthers === 0) return true;
    return richOthers < others.length && draw;
  }

  #within({ min, max }: Range): number {
    return min + (max - min) * this.#entropy.next();
  }
}
