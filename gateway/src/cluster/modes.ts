import { messageOf, PeerError } from '../domain/errors.ts';
import {
  effectiveMode,
  isLocalMode,
  isLowering,
  isOperationMode,
  type LocalMode,
  type Lowering,
  lowestMode,
  type OperationMode,
  type StampedMode,
} from '../domain/operation-mode.ts';
import type { EpochMsec, Milliseconds } from '../domain/quantities.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';

const KEY = 'mode';
/** A stamp lists so many of the lowerings that it has settled; an older one that comes back late is applied once more. */
const REMEMBERED_SETTLED = 100;
/**
 * So many lowerings of others wait for a stamp here, and so many of one message are read: an honest cluster has one for
 * each unit and mode. What finds no room is said again by whoever keeps it; what lowers further always finds some.
 */
const MOST_PENDING = 50;
/** A disk that takes nothing is asked again after so long, then twice as long, up to the last. */
const FIRST_RETRY_MSEC: Milliseconds = 1_000;
const LAST_RETRY_MSEC: Milliseconds = 60_000;

const isYounger = (a: StampedMode, b: StampedMode): boolean =>
  a.term > b.term || (a.term === b.term && a.revision > b.revision);

export interface ModesNeeds {
  readonly unitId: string;
  readonly store: Store;
  readonly log: Log;
  now(): EpochMsec;
  newId(): string;
  /** Mode of a cluster to which nobody has said anything yet. */
  initial(): OperationMode;
  changed(): void;
}

interface Saved {
  readonly global?: StampedMode;
  readonly local?: LocalMode;
  readonly lowerings?: readonly Lowering[];
}

/**
 * The operation modes at one unit (control.md §6, architecture.md §3): the global one is stamped by the grid
 * master and the highest stamp wins everywhere. A lowering said anywhere is in effect at once wherever it is heard; it
 * is durable, and goes from unit to unit until a stamp lists it or an operator has raised the mode later (RULE-12).
 */
export class Modes {
  readonly #needs: ModesNeeds;
  #stamped: StampedMode | undefined;
  #local: LocalMode | undefined;
  /** Heard, and not listed by any stamp yet; by id. */
  readonly #pending = new Map<string, Lowering>();
  /** The present state is not on the disk: when it is written again. */
  #unsaved: { readonly waitMsec: Milliseconds; readonly againAt: EpochMsec } | undefined;

  constructor(needs: ModesNeeds) {
    this.#needs = needs;
  }

