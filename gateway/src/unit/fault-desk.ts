import type { Policy } from '../config/policy.ts';
import { type Fault, type FaultInput, readFault } from '../domain/fault.ts';
import { type Barred, type FaultAction, isFatal, measuresFor } from '../domain/fault-actions.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { formatTimestamp } from '../domain/timestamp.ts';
import type { Bus, Delivery, Unsubscribe } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';
import { FaultChains, type FaultHands } from './fault-chains.ts';
import { type FaultEntry, FaultLedger, REMEMBERED_FAULTS } from './fault-ledger.ts';
import { WellBeing } from './fault-recovery.ts';

/** A fault that goes on is told again after this time, with its count. */
const RETELL_MSEC: Milliseconds = 10_000;
/** So many of a former process's faults are told again at the start. */
const RETOLD_AT_START = 20;

/** Of the grid master's actions, what every other member does when it hears of the fault. */
const MEMBERS_PART: Readonly<Partial<Record<FaultAction, FaultAction>>> = { resetAll: 'resetLocal' };

export interface FaultDeskNeeds {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly store: Store;
  readonly hands: FaultHands;
  policy(): Pick<Policy, 'memberUnitIds' | 'user' | 'controller'> & {
    readonly gridMaster: Pick<Policy['gridMaster'], 'errorSustainingMsec'>;
  };
  /** This unit carries the cluster's actions out. */
  leads(): boolean;
  gridMasterUnitId(): string | undefined;
  /** Nothing keeps this unit from trading any more. */
  quiet(): void;
}

/**
 * What becomes of faults (market.md §4, control.md §7): each is remembered, told to everybody and answered with the
 * actions of its row. A unit answers those that are about itself, the grid master's unit those of the whole cluster,
 * whoever raised them and whenever it came into office (market.md W32).
 */
export class FaultDesk {
  readonly #needs: FaultDeskNeeds;
  readonly #ledger: FaultLedger;
  readonly #chains: FaultChains;
  readonly #wellBeing = new WellBeing();
  /** Ids of the faults that may still be open; few, while many are remembered. */
  readonly #maybeOpen = new Set<string>();
  /** When each fault was told last. */
  readonly #toldAt = new Map<string, Milliseconds>();
  /** The sight of each fault of the cluster that has been answered here. */
  readonly #answered = new Map<string, number>();
  #unsubscribe: Unsubscribe = () => {};
  #gridMasterUnitId: string | undefined;
  #wasBarred = false;

