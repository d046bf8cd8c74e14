import { ConfigError, messageOf } from '../domain/errors.ts';
import type { Schedule } from '../domain/messages.ts';
import type { EpochMsec } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';

const KEY = 'schedule';
const SCOPES = ['cluster', 'unit'] as const;
type Scope = (typeof SCOPES)[number];

export interface SoftStopScheduleNeeds {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Lowers autonomous to heteronomous; rejects when that could not be done, and is then asked again. */
  softStop(scope: Scope): Promise<void>;
  changed(): void;
}

/** Soft stops at a time that an operator has set, of the cluster or of this unit; each happens once (web.md §2.5, C5). */
export class SoftStopSchedule {
  readonly #needs: SoftStopScheduleNeeds;
  #schedule: Schedule = {};
  readonly #atWork = new Set<Scope>();

  constructor(needs: SoftStopScheduleNeeds) {
    this.#needs = needs;
  }

  async load(): Promise<void> {
    const saved = ((await this.#needs.store.load(KEY)) ?? {}) as Schedule; // only `set` writes it; its times are checked
    const known = SCOPES.filter((scope) => Number.isFinite(saved[scope]));
    this.#schedule = Object.fromEntries(known.map((scope) => [scope, saved[scope]]));
  }

  current(): Schedule {
    return this.#schedule;
  }

  /** Sets or, with null, takes back a soft stop; durable when it resolves. @throws ConfigError for a time that is past */
  async set(scope: Scope, at: EpochMsec | null): Promise<void> {
    const now = this.#needs.clock.now();
    if (at !== null && !(at > now)) {
      const message = `expected a time after ${new Date(now).toISOString()}, got ${textOf(at)}`;
      throw new ConfigError([{ file: 'schedule', path: 'at', message }]);
    }
    await this.#put(scope, at);
  }

  /** To be called with every heartbeat: does what is due, what became due while nobody was there included. */
  check(): void {
    for (const scope of SCOPES) {
      const at = this.#schedule[scope];
      if (at === undefined || at > this.#needs.clock.now() || this.#atWork.has(scope)) continue;
      this.#atWork.add(scope);
      void this.#stop(scope, at).finally(() => this.#atWork.delete(scope));
    }
  }

  async #stop(scope: Scope, at: EpochMsec): Promise<void> {
    const { log } = this.#needs;
    try {
      await this.#needs.softStop(scope);
      log.info({ scope, at }, 'schedule.soft-stop');
      if (this.#schedule[scope] === at) await this.#put(scope, null); // an operator may have set another one meanwhile
    } catch (error) {
      log.warn({ scope, message: messageOf(error) }, 'schedule.not-carried-out');
    }
  }

  async #put(scope: Scope, at: EpochMsec | null): Promise<void> {
    const { [scope]: _former, ...others } = this.#schedule;
    this.#schedule = at === null ? others : { ...others, [scope]: at };
    this.#needs.changed();
    await this.#needs.store.save(KEY, this.#schedule);
  }
}

const textOf = (at: number): string => (Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : String(at));
