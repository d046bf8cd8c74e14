import { ALIVE_MSEC, type Member, type Members } from '../cluster/members.ts';
import type { HeldPermit } from '../cluster/permit-holder.ts';
import { type ConverterMode, CURRENT_SIGN } from '../domain/converter-mode.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';
import { Deadline } from '../ports/deadline.ts';

export interface ReferenceWatchNeeds {
  readonly unitId: string;
  readonly clock: Clock;
  readonly members: Members;
  converterMode(): ConverterMode | undefined;
  /** The live permit: it names the reference that it relies on. */
  permit(): Pick<HeldPermit, 'voltageReference'> | undefined;
  /** Own converter to WAIT now. */
  stopNow(reason: string): void;
}

/** Timers of the system may be early by as much. */
const ROUNDING_MSEC: Milliseconds = 1;

/**
 * RULE-7: a constant-current unit goes to WAIT by itself when the voltage reference that its permit relies on is
 * silent for a second or shows another session; nobody else has to notice.
 */
export class ReferenceWatch {
  readonly #needs: ReferenceWatchNeeds;
  readonly #silence: Deadline;
  /** Why it has told the converter to stop, until that is over. */
  #stoppedFor: string | undefined;

  constructor(needs: ReferenceWatchNeeds) {
    this.#needs = needs;
    this.#silence = new Deadline(needs.clock, () => this.check());
  }

  /**
   * To be called with every beacon. Looks again when the second is over, and not only with the next heartbeat: by then
   * `apis safe-stop` may take the voltage of a dead reference away.
   */
  hear({ unitId }: Member): void {
    this.check();
    if (unitId === this.#needs.permit()?.voltageReference?.unitId) this.#silence.in(ALIVE_MSEC + ROUNDING_MSEC);
  }

  stop(): void {
    this.#silence.cancel();
  }

  /** To be called with every heartbeat and `grid`, too: the permit may name another reference. */
  check(): void {
    const loss = this.#loss();
    const isNews = loss !== this.#stoppedFor;
    this.#stoppedFor = loss; // a stop that does not succeed is tried again where it is carried out
    if (loss !== undefined && isNews) this.#needs.stopNow(loss);
  }

  /** How the reference of the current that flows here was lost; undefined while it is there, or nothing flows. */
  #loss(): string | undefined {
    const reference = this.#needs.permit()?.voltageReference;
    if (reference === undefined || reference.unitId === this.#needs.unitId) return undefined;
    const mode = this.#needs.converterMode();
    if (mode === undefined || CURRENT_SIGN[mode] === 0) return undefined;
    const { unitId, session } = reference;
    const { members } = this.#needs;
    if (!members.isAlive(unitId)) return `voltage reference ${unitId} is silent`;
    return members.get(unitId)?.state.session === session ? undefined : `voltage reference ${unitId} has restarted`;
  }
}
