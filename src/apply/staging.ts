/**
 * Staging in the thread that applies: finds the directory for a transaction's bodies, the mailbox's own tmp/ or scratch for one
 * that is not there yet, and takes over what the other thread has staged (body-stager.ts).
 */
import type { Dir } from "../base/disk.js";
import type { AdoptedBody, BodyPart, BodyParts, StageOutcome, StageTicket } from "./apply-types.js";
import { closeBelow, type Located, locateMailbox } from "./locate.js";
import { MailboxDirs } from "./mailbox-place.js";
import type { BodyNeed } from "./mailbox-view.js";
import { type Pending, stagedName } from "./pending.js";
import { isOfMailbox } from "./refusing.js";
import { stageBody, stagePart } from "./stage.js";
import { makeStageDir, openStageDir } from "./stage-place.js";
import type { StoreContext } from "./store-context.js";

/** `use` gets the directory for staging when it asks for it. */
export function withStagingDir<T>(context: StoreContext, root: Dir, { txn }: Pending, use: (tmp: () => Dir) => T): T {
  let located: Located | undefined;
  let dirs: MailboxDirs | undefined;
  let stage: Dir | undefined;
  const open = (): Dir => {
    located = locateMailbox(root, context.cache.get(txn.mailbox), txn);
    if (located.kind === "found" && located.hasCur) {
      dirs = new MailboxDirs(located.dir);
      return dirs.tmp;
    }
    stage = makeStageDir(context, txn.mailbox);
    return stage;
  };
  let tmp: Dir | undefined;
  try {
    return use(() => {
      tmp ??= open();
      return tmp;
    });
  } finally {
    dirs?.[Symbol.dispose]();
    stage?.close();
    if (located?.kind === "found") closeBelow(root, located.dir);
  }
}

/**
 * Stages those of the bodies at hand that are lacking, and makes them durable. Stops at the first that is not what was announced.
 * Their names in `tmp/` need not be durable: a crash that takes one leaves a transaction that comes again. The name that counts is
 * the one in `cur/`, and that directory is synced before a record tells of it (execute.ts).
 */
export function stageAlong(
  tmp: () => Dir,
  pending: Pending,
  lacking: readonly BodyNeed[],
  bodies: readonly BodyParts[],
):
  | { readonly kind: "staged"; readonly wants: readonly BodyNeed[]; readonly taken: number }
  | Exclude<StageOutcome, { readonly kind: "staged" }> {
  const bodyByIndex = new Map(bodies.map((body) => [body.index, body]));
  const wants: BodyNeed[] = [];
  let taken = 0;
  for (const need of lacking) {
    const body = bodyByIndex.get(need.index);
    if (body === undefined) {
      wants.push(need);
      continue;
    }
    const outcome = stageBody(tmp(), pending, body, true);
    if (outcome.kind === "diverged") return outcome;
    taken += 1;
  }
  return { kind: "staged", wants, taken };
}

/** Stops at the first body that is not what was announced. */
export function stageBodies(
  context: StoreContext,
  root: Dir,
  pending: Pending,
  bodies: readonly BodyParts[],
): StageOutcome {
  return withStagingDir(context, root, pending, (tmp): StageOutcome => {
    for (const body of bodies) {
      const outcome = stageBody(tmp(), pending, body);
      if (outcome.kind === "diverged") return outcome;
    }
    return { kind: "staged" };
  });
}

export function stageBodyPart(context: StoreContext, root: Dir, pending: Pending, part: BodyPart): StageOutcome {
  return withStagingDir(context, root, pending, (tmp) => stagePart(tmp(), pending, part));
}

/** Where another thread may stage the bodies: where this one would at this moment. */
export function ticketFor({ cache, options }: StoreContext, root: Dir, { txn, expected }: Pending): StageTicket {
  const { storeRoot, scratchRoot, sites } = options;
  const ticket = { storeRoot, scratchRoot, sites, expected };
  const located = locateMailbox(root, cache.get(txn.mailbox), txn);
  if (located.kind !== "found") return ticket;
  const { path, dir, hasCur } = located;
  const { dev, ino } = dir;
  closeBelow(root, dir);
  return hasCur ? { ...ticket, mailbox: { path, dev, ino } } : ticket;
}

/** Its bytes were checked by whoever staged it. */
export function adoptStaged({ key, staged, held, gone }: Pending, bodies: readonly AdoptedBody[]): void {
  for (const { index, ino } of bodies) {
    staged.set(index, { name: stagedName(key, index), ino });
    held.delete(index);
    gone.delete(index);
  }
}

/** The bodies, not their names, as `stageAlong`. */
export function syncStaged(context: StoreContext, root: Dir, pending: Pending): void {
  eachStagedDir(context, root, pending, (dir) => {
    for (const [index, { name }] of pending.staged) {
      const stat = dir.stat(name);
      if (stat === undefined) continue; // it is in the other directory.
      // What its owner put there is no body: found lacking when the transaction is executed.
      if (stat.kind !== "file" || !syncFile(dir, name)) pending.staged.delete(index);
    }
  });
}

/** False when it is not there any more, or something else is. */
function syncFile(dir: Dir, name: string): boolean {
  try {
    dir.syncFile(name);
    return true;
  } catch (error) {
    if (!isOfMailbox(error)) throw error;
    return false;
  }
}

export function hasStaged({ staged, partial, held }: Pending): boolean {
  return staged.size > 0 || partial.size > 0 || held.size > 0;
}

export function removeStaged(context: StoreContext, root: Dir, pending: Pending): void {
  const { key, staged, partial, held } = pending;
  const indexes = new Set([...staged.keys(), ...partial.keys(), ...held.keys()]);
  eachStagedDir(context, root, pending, (dir) => {
    for (const index of indexes) dir.unlink(stagedName(key, index));
  });
}

function eachStagedDir(context: StoreContext, root: Dir, { txn }: Pending, use: (dir: Dir) => void): void {
  const stage = openStageDir(context, txn.mailbox);
  try {
    if (stage !== undefined) use(stage);
  } finally {
    stage?.close();
  }
  const located = locateMailbox(root, context.cache.get(txn.mailbox), txn);
  if (located.kind !== "found") return;
  try {
    using dirs = new MailboxDirs(located.dir);
    if (located.hasCur) use(dirs.tmp);
  } finally {
    closeBelow(root, located.dir);
  }
}
