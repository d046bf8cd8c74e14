const LONGEST = 100;

/** Any value as short text for a refusal; never throws, whatever a peer has sent (INV-11). */
export const textOf = (value: unknown): string =>
  (typeof value === 'string' ? value : String(JSON.stringify(value))).slice(0, LONGEST);
