/**
 * Carries a plan out: one case for each kind of step, no decisions. Everything that can fail before the uidlist is
 * written is taken back by the undo log, so that a full disk leaves the mailbox as it was.
 *
 * INVARIANT: file names are on stable storage before the uidlist that names them, and both before this returns.
 */
import { unreachable } from "../base/assert.js";
import type { CrashPoint } from "../base/crash-points.js";
import type { Dir } from "../base/disk.js";
import { replaceDurably } from "../base/durable-file.js";
import { errnoOf } from "../base/errors.js";
import { makeSystemError } from "../base/system-error.js";
import type { LimboRow } from "../log/state-types.js";
import type { Dotlock } from "../maildir/dotlock.js";
import { formatKeywords, nextKeywordsMtimeS } from "../maildir/keywords.js";
import { KEYWORDS_FILE, NUDGE_FILE, UIDLIST_FILE, UIDLIST_TEMP_FILE } from "../maildir/mailbox-files.js";
import { splitBaseName } from "../maildir/message-name.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { encodeRecords } from "../maildir/uidlist-write.js";
import { KEYWORDS_TEMP_FILE } from "./leftovers.js";
import type { LimboBatch } from "./limbo.js";
import { moveWithin } from "./limbo.js";
import type { MailboxDirs } from "./mailbox-place.js";
import type { ApplyStep } from "./mailbox-view.js";
import type { StagedBody } from "./pending.js";
import { TimeSetter } from "./set-time.js";
import { type UidlistRewriteStep, uidlistParts } from "./uidlist-rewrite.js";
import type { UndoLog } from "./undo-log.js";

export interface ExecutionPorts {
  readonly dirs: MailboxDirs;
  /** Undefined while a mailbox is built where nobody sees it. */
  readonly lock: Dotlock | undefined;
  /** As read under the lock; undefined where there is none yet. */
  readonly uidlist: Uidlist | undefined;
  readonly staged: ReadonlyMap<number, StagedBody>;
  /** Where staged bodies may lie, the likeliest first. */
  readonly stagedIn: readonly Dir[];
  readonly openLimbo: () => LimboBatch;
  readonly undo: UndoLog;
  readonly reach: CrashPoint;
  readonly nowMs: () => number;
}

/** Returns the rows of what went to the limbo. */
export function executeSteps(steps: readonly ApplyStep[], ports: ExecutionPorts): LimboRow[] {
  const execution = new Execution(ports);
  for (const step of steps) execution.run(step);
  execution.finish();
  return execution.rows;
}

const CRASH_POINT_AFTER: Partial<Record<ApplyStep["kind"], string>> = {
  "write-keywords": "apply.keywords-written",
  limbo: "apply.bodies-in-limbo",
  place: "apply.bodies-renamed",
  rename: "apply.flags-renamed",
  "append-records": "apply.uidlist-written",
  "rewrite-uidlist": "apply.uidlist-written",
};

class Execution {
  readonly #ports: ExecutionPorts;
  #limbo: LimboBatch | undefined;
  #placed = 0;
  #before: ApplyStep["kind"] | undefined;
  #touchedCur = false;
  #touchedNew = false;
  #likelyDir = 0;
  readonly #times: TimeSetter;

  constructor(ports: ExecutionPorts) {
    this.#ports = ports;
    this.#times = new TimeSetter(ports.undo);
  }

  get rows(): LimboRow[] {
    return this.#limbo?.rows ?? [];
  }

  run(step: ApplyStep): void {
    if (this.#before !== undefined && this.#before !== step.kind) this.#reachAfter(this.#before);
    this.#before = step.kind;
    switch (step.kind) {
      case "write-keywords":
        this.#writeKeywords(step);
        break;
      case "limbo":
        this.#toLimbo(step);
        break;
      case "place":
        this.#place(step);
        break;
      case "rename":
        this.#rename(step);
        break;
      case "set-time":
        this.#setTime(step);
        break;
      case "nudge":
        this.#nudge();
        break;
      case "append-records":
      case "rewrite-uidlist":
        this.#writeUidlist(step);
        break;
      default:
        unreachable(step);
    }
  }

  finish(): void {
    this.#syncNames();
    this.#times.forget();
    if (this.#before !== undefined) this.#reachAfter(this.#before);
  }

  #reachAfter(kind: ApplyStep["kind"]): void {
    const point = CRASH_POINT_AFTER[kind];
    if (point !== undefined) this.#ports.reach(point);
  }

  #writeKeywords({ table }: Extract<ApplyStep, { kind: "write-keywords" }>): void {
    const { dirs, nowMs } = this.#ports;
    const old = dirs.dir.stat(KEYWORDS_FILE);
    const { owner, mode } = ownerFor(dirs.dir, KEYWORDS_FILE);
    const mtimeS = nextKeywordsMtimeS(nowMs(), old?.mtimeMs ?? 0);
    // Not taken back after a failure: names that nothing uses yet harm nobody, and a letter is never taken away.
    const options = { tempName: KEYWORDS_TEMP_FILE, mode, owner, mtimeS, syncDir: true };
    replaceDurably(dirs.dir, KEYWORDS_FILE, [formatKeywords({ names: table })], options);
  }

