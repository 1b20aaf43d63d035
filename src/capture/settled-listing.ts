/**
 * A listing, and whether it may be believed about what it lacks.
 *
 * A rename during the listing can hide a message. The directory's mtime tells of it, but mtimes move in ticks of up to
 * 10 ms: where the directory was changed in the tick in which the listing began, another change in that tick leaves no trace.
 * So such a listing is not believed. In a large mailbox, where a second listing is dear, the tick is waited out first.
 */
import { listMessages, type MessageListing } from "../maildir/listing.js";
import type { MailboxDirs } from "./open-mailbox.js";

const TICK_MS = 12;
/** For file systems that keep whole seconds. */
const SECOND_TICK_MS = 1_020;
const LARGE_RECORDS = 5_000;

/** `records`: roughly how many messages there are. `nowMs`: the clock that file times come from. May block for one tick. */
export function listSettled(
  dirs: MailboxDirs,
  records: number,
  nowMs: () => number,
): { readonly listing: MessageListing; readonly believable: boolean } {
  const youngest = Math.max(dirs.cur.statSelf().mtimeMs, dirs.fresh?.statSelf().mtimeMs ?? 0);
  const leftMs = tickOf(youngest) - Math.abs(nowMs() - youngest);
  if (records > LARGE_RECORDS && leftMs > 0 && leftMs <= TICK_MS) pause(leftMs);
  const startMs = nowMs();
  const listing = listMessages(dirs.mailbox);
  const isOld = (mtimeMs: number): boolean => Math.abs(startMs - mtimeMs) >= tickOf(mtimeMs);
  return { listing, believable: listing.stable && isOld(listing.curMtimeMs) && isOld(listing.newMtimeMs) };
}

function tickOf(mtimeMs: number): number {
  return Number.isInteger(mtimeMs / 1000) ? SECOND_TICK_MS : TICK_MS;
}

/** The worker has nothing else to do. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
