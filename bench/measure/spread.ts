/**
 * Median and spread of repeated runs. Single times mean nothing on a machine with neighbours; ratios are formed per
 * round, between runs that stood next to each other.
 */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
}

/** Of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new RangeError("the spread of no values");
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
  return { median, min: sorted[0] ?? median, max: sorted.at(-1) ?? median, runs: sorted.length };
}

/** Spread of `values[i] / others[i]`. */
export function ratioSpread(values: readonly number[], others: readonly number[]): Spread {
  if (values.length !== others.length) throw new RangeError("ratios need as many runs of one as of the other");
  return spreadOf(values.map((value, round) => value / (others[round] ?? Number.NaN)));
}
