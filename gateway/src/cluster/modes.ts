import {
  effectiveMode,
  isLowering,
  isOperationMode,
  type LocalMode,
  type OperationMode,
  type StampedMode,
} from '../domain/operation-mode.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';

const KEY = 'mode';

const isYounger = (a: StampedMode, b: StampedMode): boolean =>
  a.term > b.term || (a.term === b.term && a.revision > b.revision);

export interface ModesNeeds {
  readonly store: Store;
  readonly log: Log;
  /** Mode of a cluster to which nobody has said anything yet. */
  initial(): OperationMode;
  changed(): void;
}

/**
 * The operation modes at one unit (control.md §6, architecture.md §3): the global one is stamped by the grid
 * master and the highest stamp wins everywhere; a lowering said here takes effect here at once, before the
 * stamp comes back.
 */
export class Modes {
  readonly #needs: ModesNeeds;
  #stamped: StampedMode | undefined;
  #local: LocalMode | undefined;
  /** A lowering that this unit heard and that no stamp has confirmed yet. */
  #lowered: OperationMode | undefined;

  constructor(needs: ModesNeeds) {
    this.#needs = needs;
  }

  async load(): Promise<void> {
    const saved = (await this.#needs.store.load(KEY)) as { global?: StampedMode; local?: LocalMode } | undefined; // only `#save` writes it
    if (isOperationMode(saved?.global?.value)) this.#stamped = saved.global;
    this.#local = saved?.local;
  }

  global(): StampedMode {
    return this.#stamped ?? { value: this.#needs.initial(), term: 0, revision: 0 };
  }

  /** The global mode with an unconfirmed lowering applied: what this unit acts by. */
  acting(): OperationMode {
    return this.#lowered ?? this.global().value;
  }

  local(): LocalMode | undefined {
    return this.#local;
  }

  effective(): OperationMode {
    return effectiveMode(this.acting(), this.#local);
  }

  /** An operator's word heard here: true when it lowers, and is then in effect already. */
  lowerAtOnce(value: OperationMode): boolean {
    if (!isLowering(this.acting(), value)) return false;
    this.#lowered = value;
    this.#needs.changed();
    return true;
  }

  async setLocal(value: LocalMode | undefined): Promise<void> {
    this.#local = value;
    this.#needs.changed();
    await this.#save();
  }

  /** A stamp as heard from the grid master, or given by this unit as the grid master; older ones change nothing. */
  async adopt(stamped: StampedMode): Promise<void> {
    const own = this.global();
    if (!isYounger(stamped, own)) return;
    this.#stamped = stamped;
    this.#lowered = undefined;
    this.#needs.log.info({ ...stamped }, 'mode.changed');
    this.#needs.changed();
    await this.#save();
  }

  /** The grid master's stamp for a new value, in its term. */
  nextStamp(value: OperationMode, term: number): StampedMode {
    const own = this.global();
    return { value, term, revision: own.term === term ? own.revision + 1 : 1 };
  }

  async #save(): Promise<void> {
    await this.#needs.store.save(KEY, {
      global: this.#stamped,
      ...(this.#local === undefined ? {} : { local: this.#local }),
    });
  }
}
