/**
 * How long a lock in other hands is waited for while other mailboxes wait behind it: long enough for any Dovecot, and never so long that
 * an owner who keeps the locks of his own mailboxes, or a process that hangs with one, is felt by the others.
 *
 * INVARIANT: of any time others wait `refill` of it, and `sumMsMax` more, whoever keeps which locks, and lets go of them when.
 * INVARIANT: a mailbox whose lock was not to be had is not waited for until it was had once.
 */
import type { Clock } from "../base/clock.js";

export interface PatienceLimits {
  /** For one mailbox, if it was not waited for lately. */
  readonly eachMsMax: number;
  /** For all of them, if none was. */
  readonly sumMsMax: number;
  /** What comes back of both, as a part of the time that passes. */
  readonly refill: number;
}

/** Where mailboxes that have nothing to do with it wait. Dovecot holds a lock for milliseconds. */
export const IN_LINE: PatienceLimits = { eachMsMax: 500, sumMsMax: 2_000, refill: 0.2 };
/** Where nothing else is under way, or what is given up stays undone until the next run. */
export const FOR_LONG: PatienceLimits = { eachMsMax: 30_000, sumMsMax: 60_000, refill: 0.02 };

const PAUSE_MS_MIN = 1;
const PAUSE_MS_MAX = 50;
/** Mailboxes that are remembered. */
const KNOWN_MAX = 10_000;

interface Spent {
  readonly ms: number;
  readonly atMs: number;
  /** It was given up, and not had since. */
  readonly inVain: boolean;
}

const NOTHING: Spent = { ms: 0, atMs: 0, inVain: false };

interface Waiting<T> {
  /** What came of the first attempt, if one was made. */
  readonly tried?: T | undefined;
  readonly attempt: () => Promise<T>;
  /** It is not worth waiting for any more. */
  readonly isOver?: () => boolean;
}

export class LockPatience {
  readonly #clock: Pick<Clock, "monotonicMs" | "sleep">;
  readonly #limits: PatienceLimits;
  #sum = NOTHING;
  /** Longest ago first. */
  readonly #spentByKey = new Map<string, Spent>();

  constructor(clock: Pick<Clock, "monotonicMs" | "sleep">, limits: PatienceLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** How long that mailbox's lock may be waited for now, milliseconds. */
  of(key: string): number {
    const spent = this.#spentByKey.get(key) ?? NOTHING;
    if (spent.inVain) return 0;
    const { eachMsMax, sumMsMax } = this.#limits;
    return Math.max(0, Math.min(eachMsMax - this.#left(spent), sumMsMax - this.#left(this.#sum)));
  }

  /** It was waited for that long. */
  note(key: string, ms: number, inVain: boolean): void {
    const atMs = this.#clock.monotonicMs();
    const before = this.#spentByKey.get(key) ?? NOTHING;
    this.#sum = { ms: this.#left(this.#sum) + ms, atMs, inVain: false };
    this.#spentByKey.delete(key);
    this.#spentByKey.set(key, { ms: this.#left(before) + ms, atMs, inVain });
    for (const [each, spent] of this.#spentByKey) {
      const isTooMany = this.#spentByKey.size > KNOWN_MAX;
      if (!isTooMany && (spent.inVain || this.#left(spent) > 0)) break;
      this.#spentByKey.delete(each);
    }
  }

  /** It was had at once. */
  noteHad(key: string): void {
    const spent = this.#spentByKey.get(key);
    if (spent?.inVain === true) this.#spentByKey.set(key, { ...spent, inVain: false });
  }

  /** Attempts it until it is not "busy", or the patience has ended: then that is the outcome. */
  async whileBusy<T extends { readonly kind: string }>(
    key: string,
    { tried, attempt, isOver = () => false }: Waiting<T>,
    signal: AbortSignal,
  ): Promise<T> {
    signal.throwIfAborted();
    let outcome = tried ?? (await attempt());
    if (outcome.kind !== "busy") {
      this.noteHad(key);
      return outcome;
    }
    const startMs = this.#clock.monotonicMs();
    const endMs = startMs + this.of(key);
    let pauseMs = PAUSE_MS_MIN;
    while (outcome.kind === "busy" && !isOver() && this.#clock.monotonicMs() < endMs) {
      await this.#clock.sleep(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX);
      outcome = await attempt();
    }
    this.note(key, this.#clock.monotonicMs() - startMs, outcome.kind === "busy");
    return outcome;
  }

  /** What of it is not forgotten. */
  #left({ ms, atMs }: Spent): number {
    return Math.max(0, ms - (this.#clock.monotonicMs() - atMs) * this.#limits.refill);
  }
}

/** For a divergence. */
export function wordsOfBusy({ by, ageMs }: { readonly by: string; readonly ageMs: number }): string {
  const ageS = Math.round(ageMs / 1000);
  if (ageS > 0) return `dovecot-uidlist.lock has been held by ${by} for ${ageS} s`;
  return `its lock, or a file of it, was not to be had all the time, because of ${by === "" ? "others" : by}`;
}