  #toLimbo({ file, subject }: Extract<ApplyStep, { kind: "limbo" }>): void {
    this.#limbo ??= this.#ports.openLimbo();
    this.#limbo.take(this.#dirOf(file.dir), file.name, subject);
  }

  #place({ index, dir, name }: Extract<ApplyStep, { kind: "place" }>): void {
    const { staged, reach } = this.#ports;
    const body = staged.get(index);
    if (body === undefined) throw new TypeError(`change ${index} has no staged body`);
    this.#renameStaged(body.name, this.#dirOf(dir), name);
    this.#placed += 1;
    if (this.#placed === 1) reach("apply.body-renamed");
  }

  /** A mailbox that was built outside of the store takes its tmp/ along when it moves in; so look in both places. */
  #renameStaged(name: string, to: Dir, toName: string): void {
    const { stagedIn, undo, lock } = this.#ports;
    // Without a lock it is a mailbox that was made a moment ago where nobody looks: only our names are there.
    if (lock !== undefined) this.#clearPlace(to, toName);
    for (let i = 0; i < stagedIn.length; i++) {
      const at = (this.#likelyDir + i) % stagedIn.length;
      const dir = stagedIn[at];
      if (dir === undefined) continue;
      // Noted before it is done: a failed call may have had its effect (a reply that was lost).
      undo.pushRename(to, toName, dir, name);
      try {
        moveWithin(dir, name, to, toName);
        this.#likelyDir = at;
        return;
      } catch (error) {
        if (errnoOf(error) !== "ENOENT" || i + 1 === stagedIn.length) throw error;
      }
    }
    throw new TypeError("no directory of staged bodies");
  }

  #rename({ file, dir, name }: Extract<ApplyStep, { kind: "rename" }>): void {
    const [from, to] = [this.#dirOf(file.dir), this.#dirOf(dir)];
    this.#clearPlace(to, name);
    this.#ports.undo.pushRename(to, name, from, file.name);
    from.rename(file.name, to, name);
  }

  /** What is no file (a link, a directory) is no message, and Dovecot takes it for this one: it gives way to the limbo. */
  #clearPlace(dir: Dir, name: string): void {
    const stat = dir.stat(name);
    if (stat !== undefined && stat.kind !== "file") {
      this.#limbo ??= this.#ports.openLimbo();
      this.#limbo.take(dir, name, { uid: 0, base: splitBaseName(name), size: stat.size, cause: "foreign" });
    } else refuseTaken(dir, name);
  }

  #setTime({ dir: dirName, name, mtimeS }: Extract<ApplyStep, { kind: "set-time" }>): void {
    this.#times.set({ dir: this.#dirOf(dirName), name }, mtimeS, () => this.#ports.dirs.tmp);
  }

  #nudge(): void {
    const cur = this.#dirOf("cur");
    cur.unlink(NUDGE_FILE);
    cur.createFile(NUDGE_FILE, [], { mode: 0o600 });
    cur.unlink(NUDGE_FILE);
  }

  #writeUidlist(step: UidlistRewriteStep | Extract<ApplyStep, { kind: "append-records" }>): void {
    const { dirs, uidlist, lock, undo } = this.#ports;
    this.#syncNames();
    lock?.assertOurs();
    if (step.kind === "append-records") {
      if (uidlist === undefined) throw new TypeError("there is no uidlist to append to");
      dirs.dir.appendFile(UIDLIST_FILE, encodeRecords(step.add, uidlist.lastUid), uidlist.byteLength);
    } else {
      this.#replaceUidlist(uidlistParts(step, uidlist));
    }
    undo.keep();
    if (step.kind === "rewrite-uidlist") dirs.dir.sync();
  }

  /** The rename may have had its effect and still be reported as failed: then the files must stay as well. */
  #replaceUidlist(parts: readonly Uint8Array[]): void {
    const { dir } = this.#ports.dirs;
    const before = dir.stat(UIDLIST_FILE)?.ino;
    try {
      replaceDurably(dir, UIDLIST_FILE, parts, { tempName: UIDLIST_TEMP_FILE, ...ownerFor(dir, UIDLIST_FILE) });
    } catch (error) {
      if (dir.stat(UIDLIST_FILE)?.ino !== before) this.#ports.undo.keep();
      throw error;
    }
  }

  /** Once for each directory, whatever the number of names. */
  #syncNames(): void {
    if (this.#limbo !== undefined) this.#limbo.sync();
    if (this.#touchedCur) this.#ports.dirs.cur.sync();
    if (this.#touchedNew) this.#ports.dirs.new?.sync();
    this.#touchedCur = false;
    this.#touchedNew = false;
  }

  #dirOf(dir: "cur" | "new"): Dir {
    if (dir === "cur") this.#touchedCur = true;
    else this.#touchedNew = true;
    return this.#ports.dirs.of(dir);
  }
}

/** Asked before anything is noted for undoing: a rename would replace what somebody else put there. */
export function refuseTaken(dir: Dir, name: string): void {
  if (dir.stat(name) === undefined) return;
  throw makeSystemError("EEXIST", { doing: "placing a message at", path: `${dir.shownPath}/${name}` });
}

/** A new file of Dovecot's is owned like the one it replaces, or like the mailbox. */
function ownerFor(dir: Dir, name: string): { readonly mode: number; readonly owner: { uid: number; gid: number } } {
  const old = dir.stat(name);
  if (old?.kind === "file") return { mode: old.mode, owner: { uid: old.uid, gid: old.gid } };
  const { mode, uid, gid } = dir.statSelf();
  return { mode: mode & 0o666, owner: { uid, gid } };
}
