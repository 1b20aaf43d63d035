/**
 * Times of the two directories of messages: while they stay the same, no name came, went or changed (but for a change within
 * a tick, clock-tick.ts). Programs put mtimes back (rsync -a, cp -a, touch -d); a ctime cannot be set, so both count.
 */
import type { Dir } from "../base/disk.js";

export interface MessageTimes {
  readonly newMtimeMs: number;
  readonly curMtimeMs: number;
  readonly newCtimeMs: number;
  readonly curCtimeMs: number;
}

/** `fresh`: `new/`; a mailbox without one has zeros there. */
export function readMessageTimes(cur: Dir, fresh: Dir | undefined): MessageTimes {
  const { mtimeMs: newMtimeMs, ctimeMs: newCtimeMs } = fresh?.statSelf() ?? { mtimeMs: 0, ctimeMs: 0 };
  const { mtimeMs: curMtimeMs, ctimeMs: curCtimeMs } = cur.statSelf();
  return { newMtimeMs, curMtimeMs, newCtimeMs, curCtimeMs };
}

export function sameMessageTimes(a: MessageTimes, b: MessageTimes): boolean {
  return (
    a.newMtimeMs === b.newMtimeMs &&
    a.curMtimeMs === b.curMtimeMs &&
    a.newCtimeMs === b.newCtimeMs &&
    a.curCtimeMs === b.curCtimeMs
  );
}

/** All four, for a question about each. */
export function timesIn({ newMtimeMs, curMtimeMs, newCtimeMs, curCtimeMs }: MessageTimes): readonly number[] {
  return [newMtimeMs, curMtimeMs, newCtimeMs, curCtimeMs];
}
