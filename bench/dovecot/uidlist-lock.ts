/**
 * Dovecot's lock on a mailbox, as Dovecot takes it: `dovecot-uidlist.lock` created exclusively with `PID:HOSTNAME`.
 */
import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { errnoOf } from "../../src/base/errors.js";
import { nodePath } from "../../src/base/raw-name.js";
import { blockFor, monotonicMs } from "../measure/clock.js";

/** Dovecot's own limit is 122 s; a bench that waits that long has failed. */
const WAIT_MS_MAX = 20_000;

/** Runs `work` under the lock of the mailbox; waits up to 20 s for another holder. Throws `EEXIST` after that. */
export function underUidlistLock<T>(mailbox: string, work: () => T): T {
  const lock = `${mailbox}/dovecot-uidlist.lock`;
  const deadlineMs = monotonicMs() + WAIT_MS_MAX;
  while (!tryLock(lock, monotonicMs() > deadlineMs)) blockFor(1);
  try {
    return work();
  } finally {
    unlinkSync(nodePath(lock));
  }
}

function tryLock(lock: string, isLastTry: boolean): boolean {
  try {
    const fd = openSync(nodePath(lock), "wx", 0o600);
    writeSync(fd, `${process.pid}:${hostname()}`);
    closeSync(fd);
    return true;
  } catch (error) {
    if (errnoOf(error) !== "EEXIST" || isLastTry) throw error;
    return false;
  }
}
