/**
 * Where removed mail waits until its time is up: scratch/limbo/YYYY-MM-DD/NAME, on the file system of the mail and
 * outside of every mail root. What goes there is renamed, not copied, so nothing is lost if we are killed.
 *
 * INVARIANT: the name of a message is made of its mailbox, UID and base name, that of a mailbox of its GUID: what a crash left
 * between the move and the record of it is found by that name, and recorded (lost-rows.ts).
 */

import { assert } from "../base/assert.js";
import type { Clock } from "../base/clock.js";
import type { Dir, Disk } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { displayRaw, isRawName, type RawName, type RawPath } from "../base/raw-name.js";
import { whyItFailed } from "../base/system-error.js";
import type { StateReader } from "../log/state-ports.js";
import type { LimboRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { UIDLIST_FILE, UIDLIST_LOCK_FILE } from "../maildir/mailbox-files.js";
import { applyError } from "./errors.js";
import { dayOf, hashOfBase, isDay, mailboxName, messageName, readEntryName } from "./limbo-names.js";
import type { LimboSubject } from "./mailbox-view.js";
import type { UndoLog } from "./undo-log.js";

export interface LimboPorts {
  readonly disk: Disk;
  /** Absolute, as bytes-in-a-string. */
  readonly scratchRoot: string;
  readonly clock: Pick<Clock, "nowMs">;
  /** All rows that are recorded: asked once, when a body is first looked for. */
  readonly reader: Pick<StateReader, "limbo" | "limboRow">;
}

export interface LimboOwner {
  readonly mailbox: MailboxGuid;
  readonly path: RawPath;
}

/** Something in the limbo, by what its name says. */
export interface LimboEntry {
  /** As in a row. */
  readonly name: string;
  readonly mailbox: MailboxGuid;
  /** Undefined for a whole mailbox. */
  readonly uid: number | undefined;
  readonly size: number;
  readonly ctimeMs: number;
  /** Whether it may be the file of that base name. */
  isOf(base: string): boolean;
}

const MODE_PRIVATE = 0o700;

export class Limbo {
  readonly #ports: LimboPorts;
  #rowsByBase: Map<string, LimboRow[]> | undefined;

  constructor(ports: LimboPorts) {
    this.#ports = ports;
  }

  /** Rows that may still have their file, by base name: where a body may be had back from. */
  rowsOf(base: string): readonly LimboRow[] {
    return this.#rows().get(base) ?? [];
  }

  #rows(): ReadonlyMap<string, readonly LimboRow[]> {
    if (this.#rowsByBase !== undefined) return this.#rowsByBase;
    const rowsByBase = new Map<string, LimboRow[]>();
    this.#rowsByBase = rowsByBase;
    this.remember(this.#ports.reader.limbo());
    return rowsByBase;
  }

  remember(rows: readonly LimboRow[]): void {
    if (this.#rowsByBase === undefined) return;
    for (const row of rows) {
      const known = this.#rowsByBase.get(row.base);
      if (known === undefined) this.#rowsByBase.set(row.base, [row]);
      else known.push(row);
    }
  }

  /** Their files are gone, and they are about to be. */
  forget(rows: readonly LimboRow[]): void {
    const gone = new Set(rows.map(({ name }) => name));
    for (const base of new Set(rows.map((row) => row.base))) {
      const left = (this.#rowsByBase?.get(base) ?? []).filter(({ name }) => !gone.has(name));
      if (left.length > 0) this.#rowsByBase?.set(base, left);
      else this.#rowsByBase?.delete(base);
    }
  }

  /** For the moves of one batch; `sync` at its end. What it moves is taken back by `undo`, which also keeps it open. */
  open(owner: LimboOwner, undo: UndoLog): LimboBatch {
    const { clock, reader } = this.#ports;
    const nowMs = clock.nowMs();
    const day = dayOf(nowMs);
    const hasRow = (name: string): boolean => reader.limboRow(`${day}/${name}`) !== undefined;
    return new LimboBatch(undo.hold(this.#directory(day)), { owner, nowMs, day, hasRow }, undo);
  }

  /** What lies there of a mailbox without a row: whoever put it there was killed, or failed, before it could be recorded. */
  unrecorded(mailbox: MailboxGuid): readonly LimboEntry[] {
    const entries = this.#entriesOf(mailbox);
    if (entries.length === 0) return [];
    const recorded = new Set([...this.#rows().values()].flat().map(({ name }) => name));
    return entries.filter(({ name }) => !recorded.has(name));
  }

  /** The directory of a mailbox whose move there broke off: its uidlist, which goes last, is not there. */
  unfinished(mailbox: MailboxGuid): Dir | undefined {
    for (const { name, uid } of this.#entriesOf(mailbox)) {
      if (uid !== undefined) continue;
      const box = this.withFile(name, (dir, inside) => dir.openDir(inside));
      if (box !== undefined && box.stat(UIDLIST_FILE) === undefined) return box;
      box?.close();
    }
    return undefined;
  }

  /** A whole mailbox took the lock of the process that was killed along. */
  unlock(rowName: string): void {
    const box = this.withFile(rowName, (dir, name) => dir.openDir(name));
    box?.unlink(UIDLIST_LOCK_FILE);
    box?.close();
  }

  #entriesOf(mailbox: MailboxGuid): LimboEntry[] {
    const isOurs = (name: string): boolean => name.startsWith(`${mailbox}.`);
    const found = this.#withLimbo((limbo) =>
      limbo
        .list()
        .filter(isDay)
        .flatMap((day) => {
          const dir = limbo.openDir(day);
          try {
            return (dir?.list() ?? []).filter(isOurs).flatMap((name) => entryOf(dir, day, name) ?? []);
          } finally {
            dir?.close();
          }
        }),
    );
    return found ?? [];
  }

  /** Runs `use` with the directory and the name of a row's file; undefined when it is not there any more. */
  withFile<T>(rowName: string, use: (dir: Dir, name: RawName) => T): T | undefined {
    const [day, name] = rowName.split("/");
    if (day === undefined || !isDay(day) || name === undefined || !isRawName(name)) return undefined;
    return this.#withLimbo((limbo) => {
      const dir = limbo.openDir(day);
      try {
        return dir?.stat(name) === undefined ? undefined : use(dir, name);
      } finally {
        dir?.close();
      }
    });
  }

  #withLimbo<T>(use: (limbo: Dir) => T): T | undefined {
    const root = openScratch(this.#ports.disk, this.#ports.scratchRoot, ["limbo"]);
    if (root === undefined) return undefined;
    try {
      return use(root);
    } finally {
      root.close();
    }
  }

  #directory(day: string): Dir {
    const { disk, scratchRoot } = this.#ports;
    return openMade(disk, scratchRoot, ["limbo", day]);
  }
}

/** `hasRow`: whether a row has that name, on that day. */
interface When {
  readonly owner: LimboOwner;
  readonly nowMs: number;
  readonly day: string;
  readonly hasRow: (name: string) => boolean;
}

export class LimboBatch {
  readonly #dir: Dir;
  readonly #when: When;
  readonly #undo: UndoLog;
  readonly rows: LimboRow[] = [];

  constructor(dir: Dir, when: When, undo: UndoLog) {
    this.#dir = dir;
    this.#when = when;
    this.#undo = undo;
  }

  /** Throws: scratch-other-file-system. */
  take(from: Dir, name: string, subject: LimboSubject): void {
    const target = this.#freeName(messageName(this.#when.owner.mailbox, subject));
    this.#undo.pushRename(this.#dir, target, from, name);
    moveWithin(from, name, this.#dir, target);
    this.rows.push(rowOf(subject, `${this.#when.day}/${target}`, this.#when));
  }

  /** Name for the directory of a whole mailbox. An empty one that a killed process had made for it serves. */
  mailboxName(): RawName {
    return this.#freeName(mailboxName(this.#when.owner.mailbox), (name) => isEmptyDirectory(this.#dir, name));
  }

  get dir(): Dir {
    return this.#dir;
  }

  /** Adds the row of a whole mailbox that was moved to `name`. */
  tookMailbox(name: string, cause: string): void {
    this.rows.push(mailboxRow(name, cause, this.#when));
  }

  sync(): void {
    this.#dir.sync();
  }

  /**
   * The same message may go twice in a day: it came back from the limbo, or its UID was given anew by a reset.
   * INVARIANT: a name that has a row is not given again: whoever removes what that row is of would remove this (purge-limbo.ts).
   */
  #freeName(wanted: string, mayServe: (name: RawName) => boolean = () => false): RawName {
    for (let n = 0; ; n++) {
      const name = nth(wanted, n);
      const isFree = this.#dir.stat(name) === undefined && !this.#when.hasRow(name);
      if (isFree || mayServe(name)) return name;
    }
  }
}

function isEmptyDirectory(dir: Dir, name: RawName): boolean {
  if (dir.stat(name)?.kind !== "directory") return false;
  const opened = dir.openDir(name);
  try {
    return opened?.list().length === 0;
  } finally {
    opened?.close();
  }
}

/** Undefined for what has no name of ours, or vanished meanwhile. */
function entryOf(dir: Dir | undefined, day: string, name: string): LimboEntry | undefined {
  const read = readEntryName(name);
  const stat = read === undefined ? undefined : dir?.stat(name);
  if (read === undefined || stat === undefined) return undefined;
  const { mailbox, uid, hash } = read;
  if ((uid === undefined) !== (stat.kind === "directory")) return undefined;
  return {
    name: `${day}/${name}`,
    mailbox,
    uid,
    size: stat.size,
    ctimeMs: stat.ctimeMs,
    isOf: (base) => hash === hashOfBase(base),
  };
}

/** The row of an entry, made anew. */
export function rowOfEntry(
  { name, mailbox, uid, size, ctimeMs }: LimboEntry,
  { path, base, cause }: Pick<LimboRow, "path" | "base" | "cause">,
): LimboRow {
  const removedMs = Math.floor(ctimeMs);
  return { name, mailbox, path, uid: uid ?? 0, base, size: uid === undefined ? 0 : size, cause, removedMs };
}

function mailboxRow(name: string, cause: string, { owner, nowMs, day }: When): LimboRow {
  return { name: `${day}/${name}`, ...owner, uid: 0, base: "", size: 0, cause, removedMs: nowMs };
}

function nth(wanted: string, n: number): RawName {
  const name = n === 0 ? wanted : `${wanted}-${n}`;
  assert(isRawName(name), "a limbo name is a file name");
  return name;
}

function rowOf(
  { uid, base, size, cause }: LimboSubject,
  name: string,
  { owner, nowMs }: { readonly owner: LimboOwner; readonly nowMs: number },
): LimboRow {
  return { name, mailbox: owner.mailbox, path: owner.path, uid, base, size, cause, removedMs: nowMs };
}

/** A rename that says what to do when it would have to copy. Throws: scratch-other-file-system, system errors. */
export function moveWithin(from: Dir, name: string, to: Dir, toName: string): void {
  try {
    from.rename(name, to, toName);
  } catch (error) {
    if (errnoOf(error) !== "EXDEV") throw error;
    const what = `moving ${displayRaw(from.shownPath)}/${displayRaw(name)} to ${displayRaw(to.shownPath)}`;
    throw applyError("scratch-other-file-system", `${what}: they are on two file systems`, {}, error);
  }
}

/** Opens a directory below the scratch root, making what is missing. Throws: scratch-missing, scratch-foreign. */
export function openMade(disk: Disk, scratchRoot: string, names: readonly string[]): Dir {
  const dir = descend(disk, scratchRoot, names, openChildMade);
  assert(dir !== undefined, "what is missing was made");
  return dir;
}

/** Undefined when it is not there. Throws: scratch-missing, scratch-foreign. */
export function openScratch(disk: Disk, scratchRoot: string, names: readonly string[]): Dir | undefined {
  return descend(disk, scratchRoot, names, (dir, name) => dir.openDir(name));
}

/** From the root, one component after the other: of the root alone it is known that its path leads to what is ours. */
function descend(
  disk: Disk,
  scratchRoot: string,
  names: readonly string[],
  open: (dir: Dir, name: RawName) => Dir | undefined,
): Dir | undefined {
  const what = `opening the scratch directory ${displayRaw(scratchRoot)}`;
  let dir = inScratch(what, () => disk.openRoot(scratchRoot));
  if (dir === undefined) throw applyError("scratch-missing", `${what}: it is not there`);
  const { uid } = dir.statSelf();
  for (const [level, name] of names.entries()) {
    assert(isRawName(name), "a scratch name is a file name");
    const parent: Dir = dir;
    try {
      dir = inScratch(`opening ${displayRaw(parent.shownPath)}/${name}`, () => open(parent, name));
    } finally {
      parent.close();
    }
    if (dir === undefined) return undefined;
    if (level === 0) refuseForeign(dir, uid);
  }
  return dir;
}

/** What bars the way to it, or stands in its place, is no matter of one mailbox: nothing of any could be removed, or made. */
const BARRED = new Set(["EACCES", "EPERM", "ELOOP", "ENOTDIR"]);

function inScratch<T>(what: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (!BARRED.has(errnoOf(error) ?? "")) throw error;
    throw applyError("scratch-missing", `${what}: ${whyItFailed(error)}`, {}, error);
  }
}

/** What lies deeper may be mail on its way, with the owner that it has in the store. */
function refuseForeign(area: Dir, uid: number): void {
  const stat = area.statSelf();
  if (stat.uid === uid) return;
  area.close();
  throw applyError(
    "scratch-foreign",
    `opening ${displayRaw(area.shownPath)} in the scratch directory: it belongs to user ${stat.uid}, and not to ${uid}`,
  );
}

function openChildMade(dir: Dir, name: RawName): Dir {
  const known = dir.openDir(name);
  if (known !== undefined) return known;
  dir.mkdir(name, MODE_PRIVATE);
  dir.sync();
  const made = dir.openDir(name);
  if (made !== undefined) return made;
  throw applyError("scratch-missing", `opening ${displayRaw(dir.shownPath)}/${name}: it vanished`);
}
