import { setTimeout as pause } from 'node:timers/promises';
import type { HouseState } from '../../src/emulation/house-state.ts';

/** All converters at one moment. */
export interface Look {
  /** Monotonic, of this process. */
  readonly at: number;
  readonly houses: Readonly<Record<string, HouseState>>;
}

const PERIOD_MSEC = 50;

const isReference = ({ mode }: HouseState): boolean => mode === 'VOLTAGE_REFERENCE';
/** RULE-7 lets the voltage go when next to nothing flows any more. */
const NEXT_TO_NOTHING_A = 0.1;
const isCurrent = ({ mode, demandedA }: HouseState): boolean =>
  (mode === 'CHARGE' || mode === 'DISCHARGE') && Math.abs(demandedA) > NEXT_TO_NOTHING_A;

/** Looks at the truth behind the converters, twenty times a second, and remembers it. */
export class Watcher {
  readonly looks: Look[] = [];
  readonly #url: string;
  #isOver = false;
  readonly #watching: Promise<void>;

  constructor(emulator: string) {
    this.#url = `${emulator}/get/states`;
    this.#watching = this.#watch();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#watching;
  }

  get last(): Look | undefined {
    return this.looks.at(-1);
  }

  since(at: number): readonly Look[] {
    return this.looks.filter((look) => look.at >= at);
  }

  /** The first look from `since` on for which it holds; rejects after `limitMsec`. */
  async until(
    what: string,
    holds: (look: Look) => boolean,
    limitMsec: number,
    since = performance.now(),
  ): Promise<number> {
    for (const end = performance.now() + limitMsec; ; await pause(PERIOD_MSEC)) {
      const found = this.since(since).find(holds);
      if (found !== undefined) return found.at;
      if (performance.now() > end) throw new Error(`${what} did not happen within ${limitMsec} ms: ${this.text()}`);
    }
  }

  /** INV-1: moments with two references of which one has no droop. */
  rivalReferences(since: number): readonly Look[] {
    return this.since(since).filter(({ houses }) => {
      const references = Object.values(houses).filter(isReference);
      return references.length > 2 || (references.length === 2 && references.some(({ drg }) => drg === 0));
    });
  }

  /** RULE-7: moments at which constant currents were left without anybody who holds the voltage. */
  abandonedCurrents(since: number): readonly Look[] {
    return this.since(since).filter(({ houses }) => {
      const all = Object.values(houses);
      return all.some(isCurrent) && !all.some(isReference);
    });
  }

  /** For how long the current that was asked of a converter lay above a limit, the longest such time. */
  overloadMsec(since: number, limitA: number): number {
    let worst = 0;
    for (const id of Object.keys(this.last?.houses ?? {})) {
      let began: number | undefined;
      for (const { at, houses } of this.since(since)) {
        const isOver = Math.abs(houses[id]?.demandedA ?? 0) > limitA;
        began = isOver ? (began ?? at) : undefined;
        if (began !== undefined) worst = Math.max(worst, at - began);
      }
    }
    return worst;
  }

  text(): string {
    const houses = Object.values(this.last?.houses ?? {});
    return houses
      .map(({ houseId, mode, vg, demandedA }) => `${houseId} ${mode} ${vg.toFixed(0)} V ${demandedA.toFixed(2)} A`)
      .join(', ');
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      const began = performance.now();
      try {
        const houses = (await (
          await fetch(this.#url, { signal: AbortSignal.timeout(2_000) })
        ).json()) as Look['houses'];
        this.looks.push({ at: began, houses });
      } catch {
        // The emulator is frozen by some scenarios: no look, and nothing to judge.
      }
      await pause(Math.max(0, PERIOD_MSEC - (performance.now() - began)));
    }
  }
}
