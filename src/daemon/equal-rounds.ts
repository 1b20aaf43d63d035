/**
 * How often a run captures and ships again because something came while it shipped. Usually once or twice: a conflict gives messages
 * new UIDs, which is captured and shipped in its turn.
 *
 * INVARIANT: each round that has ended is enough, since all that stood in the source when it began is on the destination. So a source
 * that never comes to rest (an owner who renames all the time) is waited for a minute, and no longer.
 */

/** Rounds that are slow by themselves are not given up on before there were some. */
const ROUNDS_MIN = 20;
const WAIT_MS_MAX = 60_000;

export class EqualRounds {
  #firstMs: number | undefined;
  #rounds = 0;

  /** One has ended; returns whether nobody waits for another one, although there is something new. */
  isEnough(nowMs: number): boolean {
    this.#firstMs ??= nowMs;
    this.#rounds += 1;
    return this.#rounds >= ROUNDS_MIN && nowMs - this.#firstMs >= WAIT_MS_MAX;
  }
}
