import type { Modes } from '../cluster/modes.ts';
import { messageOf } from '../domain/errors.ts';
import type { ModeState } from '../domain/messages.ts';
import type { OperationMode, StampedMode } from '../domain/operation-mode.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Bus, Unsubscribe } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';
import { SoftStopSchedule } from './soft-stop-schedule.ts';

export interface ModeDeskNeeds {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly store: Store;
  readonly modes: Modes;
  isMember(unitId: string): boolean;
  isGridMaster(): boolean;
  /** The term that this unit has promised. */
  term(): number;
  /** Lowers the whole cluster, as an operator does. */
  lower(value: OperationMode): Promise<void>;
  /** This unit, as the grid master, has given a stamp: it is time to say so. */
  stamped(): void;
  changed(): void;
  /** The mode that this unit acts by is another one now. */
  effectiveChanged(effective: OperationMode): void;
}

/** The modes of a unit towards the others: says them, hears theirs, stamps them as the grid master (RULE-12). */
export class ModeDesk {
  readonly #needs: ModeDeskNeeds;
  readonly #schedule: SoftStopSchedule;
  #effective: OperationMode | undefined;

  constructor(needs: ModeDeskNeeds) {
    this.#needs = needs;
    const { store, clock, log } = needs;
    this.#schedule = new SoftStopSchedule({
      store,
      clock,
      log,
      softStop: (scope) => this.#softStop(scope),
      changed: () => this.publish(),
    });
  }

  async load(): Promise<void> {
    await this.#needs.modes.load();
    await this.#schedule.load();
  }

  /** Hears what others have lowered until the returned function is called. */
  takePart(): Unsubscribe {
    return this.#needs.bus.listen('mode', ({ envelope }) => {
      if (!this.#needs.isMember(envelope.sender)) return; // INV-11
      this.#needs.modes.hear(envelope.body.lowerings ?? []);
      this.#stampLowerings();
    });
  }

  /** To be called with every heartbeat. */
  look(): void {
    this.#schedule.check();
    this.#stampLowerings();
    this.#needs.modes.saveAgain();
  }

  state(): ModeState {
    const { modes } = this.#needs;
    const schedule = this.#schedule.current();
    const lowerings = modes.lowerings();
    return {
      global: modes.global(),
      local: modes.local() ?? null,
      effective: modes.effective(),
      ...(lowerings.length === 0 ? {} : { lowerings }),
      ...(Object.keys(schedule).length === 0 ? {} : { schedule }),
    };
  }

  publish(): void {
    this.#needs.bus.publish('mode', '', this.state(), { term: this.#needs.term() });
  }

  /** To be called when the modes have changed. */
  changed(): void {
    this.publish();
    this.#needs.changed();
    const effective = this.#needs.modes.effective();
    if (effective === this.#effective) return;
    this.#effective = effective;
    this.#needs.effectiveChanged(effective);
  }

  /** A soft stop at a time that an operator has set; null takes it back. */
  schedule: SoftStopSchedule['set'] = (scope, at) => this.#schedule.set(scope, at);

  /** The grid master's stamp. */
  adopt(mode: StampedMode): void {
    this.#needs.modes.adopt(mode).catch((error: unknown) => this.#notSaved(error));
  }

  /** Stamps an operator's word of `ageMsec` ago, as the grid master; rejects as `Modes.nextStamp`. */
  async stamp(value: OperationMode, ageMsec?: Milliseconds): Promise<void> {
    const { modes } = this.#needs;
    await modes.adopt(modes.nextStamp(value, this.#needs.term(), ageMsec));
    this.#needs.stamped();
  }

  /** RULE-12: as the grid master, takes in what was lowered anywhere; each stamp lists what it has taken in. */
  #stampLowerings(): void {
    const { modes } = this.#needs;
    if (!this.#needs.isGridMaster() || modes.lowerings().length === 0) return;
    this.stamp(modes.acting()).catch((error: unknown) => this.#notSaved(error));
  }

  /** It is in effect, and written when the disk takes it; the disk itself has its own fault. */
  #notSaved(error: unknown): void {
    this.#needs.log.warn({ message: messageOf(error) }, 'mode.not-saved');
  }

  /** A soft stop that was set for now: only what trades is softly stopped (web.md §2.5). */
  async #softStop(scope: 'cluster' | 'unit'): Promise<void> {
    const { modes } = this.#needs;
    if (scope === 'cluster') {
      if (modes.acting() === 'autonomous') await this.#needs.lower('heteronomous');
    } else if (modes.local() === undefined) await modes.setLocal('heteronomous');
  }
}
