/**
 * After a crash: removes what only a killed process could have left, and says which intents are dealt with.
 *
 * What had become visible stays: the source sends the transaction again, and applying it again completes it. So nothing
 * here decides about mail; only staged files (by their names), half-built mailboxes, our dead lock, our temporary files
 * and a line of the uidlist without an end go.
 */
import type { Dir } from "../base/disk.js";
import { replaceDurably } from "../base/durable-file.js";
import { openBelow } from "../base/open-below.js";
import { isRawName, splitRaw } from "../base/raw-name.js";
import type { LimboRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { TMP, UIDLIST_FILE, UIDLIST_LOCK_FILE, UIDLIST_TEMP_FILE } from "../maildir/mailbox-files.js";
import { planUidlistRewrite } from "../maildir/uidlist-write.js";
import type { ApplyNote, RecoverOutcome } from "./apply-types.js";
import { returnParked } from "./exchange.js";
import { hasLeftovers, removeLeftovers, removeUnlessDirectory } from "./leftovers.js";
import { openScratch } from "./limbo.js";
import { closeBelow } from "./locate.js";
import { lostRows } from "./lost-rows.js";
import { openStore } from "./mailbox-place.js";
import { decodeIntent, type Intent, isOfTransaction, isStagedName } from "./pending.js";
import { isOfMailbox } from "./refusing.js";
import { BUILD, STAGE } from "./scratch-areas.js";
import { removeTree } from "./stage-place.js";
import { type StoreContext, underLock } from "./store-context.js";

/**
 * INVARIANT: the intent of a transaction stays until that comes to its end, in whichever run: one that is killed again would else
 * leave nothing that tells of files without a record and of what lies in the limbo without a row.
 */
export function recoverStore(context: StoreContext): RecoverOutcome {
  const { disk, options, reader, cache } = context;
  const notes: ApplyNote[] = [];
  const limbo: LimboRow[] = [];
  const intents = reader.intents().map(({ id, bytes }) => ({ id, intent: decodeIntent(bytes) }));
  const known = intents.flatMap(({ id, intent }) => (intent === undefined ? [] : [{ id, intent }]));
  const root = openStore(disk, options.storeRoot);
  try {
    const targets = known.map(({ intent }) => intent.path);
    returnParked(context, root, targets);
    for (const { id, intent } of known) {
      cache.forget(intent.mailbox);
      recoverMailbox(context, root, intent, notes);
      if (isOfTransaction(intent)) cache.doubt(intent.mailbox, id);
      else limbo.push(...recoverRequest(context, root, intent));
    }
    // A transaction that was cut off before its intent has left bodies wherever it staged them.
    // One that was cut off between lock and intent, or after its intent was dropped, has left its lock.
    for (const { guid, path } of reader.mailboxes()) recoverQuietly(context, root, { mailbox: guid, path }, notes);
  } finally {
    root.close();
  }
  clearScratch(context);
  const isOver = (intent: Intent | undefined): boolean => intent === undefined || !isOfTransaction(intent);
  return { intentIds: intents.filter(({ intent }) => isOver(intent)).map(({ id }) => id), limbo, notes };
}

/** It does not come again by itself, so what it came not to record is recorded now. */
function recoverRequest(context: StoreContext, root: Dir, { mailbox, path }: Intent): LimboRow[] {
  const rows = lostRows(context, root, { mailbox, path });
  context.limbo.remember(rows);
  // A transaction of the same mailbox may have been cut off as well: what that left is still in doubt.
  if (context.cache.doubtAbout(mailbox)?.intents.length === 0) context.cache.settle(mailbox);
  return rows;
}

function clearScratch({ disk, options }: StoreContext): void {
  const scratch = disk.openRoot(options.scratchRoot);
  try {
    for (const name of [STAGE, BUILD]) {
      openScratch(disk, options.scratchRoot, [name])?.close(); // throws for what is not ours to clear.
      if (scratch !== undefined && isRawName(name)) removeTree(scratch, name);
    }
  } finally {
    scratch?.close();
  }
}

/** At the path of the intent, and at the one that the baseline knows: one of the two, if it was being renamed. */
function recoverMailbox(context: StoreContext, root: Dir, intent: Intent, notes: ApplyNote[]): void {
  for (const path of new Set([intent.path, context.cache.rowOf(intent.mailbox)?.path ?? intent.path])) {
    const dir = openQuietly(root, path);
    if (dir === undefined) continue;
    try {
      removeStaged(dir);
      repairUidlist(context, { dir, mailbox: intent.mailbox, notes });
    } catch (error) {
      if (!isOfMailbox(error)) throw error; // the transaction comes again, and says so.
    } finally {
      closeBelow(root, dir);
    }
  }
}

/** Of a mailbox without an intent: what needs its lock is looked for first, since nearly every mailbox has nothing of it. */
function recoverQuietly(
  context: StoreContext,
  root: Dir,
  { mailbox, path }: Omit<Intent, "key">,
  notes: ApplyNote[],
): void {
  const dir = openQuietly(root, path);
  if (dir === undefined) return;
  try {
    removeStaged(dir);
    const isSuspect = dir.stat(UIDLIST_LOCK_FILE) !== undefined || hasLeftovers(dir);
    if (isSuspect) repairUidlist(context, { dir, mailbox, notes });
  } catch (error) {
    if (!isOfMailbox(error)) throw error; // what stands in the place of tmp/ or the lock is named when mail comes.
  } finally {
    closeBelow(root, dir);
  }
}

function openQuietly(root: Dir, path: Intent["path"]): Dir | undefined {
  try {
    return openBelow(root, splitRaw(path));
  } catch (error) {
    if (isOfMailbox(error)) return undefined; // the transaction itself will say so.
    throw error;
  }
}

/** All of ours, not only the intent's: what a transaction that got no intent had staged is void as well. */
function removeStaged(dir: Dir): void {
  const tmp = dir.openDir(TMP);
  if (tmp === undefined) return;
  try {
    for (const name of tmp.list()) if (isStagedName(name)) removeUnlessDirectory(tmp, name);
  } finally {
    tmp.close();
  }
}

interface RepairInput {
  readonly dir: Dir;
  readonly mailbox: MailboxGuid;
  readonly notes: ApplyNote[];
}

/** Removes what a kill leaves. Whoever holds the lock lives, and will not have left the line behind; then the next transaction sees to it. */
function repairUidlist(context: StoreContext, { dir, mailbox, notes }: RepairInput): void {
  const known = context.cache.get(mailbox);
  const hadLock = dir.stat(UIDLIST_LOCK_FILE) !== undefined;
  const { lockNotBeforeMs } = known;
  if (!hadLock && dir.stat(UIDLIST_FILE) === undefined && !hasLeftovers(dir)) return;
  const held = underLock(context, { known, dir }, (lock) => {
    removeLeftovers(dir); // a mailbox that was on its way may have some in two places.
    const read = known.uidlist.read(dir);
    if (!("uidlist" in read) || read.uidlist.endsWithNewline) return false;
    const { mode, uid, gid } = read.stat;
    lock.assertOurs();
    const parts = planUidlistRewrite(read.uidlist, { drop: new Set(), add: [] });
    replaceDurably(dir, UIDLIST_FILE, parts, { tempName: UIDLIST_TEMP_FILE, mode, owner: { uid, gid }, syncDir: true });
    return true;
  });
  if (held.kind === "held" && held.value) {
    notes.push({ kind: "torn-line-removed", words: "an unfinished last line of dovecot-uidlist was removed" });
  }
  if (known.lockNotBeforeMs !== lockNotBeforeMs) {
    notes.push({ kind: "lock-overridden", words: "dovecot-uidlist.lock of a dead process was removed" });
  }
}
