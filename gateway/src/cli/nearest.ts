/** Number of letters to change, add or drop to get from one word to the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const change = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(change, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The known word that was most likely meant; undefined when none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, away: distance(word.toLowerCase(), candidate) }))
    .sort((a, b) => a.away - b.away);
  const best = ranked[0];
  const isNear = best !== undefined && best.away <= Math.max(2, Math.floor(word.length / 3));
  return isNear ? best.candidate : known.find((candidate) => word !== '' && candidate.startsWith(word));
}

/** ` Did you mean "x"?`, or nothing. */
export function suggestion(word: string, known: readonly string[], prefix = ''): string {
  const found = nearest(word, known);
  return found === undefined ? '' : ` Did you mean "${prefix}${found}"?`;
}
