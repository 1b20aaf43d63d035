/**
 * How long to wait before the next try: longer with each failure in a row, never quite the same for two who fail together.
 */

export interface BackOffLimits {
  readonly msMin: number;
  readonly msMax: number;
}

export const BACK_OFF: BackOffLimits = { msMin: 500, msMax: 60_000 };

export class BackOff {
  readonly #limits: BackOffLimits;
  /** Uniform in [0, 1). */
  readonly #random: () => number;
  #failures = 0;

  constructor(random: () => number, limits: BackOffLimits = BACK_OFF) {
    this.#random = random;
    this.#limits = limits;
  }

  get failures(): number {
    return this.#failures;
  }

  /** After one more failure: between half of, and all of, a bound that doubles each time. */
  nextMs(): number {
    const { msMin, msMax } = this.#limits;
    const bound = Math.min(msMin * 2 ** this.#failures, msMax);
    this.#failures += 1;
    return Math.round(bound / 2 + (bound / 2) * this.#random());
  }

  /** It went well: the next failure is a first one. */
  reset(): void {
    this.#failures = 0;
  }
}
