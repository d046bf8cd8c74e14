/**
 * Who of the members has become one to deal with: measured, and not barred by a fault. Without it a unit whose peers
 * come late would ask them only in the next period (W21).
 */
export class PartnerWatch {
  /** Sessions of the members that can be dealt with. */
  readonly #sessions = new Map<string, string>();

  /** What a member says of itself; true when it can be dealt with from now on. */
  hear(unitId: string, session: string, isFit: boolean): boolean {
    const isNew = isFit && this.#sessions.get(unitId) !== session;
    if (isFit) this.#sessions.set(unitId, session);
    else this.#sessions.delete(unitId);
    return isNew;
  }
}
