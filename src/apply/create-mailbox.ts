/**
 * A mailbox comes to be: built complete where nobody looks, then moved in by one rename, so that no session ever sees
 * half of it (a directory without a uidlist would get its own UIDVALIDITY from Dovecot).
 *
 * Where the directory is there already without being a mailbox (a Maildir++ root, the parent of a nested one, an empty
 * target) the parts move in under the lock, `cur/` last: by it Dovecot and we tell that there is a mailbox.
 */
import { assert } from "../base/assert.js";
import type { Dir } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { isRawName, splitRaw } from "../base/raw-name.js";
import type { LimboRow } from "../log/state-types.js";
import { CUR, KEYWORDS_FILE, NEW, TMP, UIDLIST_FILE } from "../maildir/mailbox-files.js";
import { type DirectoryMark, markOf } from "../maildir/whose-tree.js";
import type { Structure, Transaction } from "../txn/transaction.js";
import { effectOf, runPlan } from "./apply-messages.js";
import type { ExecuteOutcome } from "./apply-types.js";
import { refuseTaken } from "./execute.js";
import { emptyView } from "./gather.js";
import { moveWithin, openMade } from "./limbo.js";
import { closeBelow } from "./locate.js";
import type { KnownMailbox } from "./mailbox-cache.js";
import { makeChild, openParent } from "./mailbox-parts.js";
import { MailboxDirs } from "./mailbox-place.js";
import type { Pending } from "./pending.js";
import { type ApplyPlan, planApply } from "./plan.js";
import { BUILD } from "./scratch-areas.js";
import { removeStageDir, removeTree } from "./stage-place.js";
import { type Busy, type StoreContext, underLock } from "./store-context.js";
import { type UndoLog, undoing } from "./undo-log.js";

export interface CreateInput {
  readonly root: Dir;
  readonly pending: Pending;
  readonly known: KnownMailbox;
  /** The directory at the mailbox's path, if there is one; it has no cur/. */
  readonly standing: Dir | undefined;
}

type CreateStructure = Extract<Structure, { kind: "create" }>;

const MAILDIR_FOLDER_FILE = "maildirfolder";

export function createMailbox(context: StoreContext, input: CreateInput): ExecuteOutcome {
  const { pending, known } = input;
  const { txn, gone, voidBelow } = pending;
  const planned = planApply({ view: emptyView(), txn, gone, voidBelow });
  if (planned.kind === "diverged") return planned;
  const { plan } = planned;
  const wants = plan.needs.filter(({ index }) => !pending.staged.has(index));
  if (wants.length > 0) return { kind: "lacking", wants };
  const builds = openMade(context.disk, context.options.scratchRoot, [BUILD]);
  try {
    const published = buildAndPublish(context, input, { plan, builds });
    if (published.kind === "busy") return published;
    known.uidlist.forget();
    known.unrecorded = new Map();
    removeStageDir(context, txn.mailbox);
    const effect = effectOf(context, { pending, known, plan, ...published });
    return { kind: "applied", effect, notes: plan.notes, lockedMs: published.lockedMs };
  } finally {
    builds.close();
  }
}

type Published =
  | Busy
  | {
      readonly kind: "published";
      readonly rows: readonly LimboRow[];
      readonly lockedMs: number;
      readonly directory: DirectoryMark;
    };

function buildAndPublish(
  context: StoreContext,
  input: CreateInput,
  { plan, builds }: { readonly plan: ApplyPlan; readonly builds: Dir },
): Published {
  const { txn } = input.pending;
  const name: string = txn.mailbox;
  assert(isRawName(name), "a GUID is a file name");
  removeTree(builds, name);
  const build = makeChild(builds, name, structureOf(txn).owner);
  try {
    const rows = buildMailbox(context, input, { plan, build });
    context.life.reach("apply.mailbox-built");
    const moved = input.standing === undefined ? moveIn(context, input, builds) : moveInPlace(context, input, build);
    if (moved.kind === "busy") returnBodies(context, input.pending, { plan, build });
    if (moved.kind === "busy") return moved;
    const directory = markOf((input.standing ?? build).statSelf());
    return { kind: "published", rows, lockedMs: moved.lockedMs, directory };
  } catch (error) {
    // If it has moved in, it is the mailbox, whatever failed afterwards.
    const isStillHere = !context.life.hasEnded && builds.stat(name) !== undefined;
    if (isStillHere) returnBodies(context, input.pending, { plan, build });
    throw error;
  } finally {
    build.close();
    if (!context.life.hasEnded) removeTree(builds, name);
  }
}

function structureOf({ structure }: Transaction): CreateStructure {
  assert(structure?.kind === "create", "only a creation creates");
  return structure;
}

