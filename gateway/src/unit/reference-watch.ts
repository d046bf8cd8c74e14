import type { Members } from '../cluster/members.ts';
import type { HeldPermit } from '../cluster/permit-holder.ts';
import { type ConverterMode, CURRENT_SIGN } from '../domain/converter-mode.ts';

export interface ReferenceWatchNeeds {
  readonly unitId: string;
  readonly members: Members;
  converterMode(): ConverterMode | undefined;
  /** The live permit: it names the reference that it relies on. */
  permit(): Pick<HeldPermit, 'voltageReference'> | undefined;
  /** Own converter to WAIT now. */
  stopNow(reason: string): void;
}

/**
 * RULE-7: a constant-current unit goes to WAIT by itself when the voltage reference that its permit relies on is
 * silent for a second or shows another session; nobody else has to notice.
 */
export class ReferenceWatch {
  readonly #needs: ReferenceWatchNeeds;

  constructor(needs: ReferenceWatchNeeds) {
    this.#needs = needs;
  }

  /** To be called with every heartbeat, beacon and `grid`. */
  check(): void {
    const mode = this.#needs.converterMode();
    const reference = this.#needs.permit()?.voltageReference;
    if (mode === undefined || CURRENT_SIGN[mode] === 0 || reference === undefined) return;
    const { unitId, session } = reference;
    if (unitId === this.#needs.unitId) return;
    const { members } = this.#needs;
    if (!members.isAlive(unitId)) this.#needs.stopNow(`voltage reference ${unitId} is silent`);
    else if (members.get(unitId)?.state.session !== session)
      this.#needs.stopNow(`voltage reference ${unitId} has restarted`);
  }
}
