/** How far a replica is behind, and how long it will take until it is not, by what was done in the last minute. */
import type { StateReader } from "../../log/state-ports.js";

export interface Lag {
  readonly transactions: number;
  /** Age of the oldest. */
  readonly ms: number;
}

/** Of what the log has after that LSN. `nowMs`: since 1970. */
export function lagOf(reader: Pick<StateReader, "lastLsn" | "entriesAfter">, ackedLsn: number, nowMs: number): Lag {
  const transactions = Math.max(0, reader.lastLsn() - ackedLsn);
  const [oldest] = transactions === 0 ? [] : reader.entriesAfter(ackedLsn, 1);
  return { transactions, ms: oldest === undefined ? 0 : Math.max(0, nowMs - oldest.capturedMs) };
}

interface Share {
  readonly done: number;
  readonly all: number;
}

interface Mark {
  readonly atMs: number;
  readonly done: number;
}

/** So far back is looked. */
const WINDOW_MS = 60_000;
/** One mark in so much time; of less no pace is told. */
const MARK_MS = 1_000;
/** After so long without a word it begins anew. */
const SILENCE_MS_MAX = 10_000;

export class Pace {
  /** The oldest first. */
  #marks: Mark[] = [];
  #isCompared = false;
  #notedMs = 0;
  #leftMs: number | undefined;

  /** What is left takes so many milliseconds at this pace. Undefined: nothing is left, or nobody knows. */
  get leftMs(): number | undefined {
    return this.#leftMs;
  }

  /** The link is gone: what the next one has to do begins anew, and until then nothing is done. */
  end(): void {
    [this.#marks, this.#leftMs] = [[], undefined];
  }

  /** `compared`: of all of it, where that is under way. What is counted begins anew where less is done than was. `nowMs`: monotonic. */
  note(
    compared: Share | undefined,
    { ackedLsn, transactions }: { readonly ackedLsn: number; readonly transactions: number },
    nowMs: number,
  ): void {
    const { done, all } = compared ?? { done: ackedLsn, all: ackedLsn + transactions };
    const isCompared = compared !== undefined;
    const last = this.#marks.at(-1);
    const isAnew =
      isCompared !== this.#isCompared || done < (last?.done ?? 0) || nowMs - this.#notedMs > SILENCE_MS_MAX;
    if (isAnew) this.#marks = [];
    [this.#isCompared, this.#notedMs] = [isCompared, nowMs];
    if (isAnew || last === undefined || nowMs - last.atMs >= MARK_MS) this.#marks.push({ atMs: nowMs, done });
    while ((this.#marks[1]?.atMs ?? nowMs) <= nowMs - WINDOW_MS) this.#marks.shift();
    this.#leftMs = leftMsOf(this.#marks[0], { done, all }, nowMs);
  }
}

function leftMsOf(first: Mark | undefined, { done, all }: Share, nowMs: number): number | undefined {
  if (first === undefined || all <= done || done === first.done || nowMs - first.atMs < MARK_MS) return undefined;
  return Math.round(((all - done) * (nowMs - first.atMs)) / (done - first.done));
}