function buildMailbox(
  context: StoreContext,
  { pending }: CreateInput,
  { plan, build }: { readonly plan: ApplyPlan; readonly build: Dir },
): LimboRow[] {
  const { owner, maildirFolder, messageDirs = [owner, owner, owner] } = structureOf(pending.txn);
  for (const [i, name] of [CUR, NEW, TMP].entries()) makeChild(build, name, messageDirs[i]).close();
  if (maildirFolder) {
    const { uid, gid, mode } = owner;
    build.createFile(MAILDIR_FOLDER_FILE, [], { mode: mode & 0o666, owner: { uid, gid }, sync: true });
  }
  using dirs = new MailboxDirs(build);
  const rows = runPlan(context, { plan, pending, dirs, uidlist: undefined, lock: undefined });
  build.sync();
  return rows;
}

type Moved = Busy | { readonly kind: "moved"; readonly lockedMs: number };

/** The whole directory, by one rename. If somebody has made one there meanwhile, the caller looks again. */
function moveIn(context: StoreContext, { root, pending: { txn } }: CreateInput, builds: Dir): Moved {
  const { life } = context;
  const { owner, parents } = structureOf(txn);
  const name = splitRaw(txn.path).at(-1);
  assert(name !== undefined, "the store's root is always there");
  const parent = openParent(context, root, txn.path, [...parents, owner]);
  try {
    life.reach("apply.parents-made");
    moveWithin(builds, txn.mailbox, parent, name);
    parent.sync();
    life.reach("apply.mailbox-moved-in");
    return { kind: "moved", lockedMs: 0 };
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(errnoOf(error) ?? "")) throw error;
    return { kind: "busy", by: "whoever has just made a directory in its place", ageMs: 0 };
  } finally {
    closeBelow(root, parent);
  }
}

/**
 * Part by part, under the lock; what stands there of an earlier attempt is replaced. The uidlist comes first and `cur/` last: if a
 * client's login makes a mailbox of what a crash left, it is this one, and not another with our mail in its `new/`.
 */
function moveInPlace(context: StoreContext, { known, standing }: CreateInput, build: Dir): Moved {
  assert(standing !== undefined, "there is a directory to move into");
  const { life } = context;
  const held = underLock(context, { known, dir: standing }, (lock) =>
    undoing(life, (undo) => {
      const bring = (name: string): void => {
        undo.pushRename(standing, name, build, name);
        moveWithin(build, name, standing, name);
      };
      lock.assertOurs();
      bring(UIDLIST_FILE);
      life.reach("apply.uidlist-moved-in");
      for (const name of [MAILDIR_FOLDER_FILE, KEYWORDS_FILE]) if (build.stat(name) !== undefined) bring(name);
      bringNewFiles({ build, standing }, undo);
      for (const name of [TMP, NEW]) if (standing.stat(name) === undefined) bring(name);
      life.reach("apply.parts-moved-in");
      bring(CUR);
      standing.sync();
      life.reach("apply.cur-moved-in");
    }),
  );
  return held.kind === "busy" ? held : { kind: "moved", lockedMs: held.lockedMs };
}

/** If the directory has a `new/` of its own, mail that belongs there goes into it. */
function bringNewFiles({ build, standing }: { readonly build: Dir; readonly standing: Dir }, undo: UndoLog): void {
  const to = standing.openDir(NEW);
  if (to === undefined) return;
  undo.hold(to);
  const from = build.openDir(NEW);
  assert(from !== undefined, "it was built a moment ago");
  undo.hold(from);
  for (const name of from.list()) {
    // Of the same size it is what an earlier attempt of ours had brought; anything else is not ours to replace.
    if (to.stat(name)?.size !== from.stat(name)?.size) refuseTaken(to, name);
    undo.pushRename(to, name, from, name);
    from.rename(name, to, name);
  }
  to.sync();
}

/** Nothing became visible: the bodies go back to where they were staged, for the next attempt. */
function returnBodies(
  context: StoreContext,
  pending: Pending,
  { plan, build }: { readonly plan: ApplyPlan; readonly build: Dir },
): void {
  if (build.stat(CUR) === undefined) return; // it moves in last.
  using dirs = new MailboxDirs(build);
  const stage = openMade(context.disk, context.options.scratchRoot, ["stage", pending.txn.mailbox]);
  try {
    for (const step of plan.steps) {
      if (step.kind !== "place") continue;
      const dir = step.dir === "cur" ? dirs.cur : dirs.new;
      if (dir?.stat(step.name) === undefined) continue;
      const body = pending.staged.get(step.index);
      if (body !== undefined) dir.rename(step.name, stage, body.name);
    }
  } finally {
    stage.close();
  }
}
