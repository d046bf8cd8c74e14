import { type Deal, isDeactivated, isNewerCopy } from '../domain/deal.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { UnitData } from '../domain/unit-data.ts';
import type { Bus, Unsubscribe } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Presence } from './presence.ts';
import type { OkReply } from './requests.ts';
import { RETIRED_MSEC, Silences } from './silences.ts';

/** A deal as its parties tell it: the youngest copy and who holds one. */
export interface DealCopies {
  readonly deal: Deal;
  readonly holders: readonly string[];
  /** Holders at which the deal has ended, in whatever record: it does not go on (RULE-13). */
  readonly endedAt: readonly string[];
}

/** `reading`: a unit was measured anew and does what it did; `unit`: it does something else. */
export type CommunityChange = 'deal' | 'unit' | 'reading' | 'members' | 'mode';

/** What was last heard of a converter, pushed or answered. */
type Shown = Pick<UnitData, 'dcdc' | 'stale' | 'possiblyActive'>;

/** What of a unit cannot wait: its converter's mode and alarms, the current it was told, whether its word can be relied on. */
const isNews = (before: Shown | undefined, now: Shown): boolean =>
  before === undefined ||
  before.dcdc.status.status !== now.dcdc.status.status ||
  before.dcdc.status.alarmState !== now.dcdc.status.alarmState ||
  before.dcdc.param.dig !== now.dcdc.param.dig ||
  before.stale !== now.stale ||
  before.possiblyActive !== now.possiblyActive;

/** What the members last said of themselves and of their deals, by push; the same picture at every unit. */
export class Community {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #isMember: (unitId: string) => boolean;
  readonly #units = new Map<string, { readonly data: UnitData; readonly at: Milliseconds }>();
  readonly #shown = new Map<string, Shown>();
  readonly #copies = new Map<string, Map<string, Deal>>();
  /** As `deals` gives them, until somebody says another copy. */
  #deals: readonly DealCopies[] | undefined;
  readonly #handlers = new Set<(what: CommunityChange) => void>();
  readonly #silences: Silences;
  readonly #unsubscribe: Unsubscribe[] = [];

  constructor(bus: Bus, clock: Clock, presence: Presence, isMember: (unitId: string) => boolean) {
    this.#bus = bus;
    this.#clock = clock;
    this.#silences = new Silences(presence, clock);
    this.#isMember = isMember;
  }

  start(): void {
    this.#unsubscribe.push(
      this.#bus.listen('unit', ({ envelope }) => {
        const { sender, body } = envelope;
        if (!this.#isMember(sender)) return;
        const before = this.#shown.get(sender);
        this.#shown.set(sender, body);
        this.#units.set(sender, { data: body, at: this.#clock.monotonic() });
        this.changed(isNews(before, body) ? 'unit' : 'reading');
      }),
      this.#bus.listen('deal', ({ envelope }) => {
        if (this.#isMember(envelope.sender)) this.#hearDeal(envelope.sender, envelope.body);
      }),
    );
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
  }

  /**
   * To be called with every heartbeat, after `Presence.note`: a record that one party has finished and of which the other
   * says nothing, be it that it never had one or that it has retired its own, is gone when the first retires it as well.
   */
  look(): void {
    for (const [dealId, copies] of this.#copies) if (this.#isLeftOver(dealId, copies)) this.#forget(dealId);
  }

  #isLeftOver(dealId: string, copies: ReadonlyMap<string, Deal>): boolean {
    const [[holder, deal] = [], second] = copies;
    if (deal === undefined || second !== undefined || !isDeactivated(deal)) return false;
    const silent = holder === deal.requestUnitId ? deal.acceptUnitId : deal.requestUnitId;
    return this.#silences.hasLasted(dealId, silent, RETIRED_MSEC);
  }

  #forget(dealId: string): void {
    this.#silences.end(dealId);
    this.#copies.delete(dealId);
    this.#deals = undefined;
  }

  unit(unitId: string): { readonly data: UnitData; readonly at: Milliseconds } | undefined {
    return this.#units.get(unitId);
  }

  /** Deals that at least one party holds open, in the order in which they were first heard of. */
  deals(): readonly DealCopies[] {
    this.#deals ??= [...this.#copies.values()].map((copies) => ({
      deal: [...copies.values()].reduce((newest, copy) => (isNewerCopy(copy, newest) ? copy : newest)),
      holders: [...copies.keys()],
      endedAt: [...copies].filter(([, copy]) => isDeactivated(copy)).map(([holder]) => holder),
    }));
    return this.#deals;
  }

  onChange(handle: (what: CommunityChange) => void): Unsubscribe {
    this.#handlers.add(handle);
    return () => this.#handlers.delete(handle);
  }

  changed(what: CommunityChange): void {
    if (this.#handlers.size === 0) return; // only a grid master looks
    for (const handle of [...this.#handlers]) handle(what);
  }

  /**
   * What a unit has answered to the grid master: the deals that it holds, as a message of it may have been lost, and its
   * converter, with which its next reading is compared.
   */
  hearAnswer(from: string, { deals = [], unit, dcdc }: Pick<OkReply, 'deals' | 'unit' | 'dcdc'>): void {
    const shown = unit ?? (dcdc === undefined ? undefined : { ...this.#shown.get(from), dcdc });
    if (shown !== undefined) this.#shown.set(from, shown);
    for (const deal of deals) this.#hearDeal(from, deal);
  }

  /** Only its two parties speak of a deal; one that both have finished leaves the picture. */
  #hearDeal(holder: string, deal: Deal): void {
    if (holder !== deal.requestUnitId && holder !== deal.acceptUnitId) return; // INV-11
    const copies = this.#copies.get(deal.dealId) ?? new Map<string, Deal>();
    const own = copies.get(holder);
    if (own !== undefined && !isNewerCopy(deal, own)) return;
    copies.set(holder, deal);
    this.#deals = undefined;
    this.#copies.set(deal.dealId, copies);
    // While one copy is missing, the other says that the deal has ended.
    if (copies.size === 2 && [...copies.values()].every(isDeactivated)) this.#forget(deal.dealId);
    this.changed('deal');
  }
}
