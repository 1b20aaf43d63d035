/** Dovecot's lock over a mailbox of the source, for a command that may wait for it. */
import { hostname } from "node:os";
import { systemClock } from "../../base/clock.js";
import type { Dir } from "../../base/disk.js";
import { displayRaw } from "../../base/raw-name.js";
import { type Dotlock, OVERRIDE_PAUSE_MS, removeLockLeftovers, tryLock } from "../../maildir/dotlock.js";
import { isProcessAlive } from "../../maildir/dotlock-stale.js";
import { maildirError } from "../../maildir/errors.js";

const PAUSE_MS = 20;
/** Nobody who works on a mailbox holds it that long. */
const WAIT_MS_MAX = 15_000;
const NEVER = new AbortController().signal;

/** `work` is done under the lock, and waits for nothing. Throws: lock-held, system errors. */
export async function underLock<T>(mailbox: Dir, work: (lock: Dotlock) => T): Promise<T> {
  const untilMs = systemClock.monotonicMs() + WAIT_MS_MAX;
  for (;;) {
    const nowMs = systemClock.nowMs();
    const own = { pid: process.pid, hostname: hostname(), upMs: process.uptime() * 1000, isAlive: isProcessAlive };
    const attempt = tryLock(mailbox, { ...own, nowMs });
    if (attempt.kind === "locked") {
      using lock = attempt.lock;
      removeLockLeftovers(mailbox);
      const result = work(lock);
      lock.release();
      return result;
    }
    if (systemClock.monotonicMs() > untilMs) {
      const what = `locking the mailbox ${displayRaw(mailbox.shownPath)}`;
      throw maildirError("lock-held", `${what}: ${attempt.by === "" ? "somebody" : attempt.by} holds the lock`);
    }
    await systemClock.sleep(attempt.overridden ? OVERRIDE_PAUSE_MS : PAUSE_MS, NEVER);
  }
}
