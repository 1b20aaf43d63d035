/**
 * "Did you mean ...?": which known name is so near to what was written that it may have been meant.
 *
 * The distance counts letters that are put in, left out, replaced, and neighbours that are exchanged (optimal string alignment).
 */

/** Longer names are not compared: the cost is their product, and nobody means them. */
const LETTERS_MAX = 64;

/** The nearest of `known`, the first of equals; undefined when none is near. */
export function closest(written: string, known: readonly string[]): string | undefined {
  if (written.length > LETTERS_MAX) return undefined;
  // Of two letters any change makes another name; then only case is forgiven.
  const far = written.length < 3 ? 1 : Math.max(1, Math.floor(written.length / 3)) + 1;
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const name of known) {
    const distance = name.length > LETTERS_MAX ? far : distanceOf(written.toLowerCase(), name.toLowerCase());
    if (distance < (best?.distance ?? far)) best = { name, distance };
  }
  return best?.name;
}

function distanceOf(a: string, b: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      let least = Math.min((current[column - 1] ?? 0) + 1, (last[column] ?? 0) + 1, (last[column - 1] ?? 0) + same);
      const isExchanged = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (isExchanged) least = Math.min(least, (beforeLast[column - 2] ?? 0) + 1);
      current.push(least);
    }
    [beforeLast, last] = [last, current];
  }
  return last[b.length] ?? 0;
}
