import type { Election } from '../cluster/election.ts';
import type { Members } from '../cluster/members.ts';
import type { GridState, Permit } from '../domain/messages.ts';
import type { StampedMode } from '../domain/operation-mode.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { type GridDraft, GridMaster, type GridMasterNeeds, type PermitDraft } from '../grid-master/index.ts';
import type { Bus } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

/** What is said before the grid master has looked around. */
const NOTHING_YET: GridDraft = { pass: 0, passMsec: 0, granting: false, permits: [], hasGlobalErrors: false };

export interface GridMasterHostNeeds {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly election: Election;
  readonly members: Members;
  memberUnitIds(): readonly string[];
  permitMsec(): Milliseconds;
  heartbeatMsec(): Milliseconds;
  mode(): StampedMode;
  /** Everything else that a grid master needs of its unit. */
  gridMasterNeeds(term: number): Omit<GridMasterNeeds, 'unitId' | 'term' | 'publish'>;
}

/** Runs a grid master while this unit leads, and says `grid` for it with the stamps of the cluster. */
export class GridMasterHost {
  readonly #needs: GridMasterHostNeeds;
  #gridMaster: GridMaster | undefined;
  #told: GridDraft | undefined;
  #pass = 0;
  #saidAt: Milliseconds = Number.NEGATIVE_INFINITY;
  #draft: GridDraft = NOTHING_YET;

  constructor(needs: GridMasterHostNeeds) {
    this.#needs = needs;
  }

  get gridMaster(): GridMaster | undefined {
    return this.#gridMaster;
  }

  lead(leading: boolean, term: number): void {
    if (leading) {
      this.#begin(term);
      return;
    }
    const former = this.#gridMaster;
    this.#gridMaster = undefined;
    void former?.stop();
  }

  /** RULE-5: everybody who is still reached is ordered to stop, at once; nothing is granted meanwhile. */
  quorumLost(): void {
    void this.#gridMaster?.stopAll('grid-master.quorum-lost');
  }

  /** Says `grid` now, e.g. after a change of mode. */
  publish(): void {
    if (this.#needs.election.isLeading) this.#publish(this.#draft);
  }

  /** The heartbeat: says `grid` again unless that has just been done. */
  beat(): void {
    const { clock, heartbeatMsec } = this.#needs;
    if (clock.monotonic() - this.#saidAt >= 0.9 * heartbeatMsec()) this.publish();
  }

  #begin(term: number): void {
    this.#draft = NOTHING_YET;
    const gridMaster = new GridMaster({
      ...this.#needs.gridMasterNeeds(term),
      unitId: this.#needs.bus.unitId,
      term,
      publish: (draft) => {
        if (this.#gridMaster !== gridMaster) return; // out of office: its last step may still be at work
        const isNews = this.#told === undefined || !saysTheSame(draft, this.#told);
        this.#told = draft;
        this.#draft = draft;
        if (isNews) this.publish();
        else this.beat();
      },
    });
    this.#gridMaster = gridMaster;
    gridMaster.start();
    this.#needs.log.info({ term }, 'grid-master.started');
  }

  #publish(draft: GridDraft): void {
    const { bus, election, members } = this.#needs;
    this.#pass += 1;
    this.#saidAt = this.#needs.clock.monotonic();
    election.sentGrid(this.#pass);
    const session = members.get(draft.voltageReferenceUnitId ?? '')?.state.session;
    const grid: GridState = {
      ...draft,
      ...(session === undefined ? {} : { voltageReferenceSession: session }),
      gridMasterUnitId: bus.unitId,
      session: bus.session,
      term: election.term,
      pass: this.#pass,
      mode: this.#needs.mode(),
      permitMsec: this.#needs.permitMsec(),
      permits: draft.permits.flatMap((entry) => this.#permit(entry)),
    };
    bus.publish('grid', '', grid, { term: election.term });
  }

  /** A permit names the session and the beacon last heard of its unit; who was never heard gets none (RULE-1). */
  #permit(entry: GridDraft['permits'][number]): Permit[] {
    const state = this.#needs.members.get(entry.unitId)?.state;
    return state === undefined ? [] : [{ ...entry, session: state.session, beacon: state.beacon }];
  }
}

/** What a draft says; which pass made it and how long that took is no news. */
type Said = Omit<GridDraft, 'pass' | 'passMsec'>;
type IsSame = (a: Said, b: Said) => boolean;

const isSameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((one, index) => one === b[index]);

const isSamePermit = (a: PermitDraft, b: PermitDraft | undefined): boolean =>
  a.unitId === b?.unitId && isSameList(a.modes, b.modes) && isSameList(a.dealIds, b.dealIds);

/** Is each field the same? Asked in every pass, for which drafts as texts would be too dear. */
const IS_SAME: { readonly [F in keyof Required<Said>]: IsSame } = {
  granting: (a, b) => a.granting === b.granting,
  voltageReferenceUnitId: (a, b) => a.voltageReferenceUnitId === b.voltageReferenceUnitId,
  masterDealId: (a, b) => a.masterDealId === b.masterDealId,
  handOver: (a, b) => a.handOver?.from === b.handOver?.from && a.handOver?.to === b.handOver?.to,
  hasGlobalErrors: (a, b) => a.hasGlobalErrors === b.hasGlobalErrors,
  permits: ({ permits: a }, { permits: b }) =>
    a.length === b.length && a.every((one, index) => isSamePermit(one, b[index])),
};
const COMPARISONS = Object.values(IS_SAME);

const saysTheSame: IsSame = (a, b) => COMPARISONS.every((isSame) => isSame(a, b));
