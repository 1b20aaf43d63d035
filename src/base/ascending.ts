/** Searching what ascends, by halves. */

/** Where the first of them stands that is above; `length` when there is none. */
export function firstAbove<T extends number | string>(
  ascending: { readonly length: number; readonly [at: number]: T },
  limit: T,
): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as T) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
