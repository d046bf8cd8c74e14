import type { Policy } from '../config/policy.ts';
import { type Deal, partiesOf, unitOnSide } from '../domain/deal.ts';
import { AT_REST, type DeviceCommand, type DeviceCommandName } from '../domain/device-command.ts';
import { InternalError, messageOf, PeerError, reasonOf } from '../domain/errors.ts';
import type { FaultInput } from '../domain/fault.ts';
import type { CommandBody } from '../domain/messages.ts';
import type { Amperes, Milliseconds } from '../domain/quantities.ts';
import { formatTimestamp } from '../domain/timestamp.ts';
import type { Dcdc } from '../domain/unit-data.ts';
import { answerDeadlineMsec, commandDeadlineMsec } from './command-deadline.ts';
import { DealBook } from './deal-book.ts';
import type { DealChange } from './deal-marks.ts';
import { type GridView, holdersOf, isSilent, masterDealOf, modeOf } from './grid-view.ts';
import { masterSide } from './master-side.ts';
import type { Confirmation, GridDraft, GridMasterNeeds } from './needs.ts';
import { type HandOver, permitsEnd, permitsOf } from './permits.ts';
import { Suspects } from './suspects.ts';
import { UnitBook } from './unit-book.ts';

const deadPeer = (unitId: string): PeerError => new PeerError('peer.not-alive', unitId, `${unitId} is not alive`);

const NOTHING = (): void => {};

const HAND_OVER_COMMANDS: ReadonlySet<DeviceCommandName> = new Set([
  'voltageReferenceWillHandOver',
  'voltageReferenceWillTakeOver',
  'voltageReferenceDidHandOver',
  'voltageReferenceDidTakeOver',
]);

/** Why a unit does not carry out what it is told when it stops, or has stopped, by itself. */
const BLAMELESS: ReadonlySet<string> = new Set(['peer.restarted', AT_REST, 'device.superseded', 'device.no-permit']);

