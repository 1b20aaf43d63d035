/**
 * Files of one mailbox that have no record yet, hence no UID: since when they wait, and where they were seen.
 *
 * That is normal for a while (a delivery that found the lock taken files the mail without one). Names are remembered up
 * to a limit; beyond it files are only counted, and a listing finds them again.
 */
import type { HintedName } from "./capture-types.js";

interface Unnumbered {
  readonly place: HintedName;
  readonly sinceMs: number;
}

export class UnnumberedFiles {
  readonly #namesMax: number;
  #byBase = new Map<string, Unnumbered>();
  /** Files beyond the limit, as of the last listing. */
  #uncounted = 0;
  #uncountedSinceMs = 0;

  constructor(namesMax: number) {
    this.#namesMax = namesMax;
  }

  get count(): number {
    return this.#byBase.size + this.#uncounted;
  }

  /** Some could not be remembered by name. */
  get overflowed(): boolean {
    return this.#uncounted > 0;
  }

  /** 0 when there are none. */
  get oldestSeenMs(): number {
    let oldestMs = this.#uncounted > 0 ? this.#uncountedSinceMs : Number.POSITIVE_INFINITY;
    for (const { sinceMs } of this.#byBase.values()) oldestMs = Math.min(oldestMs, sinceMs);
    return Number.isFinite(oldestMs) ? oldestMs : 0;
  }

  /** Base names, with where they were last seen. */
  *entries(): IterableIterator<readonly [string, HintedName]> {
    for (const [base, { place }] of this.#byBase) yield [base, place];
  }

  placeOf(base: string): HintedName | undefined {
    return this.#byBase.get(base)?.place;
  }

  note(base: string, place: HintedName, nowMs: number): void {
    const sinceMs = this.#byBase.get(base)?.sinceMs ?? nowMs;
    if (this.#byBase.has(base) || this.#byBase.size < this.#namesMax) {
      this.#byBase.set(base, { place, sinceMs });
      return;
    }
    if (this.#uncounted === 0) this.#uncountedSinceMs = nowMs;
    this.#uncounted += 1;
  }

  /** It has a record now, or is gone. */
  settle(base: string): void {
    this.#byBase.delete(base);
  }

  /**
   * What a listing found in place of all that was known before it began; who was known keeps its time. `startedMs`: when it
   * began; what was noted since may have come after its name was due.
   */
  replace(found: Iterable<readonly [string, HintedName]>, nowMs: number, startedMs = Number.POSITIVE_INFINITY): void {
    const [before, overflowSinceMs] = [this.#byBase, this.#uncounted > 0 ? this.#uncountedSinceMs : nowMs];
    this.#byBase = new Map();
    this.#uncounted = 0;
    for (const [base, { place, sinceMs }] of before) if (sinceMs >= startedMs) this.note(base, place, sinceMs);
    for (const [base, place] of found) this.note(base, place, before.get(base)?.sinceMs ?? nowMs);
    if (this.#uncounted > 0) this.#uncountedSinceMs = overflowSinceMs;
  }
}
