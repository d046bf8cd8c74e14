import type { WiredCommand } from '@apis-edge/gateway/domain';

/** So long a difference between the two machines' clocks is remembered. */
const REMEMBERED_MSEC = 60_000;

/**
 * Tells commands that can still be carried out from those that waited too long, e.g. behind a flow that blocked
 * Node-RED. The machines' clocks may differ: the youngest command of the last minute counts as one that did not wait.
 */
export class FreshCommands {
  readonly #now: () => number;
  #gaps: { readonly at: number; readonly gap: number }[] = [];

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Time left for the command in ms; undefined when it came too late. */
  timeLeft({ time, deadlineMsec }: Pick<WiredCommand, 'time' | 'deadlineMsec'>): number | undefined {
    const now = this.#now();
    const gap = now - time;
    this.#gaps = this.#gaps.filter(({ at }) => Math.abs(now - at) < REMEMBERED_MSEC);
    this.#gaps.push({ at: now, gap });
    const waited = gap - Math.min(...this.#gaps.map((one) => one.gap));
    return waited < deadlineMsec ? deadlineMsec - waited : undefined;
  }
}
