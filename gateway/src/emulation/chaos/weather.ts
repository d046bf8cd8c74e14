import type { SeededEntropy } from '../../ports/entropy.ts';
import type { ChaosStage } from './chaos-stage.ts';

const CHANGE_MSEC = { min: 600_000, max: 1_800_000 } as const;
/** Sun or load of a house at its strongest: about twice the power of a deal. */
const STRONG_W = 1_500;
/** Beyond these a house gets what brings it back. */
const RSOC = { low: 35, high: 92 } as const;

/** Sun and loads of the houses, changing by seed, so that somebody always has too much and somebody too little. */
export class Weather {
  readonly #stage: ChaosStage;
  readonly #entropy: SeededEntropy;
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
    const watts = STRONG_W * (0.3 + 0.7 * this.#entropy.next());
    return isSunny ? { pvW: watts, loadW: 100 } : { pvW: 0, loadW: watts };
  }

  #change(unitId: string, isSunny: boolean): void {
    if (this.#isOver) return;
    this.#stage.world.set(unitId, this.#powers(isSunny));
    const { min, max } = CHANGE_MSEC;
    this.#stage.clock.after(min + (max - min) * this.#entropy.next(), () => {
      const { rsoc } = this.#stage.world.house(unitId);
      const draw = this.#entropy.next() < 0.5;
      this.#change(unitId, rsoc < RSOC.low || (rsoc < RSOC.high && draw));
    });
  }
}
