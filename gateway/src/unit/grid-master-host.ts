import type { Election } from '../cluster/election.ts';
import type { Members } from '../cluster/members.ts';
import type { GridState, Permit } from '../domain/messages.ts';
import type { StampedMode } from '../domain/operation-mode.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { type GridDraft, GridMaster, type GridMasterNeeds } from '../grid-master/index.ts';
import type { Bus } from '../ports/bus.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

/** Clock drift and the reference's delay are added to the permit time before an older term counts as over (RULE-4). */
const MARGIN_MSEC = 500;

export interface GridMasterHostNeeds {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly election: Election;
  readonly members: Members;
  memberUnitIds(): readonly string[];
  permitMsec(): Milliseconds;
  heartbeatMsec(): Milliseconds;
  scramVoltageReferenceDelayMsec(): Milliseconds;
  mode(): StampedMode;
  /** Everything else that a grid master needs of its unit. */
  gridMasterNeeds(term: number): Omit<GridMasterNeeds, 'unitId' | 'term' | 'publish'>;
}

/**
 * Runs a grid master while this unit leads. Its work begins only when no permit of an older term can be alive:
 * at once when every member has promised this term, else after the longest life of a permit (RULE-4).
 */
export class GridMasterHost {
  readonly #needs: GridMasterHostNeeds;
  #gridMaster: GridMaster | undefined;
  #ledSince: Milliseconds | undefined;
  #cancelFence: Cancel = () => {};
  #told = '';
  #pass = 0;
  #saidAt: Milliseconds = Number.NEGATIVE_INFINITY;
  #draft: GridDraft = { pass: 0, passMsec: 0, permits: [], hasGlobalErrors: false };

  constructor(needs: GridMasterHostNeeds) {
    this.#needs = needs;
  }

  get gridMaster(): GridMaster | undefined {
    return this.#gridMaster;
  }

  lead(leading: boolean, term: number): void {
    this.#cancelFence();
    if (leading) {
      this.#ledSince = this.#needs.clock.monotonic();
      this.#draft = { pass: 0, passMsec: 0, permits: [], hasGlobalErrors: false };
      this.#tryToBegin(term);
      return;
    }
    this.#ledSince = undefined;
    const former = this.#gridMaster;
    this.#gridMaster = undefined;
    void former?.stop();
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

  #tryToBegin(term: number): void {
    if (this.#needs.election.term !== term || !this.#needs.election.isLeading) return;
    if (this.#isFenced(term)) {
      this.#begin(term);
      return;
    }
    this.publish();
    this.#cancelFence = this.#needs.clock.after(50, () => this.#tryToBegin(term));
  }

  /** RULE-4: every member fresh in this term, or all permits of older terms must have run out. */
  #isFenced(term: number): boolean {
    const { members, clock } = this.#needs;
    const own = this.#needs.bus.unitId;
    const fresh = this.#needs
      .memberUnitIds()
      .every((id) => id === own || (members.isAlive(id) && members.get(id)?.state.term === term));
    const longest = this.#needs.permitMsec() + this.#needs.scramVoltageReferenceDelayMsec() + MARGIN_MSEC;
    return fresh || clock.monotonic() - (this.#ledSince ?? clock.monotonic()) >= longest * 1.1;
  }

  #begin(term: number): void {
    this.#gridMaster = new GridMaster({
      ...this.#needs.gridMasterNeeds(term),
      unitId: this.#needs.bus.unitId,
      term,
      publish: (draft) => {
        const told = toldBy(draft);
        const isNews = told !== this.#told;
        this.#told = told;
        this.#draft = draft;
        if (isNews) this.publish();
        else this.beat();
      },
    });
    this.#gridMaster.start();
    this.#needs.log.info({ term }, 'grid-master.started');
  }

  #publish(draft: GridDraft): void {
    const { bus, election } = this.#needs;
    this.#pass += 1;
    this.#saidAt = this.#needs.clock.monotonic();
    election.sentGrid(this.#pass);
    const grid: GridState = {
      ...draft,
      gridMasterUnitId: bus.unitId,
      session: bus.session,
      term: election.term,
      pass: this.#pass,
      mode: this.#needs.mode(),
      permitMsec: this.#needs.permitMsec(),
      granting: this.#gridMaster !== undefined,
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

/** A draft but for which pass made it and how long that took: equal texts say the same. */
const toldBy = ({ pass: _pass, passMsec: _passMsec, ...rest }: GridDraft): string => JSON.stringify(rest);
