/**
 * Whether looks at the whole store come to rest. A mailbox that is missing, or that was listed and is not there, makes the next look
 * due at once, and nothing is settled before one finds all in its place. An owner who renames his folders in a loop can keep that
 * from ever happening.
 *
 * INVARIANT: after a minute of such looks nobody waits any longer, until one was calm: what is missing is named, stays what it was, and
 * is looked for by the looks that come by themselves. Pure but for its memory.
 */

/** Looks that are slow by themselves are not given up on before there were some. */
const LOOKS_MIN = 10;
const WAIT_MS_MAX = 60_000;

export class Turmoil {
  #sinceMs: number | undefined;
  #looks = 0;
  #isCalm = true;
  #isLasting = false;

  /** For as long as this holds, what does not fit together is waited for by nobody. */
  get isLasting(): boolean {
    return this.#isLasting;
  }

  /** A look begins: was the one before, with what was examined after it, a calm one? */
  beginLook(nowMs: number): void {
    if (this.#isCalm) {
      this.#sinceMs = undefined;
      this.#looks = 0;
      this.#isLasting = false;
    } else if (this.#looks >= LOOKS_MIN && nowMs - (this.#sinceMs ?? nowMs) >= WAIT_MS_MAX) this.#isLasting = true;
    this.#isCalm = true;
    this.#looks += 1;
  }

  /** Something is not where it was, or was found and is not there. */
  note(nowMs: number): void {
    this.#isCalm = false;
    this.#sinceMs ??= nowMs;
  }
}