  constructor(needs: FaultDeskNeeds) {
    const { bus, clock, log, store, hands } = needs;
    const policy = (): ReturnType<FaultDeskNeeds['policy']> => needs.policy();
    this.#needs = needs;
    this.#ledger = new FaultLedger({
      unitId: bus.unitId,
      store,
      clock,
      log,
      sameWithinMsec: () => policy().user.errorSustainingMsec,
    });
    this.#chains = new FaultChains({
      clock,
      hands,
      periodMsec: () => policy().user.errorHandlingPeriodMsec,
      actionLimitMsec: () => policy().controller.stopMeTimeoutMsec + RETELL_MSEC,
      ended: (faultId) => this.#ended(faultId),
      failed: (action, fault, message) =>
        this.#warn('FRAMEWORK', 'action.failed', `${action} because of ${fault.reason}: ${message}`),
      leftOut: (action, fault) =>
        this.#warn('LOGIC', 'action.left-out', `${action} has not helped against ${fault.reason} and is left out`),
    });
  }

  /** Reads what the last process left and listens; to be called before anything can go wrong. */
  async load(): Promise<void> {
    await this.#ledger.load();
    this.#unsubscribe = this.#needs.bus.listen('fault', (delivery) => this.#hear(delivery));
    const entries = this.#ledger.entries();
    for (const { faultId } of entries) this.#maybeOpen.add(faultId);
    const own = entries.filter((entry) => this.#isOwn(entry));
    // Errors of a former process are history: who has missed them learns of them, and does nothing about them any more.
    for (const { faultId, fault } of own) if (!isFatal(fault)) this.#ledger.answered(faultId, fault.count ?? 1);
    for (const { faultId } of own.slice(-RETOLD_AT_START)) this.#retell(faultId);
  }

  /** Once all services run: what is still open after a restart is answered again. */
  resume(): void {
    for (const entry of [...this.#openOf('unit'), ...this.#openOf('cluster')]) this.#answer(entry);
  }

  stop(): void {
    this.#unsubscribe();
    this.#chains.stop();
  }

  /** A fault was seen here. */
  raise(input: FaultInput): void {
    const { bus, clock } = this.#needs;
    const at = formatTimestamp(clock.now(), clock.zoneOffsetMinutes());
    const entry = this.#ledger.note({ unitId: bus.unitId, at, ...input });
    const toldAt = this.#toldAt.get(entry.faultId);
    const isNews = toldAt === undefined || clock.monotonic() - toldAt >= RETELL_MSEC;
    if (isNews) this.#write(entry);
    // Who it is about has to act, and hears of it every time when that is somebody else (INV-3, control.md D8).
    if (isNews || (entry.fault.level !== 'WARN' && entry.fault.unitId !== bus.unitId)) this.#tell(entry);
    this.#answer(entry);
  }

  /** Oldest first. */
  recent(): readonly FaultEntry[] {
    return this.#ledger.entries();
  }

  /** An operator has taken note: an error bars no longer, a fatal one is over. False for one that is not known here. */
  acknowledge(faultId: string): boolean {
    const { clock } = this.#needs;
    const before = this.#ledger.get(faultId)?.fault.acknowledgedAt;
    const entry = this.#ledger.acknowledge(faultId, formatTimestamp(clock.now(), clock.zoneOffsetMinutes()));
    if (entry === undefined) return false;
    if (before === undefined && this.#isOwn(entry)) this.#tell(entry);
    this.check();
    return true;
  }

  /** To be called with every heartbeat: what has become due, what is over, and what a new grid master must know. */
  check(): void {
    this.#chains.check();
    this.#noteGridMaster();
    if (this.#needs.leads()) for (const entry of this.#openOf('cluster')) this.#answerForCluster(entry);
    const isBarred = this.hasLocalErrors() || this.hasGlobalErrors();
    if (this.#wasBarred && !isBarred) this.#needs.quiet();
    this.#wasBarred = isBarred;
  }

  /** A reading of the own device, begun `at`; `isWell`: it was answered, and the converter is in WAIT for certain. */
  measured(at: Milliseconds, isWell: boolean): void {
    const { dataAcquisitionPeriodMsec } = this.#needs.policy().controller;
    const over = this.#wellBeing.measured(at, isWell, dataAcquisitionPeriodMsec, () => this.#openOf('unit'));
    for (const { faultId } of over) this.#ledger.recovered(faultId);
  }

  /** A fault of this unit is being answered or has not stayed away for `user.errorSustainingMsec` (market.md §4.4). */
  hasLocalErrors(): boolean {
    return this.#openOf('unit').length > 0;
  }

  /** As above, of the cluster and with `gridMaster.errorSustainingMsec`. */
  hasGlobalErrors(): boolean {
    return this.#openOf('cluster').length > 0;
  }

  /** A fatal fault of this unit waits for an operator: no part in anything until then. */
  isWithdrawn(): boolean {
    return this.#openOf('unit').some(({ fault }) => isFatal(fault));
  }

  #hear({ key, envelope }: Delivery<'fault'>): void {
    const { bus } = this.#needs;
    const { sender } = envelope;
    if (sender === bus.unitId) return; // was dealt with when it was raised
    const fault = readFault(envelope.body);
    if (fault.level === 'WARN') return; // logged where it was seen
    const stranger = [sender, fault.unitId].find((id) => !this.#needs.policy().memberUnitIds.includes(id));
    if (stranger !== undefined) {
      this.#warn('LOGIC', 'peer.no-member', `a fault of or about ${String(stranger)}, which is not a member`); // INV-11
      return;
    }
    const isAboutOther = fault.extent === 'LOCAL' && fault.unitId !== bus.unitId;
    if (isAboutOther) return;
    if (measuresFor(fault).bars === 'nobody') {
      if (this.#needs.leads() && !isHistory(fault)) this.#runOnce(key, fault);
      return;
    }
    const entry = this.#ledger.hear(key, sender, fault);
    if (entry !== undefined && fault.acknowledgedAt === undefined && !isHistory(fault)) this.#answer(entry);
  }

  /** A scoped fault of another unit, such as of one deal: answered, and not this unit's to remember. */
  #runOnce(faultId: string, fault: Fault): void {
    const { actions } = measuresFor(fault);
    if (actions.length > 0 && fault.acknowledgedAt === undefined) this.#chains.start(faultId, { fault, actions });
  }

  #answer(entry: FaultEntry): void {
    const { fault, faultId } = entry;
    this.#maybeOpen.add(faultId);
    const { actions } = measuresFor(fault);
    if (fault.extent === 'LOCAL') {
      if (fault.unitId === this.#needs.bus.unitId && actions.length > 0)
        this.#chains.start(faultId, { fault, actions });
    } else if (this.#needs.leads()) this.#answerForCluster(entry);
    else {
      const own = actions.flatMap((action) => MEMBERS_PART[action] ?? []);
      if (own.length > 0) this.#chains.start(faultId, { fault, actions: own });
    }
  }

  /** Once for every sight of it. */
  #answerForCluster({ faultId, fault }: FaultEntry): void {
    const { actions } = measuresFor(fault);
    const count = fault.count ?? 1;
    const key = sightOf(faultId, fault);
    // A grid master that follows may have missed a fatal fault's stop; of others it would only repeat the answer.
    const answered = Math.max(this.#answered.get(key) ?? 0, isFatal(fault) ? 0 : (fault.answered ?? 0));
    if (actions.length === 0 || answered >= count) return;
    remember(this.#answered, key, count);
    this.#chains.start(faultId, { fault, actions });
  }

  /** What the grid master has answered is told, so that the next one does not scram once more for it. */
  #ended(faultId: string): void {
    this.#ledger.touch(faultId);
    const fault = this.#ledger.get(faultId)?.fault;
    const count = fault === undefined ? undefined : this.#answered.get(sightOf(faultId, fault));
    const news = count === undefined ? undefined : this.#ledger.answered(faultId, count);
    if (news !== undefined) this.#tell(news);
  }

  #openOf(whom: Barred): readonly FaultEntry[] {
    const open: FaultEntry[] = [];
    for (const faultId of this.#maybeOpen) {
      const entry = this.#ledger.get(faultId);
      const by = entry === undefined ? 'nobody' : this.#barredBy(entry);
      if (entry === undefined || by === 'nobody' || !this.#isOpen(entry)) this.#maybeOpen.delete(faultId);
      else if (by === whom) open.push(entry);
    }
    return open;
  }

  /** Whom a fault bars as this unit sees it: another unit's own faults are not its concern. */
  #barredBy({ fault }: FaultEntry): Barred {
    const { bars } = measuresFor(fault);
    return bars === 'unit' && fault.unitId !== this.#needs.bus.unitId ? 'nobody' : bars;
  }

  /** Until it is acknowledged or measured to be over or, unless it is fatal, has stayed away since its last sight (market.md W42). */
  #isOpen({ faultId, fault, seenAt, isOver }: FaultEntry): boolean {
    if (this.#chains.isRunning(faultId)) return true;
    if (fault.acknowledgedAt !== undefined || isOver) return false;
    const { user, gridMaster } = this.#needs.policy();
    const { errorSustainingMsec } = fault.extent === 'LOCAL' ? user : gridMaster;
    return isFatal(fault) || this.#needs.clock.monotonic() - seenAt < errorSustainingMsec;
  }

  /** A new grid master may have missed what is open: it is told again (market.md W32, control.md D6). */
  #noteGridMaster(): void {
    const gridMasterUnitId = this.#needs.gridMasterUnitId();
    if (gridMasterUnitId === undefined || gridMasterUnitId === this.#gridMasterUnitId) return;
    this.#gridMasterUnitId = gridMasterUnitId;
    for (const entry of this.#openOf('cluster')) if (this.#isOwn(entry)) this.#tell(entry);
  }

  #isOwn({ reporter }: FaultEntry): boolean {
    return reporter === this.#needs.bus.unitId;
  }

  #retell(faultId: string): void {
    const entry = this.#ledger.get(faultId);
    if (entry !== undefined) this.#tell(entry);
  }

  #tell({ faultId, fault }: FaultEntry): void {
    remember(this.#toldAt, faultId, this.#needs.clock.monotonic());
    this.#needs.bus.publish('fault', faultId, fault);
  }

  #write({ faultId, fault }: FaultEntry): void {
    const level = fault.level === 'WARN' ? 'warn' : isFatal(fault) ? 'fatal' : 'error';
    const { unitId: about, ...what } = fault; // the `unitId` of a line is whose log it is
    this.#needs.log[level]({ faultId, about, ...what }, `fault.${fault.reason}`);
  }

  #warn(category: 'FRAMEWORK' | 'LOGIC', reason: string, message: string): void {
    this.raise({ category, extent: 'LOCAL', level: 'WARN', reason, message });
  }
}

/** Every sight of it has been answered, or is of a process that has ended. */
const isHistory = (fault: Fault): boolean => !isFatal(fault) && (fault.answered ?? 0) >= (fault.count ?? 1);

/** A reporter that has lost its memory gives an id anew. */
const sightOf = (faultId: string, { at }: Fault): string => `${faultId} ${at}`;

/** Puts the newest last and keeps no more than there are faults to remember. */
function remember(map: Map<string, number>, key: string, value: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (oldest !== undefined && map.size > REMEMBERED_FAULTS) map.delete(oldest);
}
