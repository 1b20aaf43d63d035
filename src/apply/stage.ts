/**
 * Bringing bodies next to their mailbox before the lock is taken: written, owned, dated and checked, but not yet visible.
 *
 * INVARIANT: what is staged has the announced size, and the announced SHA-256 where one was given.
 * INVARIANT: owner, mode and mtime (INTERNALDATE, R18) are set here; making it visible is one rename.
 * Names are made of the transaction's number, so a repetition after a crash finds its own leftovers and replaces them.
 */
import { assert } from "../base/assert.js";
import type { CreateOptions, Dir, FileStat } from "../base/disk.js";
import { withoutGroup } from "../base/disk-node-file.js";
import { errnoOf } from "../base/errors.js";
import { openSha256, type Sha256Stream, sha256Hex } from "../base/hash.js";
import type { BodyPart, BodyParts, StageOutcome } from "./apply-types.js";
import { divergence } from "./divergence.js";
import { type ExpectedBody, expectedAt } from "./expected-bodies.js";
import type { FoundBody } from "./find-body.js";
import { type PartialBody, type Pending, type StagingState, stagedName } from "./pending.js";

/** Larger parts are gathered to this before they are written: every write to a growing file is synced. */
const WRITE_BYTES = 4 * 1024 * 1024;

const STAGED: StageOutcome = { kind: "staged" };

/** A whole body; with `sync` its file is on stable storage, though not its name. */
export function stageBody(
  tmp: Dir,
  pending: StagingState,
  { index, bytes, sha256: wanted }: BodyParts,
  sync = false,
): StageOutcome {
  const body = bodyOf(pending, index);
  const isAnnounced = bytes.length === body.size && (wanted === undefined || sha256Hex(bytes) === wanted);
  if (!isAnnounced) return mismatch(pending, index);
  const name = stagedName(pending.key, index);
  const { ino } = create(tmp, name, [bytes], { ...optionsOf(body), sync });
  pending.staged.set(index, { name, ino });
  pending.held.delete(index);
  pending.gone.delete(index);
  return STAGED;
}

/** A part of a large body. A part at offset 0 begins anew. */
export function stagePart(tmp: Dir, pending: StagingState, part: BodyPart): StageOutcome {
  const { index, offset, bytes, last } = part;
  const body = bodyOf(pending, index);
  const partial = offset === 0 ? beginParts(pending, index) : pending.partial.get(index);
  if (partial === undefined || offset !== partial.written + partial.heldBytes) return mismatch(pending, index);
  if (offset + bytes.length > body.size) return mismatch(pending, index);
  partial.hash.update(bytes);
  partial.held.push(bytes);
  partial.heldBytes += bytes.length;
  if (partial.heldBytes >= WRITE_BYTES || last) flushParts(tmp, pending, index, partial);
  return last ? endParts(tmp, pending, part, partial) : STAGED;
}

function beginParts(pending: StagingState, index: number): PartialBody {
  const partial = { hash: openSha256(), written: 0, held: [], heldBytes: 0 };
  pending.partial.set(index, partial);
  return partial;
}

function flushParts(tmp: Dir, pending: StagingState, index: number, partial: PartialBody): void {
  const name = stagedName(pending.key, index);
  if (partial.written === 0) create(tmp, name, partial.held, optionsOf(bodyOf(pending, index)));
  else tmp.appendFile(name, Buffer.concat(partial.held), partial.written);
  partial.written += partial.heldBytes;
  partial.held = [];
  partial.heldBytes = 0;
}

function endParts(
  tmp: Dir,
  pending: StagingState,
  { index, sha256: wanted }: BodyPart,
  partial: PartialBody,
): StageOutcome {
  const name = stagedName(pending.key, index);
  const body = bodyOf(pending, index);
  pending.partial.delete(index);
  const hex = partial.hash.digest().toString("hex");
  if (partial.written !== body.size || (wanted !== undefined && hex !== wanted)) {
    tmp.unlink(name);
    return mismatch(pending, index);
  }
  tmp.setMtime(name, body.mtimeS);
  const stat = tmp.stat(name);
  if (stat === undefined) return STAGED; // removed at this very moment: found lacking when the transaction is executed.
  pending.staged.set(index, { name, ino: stat.ino });
  pending.held.delete(index);
  pending.gone.delete(index);
  return STAGED;
}

