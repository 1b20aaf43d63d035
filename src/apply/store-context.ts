/**
 * What every part of this room works with, and the one way to take Dovecot's lock.
 */
import type { Clock } from "../base/clock.js";
import type { CrashPoint } from "../base/crash-points.js";
import type { Dir, Disk } from "../base/disk.js";
import type { StateReader } from "../log/state-ports.js";
import { type Dotlock, OVERRIDE_PAUSE_MS, tryLock } from "../maildir/dotlock.js";
import type { ApplyOptions } from "./apply-types.js";
import type { Whereabouts } from "./astray.js";
import { removeLeftovers } from "./leftovers.js";
import type { Limbo } from "./limbo.js";
import type { KnownMailbox, MailboxCache } from "./mailbox-cache.js";

export interface StoreContext {
  readonly disk: Disk;
  readonly options: ApplyOptions;
  readonly clock: Pick<Clock, "nowMs" | "monotonicMs">;
  readonly reader: StateReader;
  readonly cache: MailboxCache;
  readonly limbo: Limbo;
  readonly whereabouts: Whereabouts;
  readonly life: Life;
  readonly isAlive: (pid: number) => boolean;
}

/**
 * Crash points, and whether one was reached that did not return: from then on nothing may be cleaned up. A process that
 * is killed does not come back here; a test that throws in its place does.
 */
export class Life {
  readonly #point: CrashPoint;
  #hasEnded = false;

  constructor(point: CrashPoint) {
    this.#point = point;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  readonly reach: CrashPoint = (name) => {
    this.#hasEnded = true;
    this.#point(name);
    this.#hasEnded = false;
  };
}

/** In the order in which a transaction reaches them. The session reaches those before "locked", and the last one. */
export const APPLY_CRASH_POINTS = [
  "apply.staged",
  "apply.intent",
  "apply.locked",
  "apply.keywords-written",
  "apply.body-renamed",
  "apply.bodies-renamed",
  "apply.flags-renamed",
  "apply.uidlist-written",
  "apply.unlocked",
  "apply.effect-recorded",
] as const;

/**
 * Between the steps in which mailboxes are made, moved and removed, and mail is taken to the limbo, in that order. "part-moved"
 * is reached after each part of a mailbox that does not move as a whole.
 */
export const MAILBOX_CRASH_POINTS = [
  "apply.mailbox-built",
  "apply.parents-made",
  "apply.mailbox-moved-in",
  "apply.uidlist-moved-in",
  "apply.parts-moved-in",
  "apply.cur-moved-in",
  "apply.identity-taken",
  "apply.mailbox-renamed",
  "apply.target-made",
  "apply.target-cleared",
  "apply.part-moved",
  "apply.parts-out",
  "apply.parts-in",
  "apply.mailbox-in-limbo",
  "apply.bodies-in-limbo",
] as const;

export type Busy = { readonly kind: "busy"; readonly by: string; readonly ageMs: number };

export type Held<T> = Busy | { readonly kind: "held"; readonly value: T; readonly lockedMs: number };

/**
 * Runs `use` while the mailbox's uidlist lock is ours; "busy" at once when it is not to be had. Nothing waits here.
 * Throws: what `use` throws (the lock is released first), lock-lost.
 */
export function underLock<T>(
  { options, clock, life, isAlive }: StoreContext,
  { known, dir }: { readonly known: KnownMailbox; readonly dir: Dir },
  use: (lock: Dotlock) => T,
): Held<T> {
  const startMs = clock.monotonicMs();
  if (startMs < known.lockNotBeforeMs) return { kind: "busy", by: "", ageMs: 0 };
  const { pid, hostname } = options;
  const attempt = tryLock(dir, { pid, hostname, nowMs: clock.nowMs(), upMs: startMs, isAlive });
  if (attempt.kind === "held") {
    const { by, ageMs, overridden } = attempt;
    if (overridden) known.lockNotBeforeMs = startMs + OVERRIDE_PAUSE_MS;
    return { kind: "busy", by, ageMs };
  }
  const { lock } = attempt;
  let value: T;
  try {
    life.reach("apply.locked");
    if (known.mayHaveLeftovers) known.mayHaveLeftovers = removeLeftovers(dir);
    value = use(lock);
  } catch (error) {
    if (!life.hasEnded) lock[Symbol.dispose]();
    throw error;
  }
  lock.release();
  life.reach("apply.unlocked");
  return { kind: "held", value, lockedMs: clock.monotonicMs() - startMs };
}
