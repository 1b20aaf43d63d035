/**
 * A set of UIDs as runs, ascending: what is deleted together lies together. Its text is that of IMAP: "1:5,9".
 */

interface Run {
  readonly first: number;
  readonly last: number;
}

export class UidSet {
  readonly #runs: readonly Run[];

  constructor(uids: Iterable<number>) {
    this.#runs = runsOf([...uids].sort((a, b) => a - b));
  }

  get runs(): readonly Run[] {
    return this.#runs;
  }

  get size(): number {
    return this.#runs.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  }

  /** Ascending. */
  *uids(): Iterable<number> {
    for (const { first, last } of this.#runs) for (let uid = first; uid <= last; uid++) yield uid;
  }

  has(uid: number): boolean {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#runs[middle] as Run).last < uid) low = middle + 1;
      else high = middle;
    }
    const run = this.#runs[low];
    return run !== undefined && run.first <= uid;
  }
}

export function formatUids({ runs }: Pick<UidSet, "runs">): string {
  return runs.map(({ first, last }) => (first === last ? `${first}` : `${first}:${last}`)).join(",");
}

/** Of what `formatUids` has written. */
export function parseUids(text: string): UidSet {
  const uids: number[] = [];
  for (const part of text === "" ? [] : text.split(",")) {
    const [first = "0", last = first] = part.split(":");
    for (let uid = Number(first); uid <= Number(last); uid++) uids.push(uid);
  }
  return new UidSet(uids);
}

function runsOf(ascending: readonly number[]): readonly Run[] {
  const runs: Run[] = [];
  for (const uid of ascending) {
    const run = runs.at(-1);
    if (run !== undefined && uid <= run.last + 1) runs[runs.length - 1] = { first: run.first, last: uid };
    else runs.push({ first: uid, last: uid });
  }
  return runs;
}