  async load(): Promise<void> {
    const saved = (await this.#needs.store.load(KEY)) as Saved | undefined; // only `#save` writes it
    if (isOperationMode(saved?.global?.value)) this.#stamped = saved.global;
    if (isLocalMode(saved?.local)) this.#local = saved.local;
    for (const one of saved?.lowerings ?? []) if (isLoweringEntry(one)) this.#pending.set(one.id, one);
  }

  global(): StampedMode {
    return this.#stamped ?? { value: this.#needs.initial(), term: 0, revision: 0 };
  }

  /** The global mode with the unconfirmed lowerings applied: what this unit acts by. */
  acting(): OperationMode {
    const { value } = this.global();
    if (this.#pending.size === 0) return value;
    return lowestMode([value, ...[...this.#pending.values()].map((one) => one.value)]);
  }

  local(): LocalMode | undefined {
    return this.#local;
  }

  effective(): OperationMode {
    return effectiveMode(this.acting(), this.#local);
  }

  /** Lowerings that no stamp has listed yet: published until one does (RULE-12). */
  lowerings(): readonly Lowering[] {
    return [...this.#pending.values()];
  }

  /** An operator's word heard here: true when it lowers, and is then in effect already. */
  lowerAtOnce(value: OperationMode): boolean {
    if (!isLowering(this.acting(), value)) return false;
    const { newId, now } = this.#needs;
    this.#take([{ id: newId(), value, at: now() }]);
    return true;
  }

  /** Lowerings that another unit has heard; what is no lowering is left out (INV-11). */
  hear(lowerings: readonly unknown[]): void {
    const said = lowerings.slice(0, MOST_PENDING).filter(isLoweringEntry);
    const news = said.filter(({ id }) => !this.#pending.has(id));
    const room = MOST_PENDING - this.#pending.size;
    this.#take(news.filter(({ value }, index) => index < room || isLowering(this.acting(), value)));
  }

  async setLocal(value: LocalMode | undefined): Promise<void> {
    this.#local = value;
    this.#needs.changed();
    await this.#save();
  }

  /** A stamp as heard from the grid master, or given by this unit as the grid master; older ones change nothing. */
  async adopt(stamped: StampedMode): Promise<void> {
    if (!isYounger(stamped, this.global())) return;
    this.#stamped = stamped;
    for (const one of this.lowerings()) if (isSettledBy(stamped, one)) this.#pending.delete(one.id);
    this.#needs.log.info({ ...stamped }, 'mode.changed');
    this.#needs.changed();
    await this.#save();
  }

  /**
   * The grid master's stamp for an operator's word of `ageMsec` ago. A raise overrides every lowering that was said
   * before it, a lowering none of the raises (RULE-12).
   * @throws PeerError `mode.lowered-later`: a raise that was on its way while somebody lowered the mode (RULE-11);
   *   `mode.raised-later`: a lowering that was tried again and again while an operator raised the mode
   */
  nextStamp(value: OperationMode, term: number, ageMsec = 0): StampedMode {
    const own = this.global();
    const saidAt = this.#needs.now() - ageMsec;
    const raises = isLowering(value, this.acting());
    const loweredAt = Math.max(own.loweredAt ?? 0, ...this.lowerings().map(({ at }) => at));
    if (raises && ageMsec > 0 && saidAt < loweredAt) {
      throw new PeerError(
        'mode.lowered-later',
        this.#needs.unitId,
        `the mode was lowered after ${value} was asked for`,
      );
    }
    if (!raises && ageMsec > 0 && saidAt < (own.raisedAt ?? Number.NEGATIVE_INFINITY)) {
      throw new PeerError('mode.raised-later', this.#needs.unitId, `the mode was raised after ${value} was asked for`);
    }
    const settled = [...(own.settled ?? []), ...this.#pending.keys()].slice(-REMEMBERED_SETTLED);
    return {
      value,
      term,
      revision: own.term === term ? own.revision + 1 : 1,
      ...(settled.length === 0 ? {} : { settled }),
      ...(raises ? { raisedAt: saidAt } : own.raisedAt === undefined ? {} : { raisedAt: own.raisedAt }),
      ...(raises ? {} : { loweredAt: this.#needs.now() }),
    };
  }

  #take(news: readonly Lowering[]): void {
    const valid = news.filter((one) => !isSettledBy(this.global(), one));
    if (valid.length === 0) return;
    for (const one of valid) this.#pending.set(one.id, one);
    this.#needs.log.info({ lowerings: valid }, 'mode.lowered');
    this.#needs.changed();
    // RULE-11: it acts first and is written after; what could not be written is said by the other units that heard it.
    this.#save().catch((error: unknown) => this.#needs.log.error({ message: messageOf(error) }, 'mode.not-saved'));
  }

  /** Called now and then: what a full disk has not taken is written again, ever more rarely, until it is durable. */
  saveAgain(): void {
    if (this.#unsaved === undefined || this.#needs.now() < this.#unsaved.againAt) return;
    this.#save().catch((error: unknown) => this.#needs.log.warn({ message: messageOf(error) }, 'mode.not-saved'));
  }

  async #save(): Promise<void> {
    try {
      await this.#needs.store.save(KEY, {
        global: this.#stamped,
        ...(this.#local === undefined ? {} : { local: this.#local }),
        ...(this.#pending.size === 0 ? {} : { lowerings: this.lowerings() }),
      });
      this.#unsaved = undefined;
    } catch (error) {
      const waitMsec = Math.min(2 * (this.#unsaved?.waitMsec ?? FIRST_RETRY_MSEC / 2), LAST_RETRY_MSEC);
      this.#unsaved = { waitMsec, againAt: this.#needs.now() + waitMsec };
      throw error;
    }
  }
}

const isSettledBy = (stamped: StampedMode, { id, at }: Lowering): boolean =>
  (stamped.settled?.includes(id) ?? false) || at < (stamped.raisedAt ?? Number.NEGATIVE_INFINITY);

function isLoweringEntry(one: unknown): one is Lowering {
  const { id, value, at } = (one ?? {}) as Partial<Record<keyof Lowering, unknown>>;
  return typeof id === 'string' && id.length <= 200 && isOperationMode(value) && Number.isFinite(at);
}
