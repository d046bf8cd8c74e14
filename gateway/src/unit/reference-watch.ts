import type { Members } from '../cluster/members.ts';
import { type ConverterMode, CURRENT_SIGN } from '../domain/converter-mode.ts';
import type { GridState } from '../domain/messages.ts';

export interface ReferenceWatchNeeds {
  readonly unitId: string;
  readonly members: Members;
  converterMode(): ConverterMode | undefined;
  /** Own converter to WAIT now. */
  stopNow(reason: string): void;
}

/**
 * RULE-7: a constant-current unit goes to WAIT by itself when the voltage reference that its permit relies on is
 * silent for a second or shows another session; nobody else has to notice.
 */
export class ReferenceWatch {
  readonly #needs: ReferenceWatchNeeds;
  #reference: { readonly unitId: string; readonly session: string | undefined } | undefined;

  constructor(needs: ReferenceWatchNeeds) {
    this.#needs = needs;
  }

  /** Takes who the reference is from a grid master that this unit obeys. */
  hearGrid(grid: GridState): void {
    const unitId = grid.voltageReferenceUnitId;
    if (unitId === this.#reference?.unitId) return;
    this.#reference = unitId === undefined ? undefined : { unitId, session: this.#sessionOf(unitId) };
  }

  /** To be called with every heartbeat and every beacon. */
  check(): void {
    const mode = this.#needs.converterMode();
    if (mode === undefined || CURRENT_SIGN[mode] === 0 || this.#reference === undefined) return;
    const { unitId, session } = this.#reference;
    if (unitId === this.#needs.unitId) return;
    if (!this.#needs.members.isAlive(unitId)) this.#needs.stopNow(`voltage reference ${unitId} is silent`);
    else if (this.#sessionOf(unitId) !== session) this.#needs.stopNow(`voltage reference ${unitId} has restarted`);
  }

  #sessionOf(unitId: string): string | undefined {
    return this.#needs.members.get(unitId)?.state.session;
  }
}