/**
 * A body that is on this file system already: a hard link if everything about the file is as it must be, else a copy.
 * False when the source file is not what it should be.
 */
export function stageLocal({ isChecked, ...from }: FoundBody, tmp: Dir, pending: Pending, index: number): boolean {
  const body = bodyOf(pending, index);
  const stat = from.dir.stat(from.name);
  if (stat?.kind !== "file" || stat.size !== body.size) return false;
  const options = optionsOf(body);
  const name = stagedName(pending.key, index);
  tmp.unlink(name);
  const linked = isSameOutside(stat, options) && tryLink(from, tmp, name);
  const staged = linked ? stat : copyBody(from, { tmp, name, size: body.size }, options);
  if (staged === undefined) return false;
  if (isChecked || !pending.verifies) pending.staged.set(index, { name, ino: isChecked ? staged.ino : 0 });
  else {
    const { ino, size } = staged;
    const mtimeS = Math.floor(staged.mtimeMs / 1000);
    pending.held.set(index, { dir: "staged", name, ino, size, mtimeS, sha256: undefined, isConfirmed: false });
  }
  return true;
}

/** Whether a link would have the owner, mode and INTERNALDATE that the message must have here. Without root all is this user's. */
function isSameOutside(stat: FileStat, { mode, owner, mtimeS }: CreateOptions): boolean {
  const isOwned = process.geteuid?.() !== 0 || stat.uid === owner?.uid;
  const isGroups = stat.gid === owner?.gid || (process.geteuid?.() !== 0 && withoutGroup(mode) === mode);
  return isOwned && isGroups && stat.mode === mode && Math.floor(stat.mtimeMs / 1000) === mtimeS;
}

/** Not every file system has links, and a file has only so many. */
function tryLink(from: { readonly dir: Dir; readonly name: string }, tmp: Dir, name: string): boolean {
  try {
    from.dir.link(from.name, tmp, name);
    return true;
  } catch (error) {
    if (["EXDEV", "EMLINK", "EPERM", "ENOENT", "EOPNOTSUPP"].includes(errnoOf(error) ?? "")) return false;
    throw error;
  }
}

/** Undefined when the file is gone, or shorter than `size`; then nothing is left in `tmp`. `hash` takes the bytes that were written. */
export function copyBody(
  from: { readonly dir: Dir; readonly name: string },
  {
    tmp,
    name,
    size,
    hash,
  }: { readonly tmp: Dir; readonly name: string; readonly size: number; readonly hash?: Sha256Stream },
  options: CreateOptions,
): FileStat | undefined {
  const file = from.dir.openFile(from.name);
  if (file === undefined) return undefined;
  try {
    let done = 0;
    const buffer = Buffer.allocUnsafeSlow(Math.min(size, WRITE_BYTES));
    do {
      const count = file.read(buffer, done);
      const bytes = buffer.subarray(0, count);
      if (count === 0 && done < size) break;
      if (done === 0)
        tmp.createFile(name, [bytes], { ...options, sync: true }); // nobody syncs it later: it was not received.
      else tmp.appendFile(name, bytes, done);
      hash?.update(bytes);
      done += count;
    } while (done < size);
    if (options.mtimeS !== undefined && size > buffer.length) tmp.setMtime(name, options.mtimeS);
    if (done === size) return tmp.stat(name);
  } finally {
    file.close();
  }
  tmp.unlink(name);
  return undefined;
}

function bodyOf({ expected }: StagingState, index: number): ExpectedBody {
  const body = expectedAt(expected, index);
  assert(body !== undefined, `change ${index} brings no body`);
  return body;
}

/** Without set-id bits, which older logs have: a file with them is none that could serve by a second name. */
function optionsOf({ owner: { uid, gid, mode }, mtimeS }: ExpectedBody): CreateOptions {
  return { mode: mode & 0o777, owner: { uid, gid }, mtimeS };
}

/** A leftover of the same number is ours. */
function create(tmp: Dir, name: string, parts: readonly Uint8Array[], options: CreateOptions): FileStat {
  try {
    return tmp.createFile(name, parts, options);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
  tmp.unlink(name);
  return tmp.createFile(name, parts, options);
}

function mismatch({ expected: { mailbox, path } }: StagingState, index: number): StageOutcome {
  return { kind: "diverged", divergence: divergence({ kind: "body-mismatch", mailbox, path, index }) };
}
