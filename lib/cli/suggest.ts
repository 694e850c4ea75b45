/** "Did you mean": the nearest of a few known words. */

/** Edits that a typing slip costs at most. */
const EDITS_MAX = 2;
/** Longer words are no slip of a known one; comparing them would be work for nothing. */
const WORD_LENGTH_MAX = 32;

/** A sentence to append to an error, or nothing where no known word is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? "" : ` Did you mean ${near}?`;
}

function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > WORD_LENGTH_MAX) return undefined;
  const ranked = known.map((one) => ({ one, edits: edits(word, one) })).sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  if (best !== undefined && best.edits <= EDITS_MAX) return best.one;
  return word.length < 5 ? undefined : known.find((one) => one.startsWith(word) || word.startsWith(one));
}

/** Levenshtein's distance, one row at a time. */
function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, letter] of Array.from(from).entries()) {
    row = row.reduce<number[]>((next, _, at) => {
      if (at === 0) return [index + 1];
      const swap = (row[at - 1] ?? 0) + (letter === to[at - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[at] ?? 0) + 1, (next[at - 1] ?? 0) + 1));
      return next;
    }, []);
  }
  return row[to.length] ?? 0;
}
