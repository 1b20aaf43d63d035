/**
 * A mailbox comes to be: built complete where nobody looks, then moved in by one rename, so that no session ever sees
 * half of it (a directory without a uidlist would get its own UIDVALIDITY from Dovecot).
 *
 * Where the directory is there already without being a mailbox (a Maildir++ root, the parent of a nested one, an empty
 * target) the parts move in under the lock, `cur/` last: by it Dovecot and we tell that there is a mailbox.
 */
import { assert } from "../base/assert.js";
import type { Dir, FileStat } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { isRawName, splitRaw } from "../base/raw-name.js";
import type { LimboRow } from "../log/state-types.js";
import { CUR, KEYWORDS_FILE, NEW, TMP, UIDLIST_FILE } from "../maildir/mailbox-files.js";
import { UIDLIST_BYTES_MAX } from "../maildir/uidlist.js";
import { type DirectoryMark, markOf } from "../maildir/whose-tree.js";
import type { Structure, Transaction } from "../txn/transaction.js";
import { effectOf, runPlan } from "./apply-messages.js";
import type { ExecuteOutcome } from "./apply-types.js";
import { type Divergence, divergence } from "./divergence.js";
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
  const { pending, known, standing } = input;
  const { txn, gone, voidBelow } = pending;
  const barred = standing === undefined ? undefined : refuseBarred(standing, txn);
  if (barred !== undefined) return { kind: "diverged", divergence: barred };
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
 * INVARIANT: where it fails, all that stood there stands there again. A kill leaves what stood or what was to come, at no moment neither.
 */
function moveInPlace(context: StoreContext, { known, standing }: CreateInput, build: Dir): Moved {
  assert(standing !== undefined, "there is a directory to move into");
  const { life } = context;
  const held = underLock(context, { known, dir: standing }, (lock) =>
    undoing(life, (undo) => {
      const news = openNewDirs({ build, standing }, undo); // throws before anything is written.
      const move = new MoveIn(build, undo);
      lock.assertOurs();
      move.file(build, UIDLIST_FILE, standing);
      life.reach("apply.uidlist-moved-in");
      if (build.stat(KEYWORDS_FILE) !== undefined) move.file(build, KEYWORDS_FILE, standing);
      const isMarked = standing.stat(MAILDIR_FOLDER_FILE) !== undefined; // it is there or not; nothing is in it.
      if (!isMarked && build.stat(MAILDIR_FOLDER_FILE) !== undefined) move.file(build, MAILDIR_FOLDER_FILE, standing);
      if (news !== undefined) {
        for (const name of news.names) move.file(news.from, name, news.to);
        news.to.sync();
      }
      for (const name of [TMP, NEW]) if (standing.stat(name) === undefined) move.directory(name, standing);
      life.reach("apply.parts-moved-in");
      move.directory(CUR, standing);
      standing.sync();
      life.reach("apply.cur-moved-in");
    }),
  );
  return held.kind === "busy" ? held : { kind: "moved", lockedMs: held.lockedMs };
}

/** Moves parts out of a build, so that `undo` takes back each of them and nothing else. */
class MoveIn {
  readonly #build: Dir;
  readonly #undo: UndoLog;
  #kept = 0;

  constructor(build: Dir, undo: UndoLog) {
    this.#build = build;
    this.#undo = undo;
  }

  /** Over a file that stands there: that one is kept in the build, and taken back by one rename. */
  file(from: Dir, name: string, to: Dir): void {
    const before = to.stat(name);
    if (before === undefined) this.#backIfOurs(from, name, to);
    else this.#undo.pushRename(this.#build, this.#keep(to, name, before), to, name);
    moveWithin(from, name, to, name);
  }

  directory(name: string, to: Dir): void {
    this.#backIfOurs(this.#build, name, to);
    moveWithin(this.#build, name, to, name);
  }

  /** What somebody else has put there meanwhile is not taken out of the store. */
  #backIfOurs(from: Dir, name: string, to: Dir): void {
    const ino = from.stat(name)?.ino;
    this.#undo.push(() => {
      if (to.stat(name)?.ino === ino) to.rename(name, from, name);
    });
  }

  /** Returns its name in the build. A second name of the same file, so that it is missing at no moment. */
  #keep(dir: Dir, name: string, stat: FileStat): string {
    this.#kept += 1;
    const kept = `before-${this.#kept}`;
    try {
      dir.link(name, this.#build, kept);
    } catch (error) {
      if (!NO_LINK.has(errnoOf(error) ?? "")) throw error;
      const { mode, uid, gid, mtimeMs } = stat;
      const bytes = dir.readFile(name, UIDLIST_BYTES_MAX) ?? new Uint8Array();
      const mtimeS = Math.floor(mtimeMs / 1000);
      this.#build.createFile(kept, [bytes], { mode, owner: { uid, gid }, mtimeS, sync: true });
    }
    return kept;
  }
}

/** Where the file system has no hard links, or keeps us from making one of another's file: a copy is kept. */
const NO_LINK: ReadonlySet<string> = new Set(["EPERM", "EOPNOTSUPP", "EMLINK", "EXDEV"]);

/** If the directory has a `new/` of its own, mail that belongs there goes into it. Throws EEXIST: for mail that is not ours to replace. */
function openNewDirs(
  { build, standing }: { readonly build: Dir; readonly standing: Dir },
  undo: UndoLog,
): { readonly from: Dir; readonly to: Dir; readonly names: readonly string[] } | undefined {
  const to = standing.openDir(NEW);
  if (to === undefined) return undefined;
  undo.hold(to);
  const from = build.openDir(NEW);
  assert(from !== undefined, "it was built a moment ago");
  undo.hold(from);
  const names = from.list();
  // Of the same size it is what an earlier attempt of ours had brought; anything else is not ours to replace.
  for (const name of names) if (to.stat(name)?.size !== from.stat(name)?.size) refuseTaken(to, name);
  return { from, to, names };
}

/** Why no mailbox can be made in that directory; undefined where it can be. */
export function refuseBarred(
  standing: Dir,
  { mailbox, path }: Pick<Transaction, "mailbox" | "path">,
): Divergence | undefined {
  for (const name of [CUR, NEW, TMP, UIDLIST_FILE, KEYWORDS_FILE]) {
    const kind = standing.stat(name)?.kind;
    const wanted = name === UIDLIST_FILE || name === KEYWORDS_FILE ? "file" : "directory";
    if (kind === undefined || kind === wanted) continue;
    const why = `${name} in it must be a ${wanted}, and is ${SHOWN[kind]}: put back what stood there, or move that away`;
    return divergence({ kind: "path-refused", mailbox, path, why });
  }
  return undefined;
}

const SHOWN: Readonly<Record<FileStat["kind"], string>> = {
  directory: "a directory",
  file: "a file",
  symlink: "a symbolic link",
  other: "a pipe, a socket or a device",
};

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