/** The bus in the hands of the grid master: what is known, who holds the voltage, and the ways to act on it. */
export class Grid {
  readonly needs: GridMasterNeeds;
  readonly deals: DealBook;
  readonly units: UnitBook;
  readonly suspects: Suspects;
  voltageReferenceUnitId: string | undefined;
  handOver: HandOver | undefined;
  /** When a command last changed something on the bus. */
  #changedAt: Milliseconds = 0;
  #epoch = 0;
  #stepEpoch = 0;
  #globalErrorAt: Milliseconds | undefined;
  readonly #startedAt: Milliseconds;
  #hasFence = false;
  #grantsNothing = false;
  /** Commands that have not been answered yet. */
  readonly #outstanding = new Set<Promise<unknown>>();
  /** A planned transfer is under way: permits run on and none is renewed, nothing is raised (RULE-6). */
  holdsBack = false;
  #pass: Pick<GridDraft, 'pass' | 'passMsec'> = { pass: 0, passMsec: 0 };
  #view: GridView | undefined;
  /** `alignedView` of the present view. */
  #aligned: { readonly of: GridView; readonly view: GridView } | undefined;
  readonly #seen: Pick<GridView, 'unit' | 'dcdc' | 'isAlive'> = {
    unit: (unitId) => this.units.unit(unitId),
    dcdc: (unitId) => this.units.dcdc(unitId),
    isAlive: (unitId) => this.needs.community.isAlive(unitId),
  };

  constructor(needs: GridMasterNeeds) {
    this.needs = needs;
    this.deals = new DealBook(needs.term);
    this.units = new UnitBook(needs.community, needs.clock);
    this.suspects = new Suspects();
    this.#startedAt = needs.clock.monotonic();
  }

  /**
   * RULE-4: no permit of an older term can be alive, because every member has answered in this one, or because the
   * longest of them has run out. Until then nothing is raised. Whoever led before may have been taken for ended and live
   * on, with a part of the members: it grants until its lease has run out as well (RULE-5).
   */
  get isFenced(): boolean {
    this.#hasFence ||=
      this.policy.memberUnitIds.every((unitId) => this.units.hasBeenHeard(unitId)) ||
      this.now >= permitsEnd(this.policy, this.#startedAt + this.policy.gridMaster.leaseMsec);
    return this.#hasFence;
  }

  get policy(): Policy {
    return this.needs.policy();
  }

  get now(): Milliseconds {
    return this.needs.clock.monotonic();
  }

  /** The moment as it is now: the same view as long as policy, deals and reference are the same. */
  view(): GridView {
    const { policy, voltageReferenceUnitId } = this;
    const deals = this.deals.all();
    const last = this.#view;
    if (last?.deals === deals && last.policy === policy && last.voltageReferenceUnitId === voltageReferenceUnitId)
      return last;
    const view = { policy, deals, voltageReferenceUnitId, ...this.#seen };
    this.#view = view;
    return view;
  }

  /** Who holds the voltage beside the reference, outside a hand-over (INV-1); nobody while no reference is named. */
  get rivals(): readonly string[] {
    const { voltageReferenceUnitId: vr, handOver } = this;
    if (vr === undefined) return [];
    const rightful = [vr, handOver?.from, handOver?.to];
    return holdersOf(this.view()).filter((unitId) => !rightful.includes(unitId));
  }

  /** RULE-5: a majority hears this grid master. */
  get hasQuorum(): boolean {
    return this.needs.hasQuorum();
  }

  /** May a converter be put out of WAIT, or a current be increased? */
  get mayRaise(): boolean {
    return this.isFenced && this.#grants;
  }

  get #grants(): boolean {
    return this.hasQuorum && !this.#grantsNothing && !this.holdsBack;
  }

  /** Resolves when no command is on its way any more, whatever came of it (RULE-6). */
  async drained(): Promise<void> {
    while (this.#outstanding.size > 0) await Promise.allSettled(this.#outstanding);
  }

  /** From here on no permit is renewed and nothing is raised. */
  grantNothing(): void {
    this.#grantsNothing = true;
    this.raiseEpoch();
  }

  /** Time text for the marks of a deal: that of its reference side (control.md §4.1), else of this unit's clock. */
  timeOf(deal: Deal): string {
    const { clock } = this.needs;
    const unit = this.units.unit(unitOnSide(deal, this.policy.gridMaster.deal.referenceSide));
    return unit?.time ?? formatTimestamp(clock.now(), clock.zoneOffsetMinutes());
  }

  // --- stopping wins (RULE-11) ---

  /** From here on the running step may raise nothing more. */
  raiseEpoch(): void {
    this.#epoch += 1;
  }

  /** A step begins: what it raises is good until the epoch changes. */
  beginStep(): void {
    this.#stepEpoch = this.#epoch;
  }

  get isStepSuperseded(): boolean {
    return this.#stepEpoch !== this.#epoch;
  }

  /** Throws when a stop has taken the bus out of the running step's hands. */
  #demandStep(): void {
    if (this.isStepSuperseded) throw new InternalError('the step was overtaken by a stop');
  }

  // --- talking to units ---

  async #ask(unitId: string, body: CommandBody, deadlineMsec: Milliseconds): Promise<Confirmation> {
    const answer = this.needs.command(unitId, body, deadlineMsec);
    const settled: Promise<void> = answer.then(NOTHING, NOTHING).finally(() => this.#outstanding.delete(settled));
    this.#outstanding.add(settled);
    const reply = await this.#whileAlive(unitId, answer);
    this.units.answered(unitId, reply);
    return reply;
  }

  /** Settles as the answer does, or rejects when the unit dies first: nobody waits for the dead. */
  #whileAlive(unitId: string, answer: Promise<Confirmation>): Promise<Confirmation> {
    const { community } = this.needs;
    if (!community.isAlive(unitId)) return answer;
    return new Promise((resolve, reject) => {
      const stop = community.onChange((what) => {
        if (what === 'members' && !community.isAlive(unitId)) reject(deadPeer(unitId));
      });
      answer.then(resolve, reject).finally(stop);
    });
  }

  /** A fresh reading, merged into what is known. */
  async read(unitId: string, what: 'unit' | 'status'): Promise<void> {
    await this.#ask(unitId, { kind: 'read', what }, answerDeadlineMsec(this.policy));
  }

  /** A fresh reading where silence is an answer too: false when none came in time. */
  async readWithin(
    unitId: string,
    deadlineMsec: Milliseconds,
    more: { readonly withDeals?: true } = {},
  ): Promise<boolean> {
    try {
      await this.#ask(unitId, { kind: 'read', what: 'unit', ...more }, deadlineMsec);
      return true;
    } catch (error) {
      this.needs.log.debug({ unitId, message: messageOf(error) }, 'grid.no-reading');
      return false;
    }
  }

  /** A command that puts a converter out of WAIT or increases its current. Refused once a stop has overtaken the step. */
  async raise(unitId: string, device: DeviceCommand): Promise<Dcdc> {
    this.#demandStep();
    this.#demandFence(unitId, device);
    this.publish(); // the permit goes ahead of the command that needs it (INV-2)
    this.suspects.add(unitId, this.#busyCurrentA(device));
    await this.#command(unitId, device);
    this.#demandStep();
    return this.units.demandDcdc(unitId);
  }

  /** Who is out of WAIT already may hand the voltage on or take it; nothing more before the fence stands (RULE-4, RULE-8). */
  #demandFence(unitId: string, { command }: DeviceCommand): void {
    const movesReference = HAND_OVER_COMMANDS.has(command) && modeOf(this.view(), unitId) !== 'WAIT';
    if (this.#grants && (this.isFenced || movesReference)) return;
    throw new InternalError(`${unitId} is not raised: permits of older terms may be alive, or no majority hears`);
  }

  /**
   * A command towards WAIT: never refused here, and its failure is a fault, not an exception. Nobody waits for the
   * answer of a mute unit, so its converter is in doubt from now on, not only when the time of the answer has passed.
   * One that rests already has no current to lower.
   */
  async lower(unitId: string, device: DeviceCommand, deadlineMsec?: Milliseconds): Promise<boolean> {
    if (isSilent(this.view(), unitId)) this.doubt(unitId);
    try {
      await this.#command(unitId, device, deadlineMsec);
      if (device.command === 'WAIT' || device.command === 'scram') this.suspects.clear(unitId);
      return true;
    } catch (error) {
      this.#lowerFailed(unitId, device, error);
      return device.command === 'current' && reasonOf(error) === AT_REST;
    }
  }

  async #command(unitId: string, device: DeviceCommand, deadlineMsec?: Milliseconds): Promise<void> {
    const limit = deadlineMsec ?? commandDeadlineMsec(this.policy, device.command);
    this.needs.log.debug({ unitId, device }, 'grid.command');
    try {
      await this.#ask(unitId, { kind: 'control', device, deals: [] }, limit);
    } finally {
      this.#changedAt = this.now;
    }
  }

  /** The moment with only those readings that are younger than the last command: older ones cannot be compared (control.md S6). */
  alignedView(): GridView {
    const view = this.view();
    if (this.#aligned?.of !== view) {
      const dcdc: GridView['dcdc'] = (unitId) => this.units.dcdcSince(unitId, this.#changedAt);
      this.#aligned = { of: view, view: { ...view, dcdc } };
    }
    return this.#aligned.view;
  }

  /**
   * Blamed on the unit that did not obey, never on the grid master's own (control.md D8). Whoever has brought its
   * converter to WAIT by itself is to blame for nothing, as it joined anew (RULE-17) or lost its reference (RULE-7);
   * that it rests is still to be seen.
   */
  #lowerFailed(unitId: string, device: DeviceCommand, error: unknown): void {
    this.doubt(unitId);
    if (BLAMELESS.has(reasonOf(error))) return;
    this.raiseFault({
      unitId,
      category: 'HARDWARE',
      extent: 'LOCAL',
      level: 'ERROR',
      reason: 'deal.stop-failed',
      message: `${unitId} did not carry out ${device.command}: ${messageOf(error)} (${reasonOf(error)})`,
    });
  }

  /** Its converter may still do what it did, until it is seen in WAIT (RULE-10). */
  doubt(unitId: string): void {
    this.suspects.doubt(unitId, this.now, this.policy.mediator.deal.gridCurrentA);
  }

  #busyCurrentA(device: DeviceCommand): Amperes {
    const commandedA = 'gridCurrentA' in device ? device.gridCurrentA : undefined;
    return commandedA ?? this.policy.mediator.deal.gridCurrentA;
  }

  // --- records ---

  /** Writes a younger record and tells both parties; rejects unless both have journalled it (INV-7, intent first). */
  async intend(dealId: string, change: DealChange): Promise<void> {
    this.#demandStep();
    const deal = this.deals.change(dealId, change, this.now);
    if (deal === undefined) return;
    this.#demandAlive(deal);
    await Promise.all(partiesOf(deal).map((unitId) => this.#update(deal, unitId)));
    this.#demandStep();
  }

  /** A dead party would be waited for in vain, while the other one carries its current. */
  #demandAlive({ chargeUnitId, dischargeUnitId }: Deal): void {
    const dead = [chargeUnitId, dischargeUnitId].find((unitId) => !this.needs.community.isAlive(unitId));
    if (dead !== undefined) throw deadPeer(dead);
  }

  /** Writes a younger record and tells the parties without waiting: what has been lowered is noted afterwards (RULE-11). */
  note(dealId: string, change: DealChange): void {
    this.#demandStep();
    this.conclude(dealId, change);
  }

  /** As `note`, for the stop itself, which owns all records from its beginning on. */
  conclude(dealId: string, change: DealChange): void {
    const deal = this.deals.change(dealId, change, this.now);
    if (deal !== undefined) void this.tellBehind(dealId);
  }

  /** Tells a record to those parties that have not acknowledged it; those that are silent are told later. */
  async tellBehind(dealId: string): Promise<void> {
    const deal = this.deals.record(dealId);
    if (deal === undefined) return;
    const reachable = this.deals.partiesBehind(dealId).filter((unitId) => this.needs.community.isAlive(unitId));
    const results = await Promise.allSettled(reachable.map((unitId) => this.#update(deal, unitId)));
    for (const one of results) {
      if (one.status === 'rejected')
        this.needs.log.warn({ dealId, message: messageOf(one.reason) }, 'deal.update-failed');
    }
  }

  async #update(deal: Deal, unitId: string): Promise<void> {
    await this.#ask(unitId, { kind: 'deal.update', deal }, answerDeadlineMsec(this.policy));
    this.deals.acknowledged(deal, unitId);
  }

  // --- faults and the grid message ---

  raiseFault(fault: FaultInput): void {
    const isGlobalError = fault.extent === 'GLOBAL' && fault.level !== 'WARN';
    if (isGlobalError) this.#globalErrorAt = this.now;
    this.needs.raise(fault);
  }

  /** Nothing new begins for a while after a global error; stopping goes on (control.md D7). */
  get hasGlobalErrors(): boolean {
    const { errorSustainingMsec } = this.policy.gridMaster;
    if (this.needs.hasGlobalErrors()) return true;
    return this.#globalErrorAt !== undefined && this.now - this.#globalErrorAt < errorSustainingMsec;
  }

  set pass(pass: Pick<GridDraft, 'pass' | 'passMsec'>) {
    this.#pass = pass;
  }

  publish(): void {
    const { voltageReferenceUnitId: vr, handOver } = this;
    const view = this.view();
    const master = masterDealOf(view);
    const grants = this.#grants;
    this.needs.publish({
      ...this.#pass,
      granting: this.isFenced && grants,
      ...(vr === undefined ? {} : { voltageReferenceUnitId: vr }),
      ...(master === undefined ? {} : { masterDealId: master.dealId }),
      ...(handOver === undefined ? {} : { handOver }),
      hasGlobalErrors: this.hasGlobalErrors,
      permits: grants ? this.#permits(view) : [],
    });
  }

  #permits(view: GridView): GridDraft['permits'] {
    return permitsOf({
      ...view,
      masterSide: masterSide(view),
      handOver: this.handOver,
      isFresh: (unitId) => this.units.isFresh(unitId),
      hearsUs: (unitId) => this.needs.hearsUs(unitId),
    });
  }
}
