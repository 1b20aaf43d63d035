/**
 * When may a lock file be taken from its holder? Dovecot's own rules, as one decision.
 *
 *   names a live process of this host     never
 *   names a dead process of this host     once it is 2 s old (younger ones may still be being written)
 *   anything else (other host, empty)     after 120 s in which neither it nor the uidlist changed
 *
 * One rule of our own: a lock with our own process number from before we started was left by a predecessor (in a
 * container every run has the same number), so its process is dead.
 * SOURCE: Dovecot's file-dotlock.c, check_lock() and read_local_pid().
 */

export const DEAD_LOCK_AGE_MS_MIN = 2_000;
export const FOREIGN_LOCK_AGE_MS_MIN = 120_000;

export interface LockFacts {
  /** The lock file's bytes, as far as they could be read. */
  readonly content: string;
  /** Since the lock file's last change. */
  readonly lockAgeMs: number;
  /** Since the last change of the lock file or of the file it protects, whichever was later. */
  readonly unchangedMs: number;
}

export interface LockWitness {
  readonly hostname: string;
  readonly pid: number;
  /** How long this process has been running, if known. */
  readonly upMs?: number;
  readonly isAlive: (pid: number) => boolean;
}

export type StaleDecision =
  | { readonly kind: "stale"; readonly why: "dead-process" | "predecessor" | "unchanged" }
  | { readonly kind: "live" };

/** Pure but for `isAlive`, which is asked at most once. */
export function decideStale(facts: LockFacts, witness: LockWitness): StaleDecision {
  const pid = localPid(facts.content, witness.hostname);
  if (pid === undefined) {
    return facts.unchangedMs > FOREIGN_LOCK_AGE_MS_MIN ? { kind: "stale", why: "unchanged" } : { kind: "live" };
  }
  if (facts.lockAgeMs < DEAD_LOCK_AGE_MS_MIN) return { kind: "live" };
  if (pid === witness.pid) {
    const isOlder = witness.upMs !== undefined && facts.lockAgeMs > witness.upMs + DEAD_LOCK_AGE_MS_MIN;
    return isOlder ? { kind: "stale", why: "predecessor" } : { kind: "live" };
  }
  return witness.isAlive(pid) ? { kind: "live" } : { kind: "stale", why: "dead-process" };
}

/** The process number in "PID:HOSTNAME" if the host is `hostname`. One line end is allowed. */
export function localPid(content: string, hostname: string): number | undefined {
  const line = content.endsWith("\n") ? content.slice(0, -1) : content;
  const colon = line.indexOf(":");
  if (colon < 0 || line.slice(colon + 1) !== hostname) return undefined;
  const digits = line.slice(0, colon);
  return /^\d{1,10}$/.test(digits) && Number(digits) > 0 ? Number(digits) : undefined;
}

/** Whether a process with that number runs here; one that we may not signal does. */
export function isProcessAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}
