import type { TieBreak } from './choose-accept.ts';

/** 32-bit FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  // The last characters of ids differ most and are stirred least: mix them in once more.
  value ^= value >>> 16;
  value = Math.imul(value, 0x45d9f3b);
  return (value ^ (value >>> 16)) >>> 0;
}

/**
 * Order of equally good accepts that depends on the negotiation, not on whose network is fastest: every unit gets
 * its turn, and a repeated run decides alike (W15).
 */
export const tieBreakBy =
  (negotiationId: string): TieBreak =>
  (a, b) =>
    hash(`${negotiationId}/${a.unitId}`) - hash(`${negotiationId}/${b.unitId}`);
