/**
 * Bodies that are here already when a save comes: a copy that was made by other means, a file that a crash left without a
 * record, the original of a COPY, mail in the limbo. Base name and size say that such a file may be the body, not that it is.
 *
 * A file is known to be the body if it is the inode, with the size and the time, that was placed here before: its bytes were
 * checked when they came. Every other one is *held*: its hash is told to the source, which answers that its own is the same
 * (`confirmHeld`) or sends its bytes (`stageMany`).
 * INVARIANT: where the caller verifies, no held body becomes a replicated message. In the replica's baseline an inode stands
 * only beside a body that was checked.
 */

import { assert } from "../base/assert.js";
import type { Dir } from "../base/disk.js";
import { openSha256 } from "../base/hash.js";
import type { BaselineRecord } from "../log/state-types.js";
import { splitBaseName } from "../maildir/message-name.js";
import type { HeldHash } from "./apply-types.js";
import { closeBelow, locateMailbox } from "./locate.js";
import { MailboxDirs } from "./mailbox-place.js";
import type { BodyNeed, PresentFile } from "./mailbox-view.js";
import type { HeldBody, Pending } from "./pending.js";
import { openStageDir } from "./stage-place.js";
import type { StoreContext } from "./store-context.js";

const READ_BYTES = 1024 * 1024;

/** What a plan may believe of files that are there. */
export interface BodyTrust {
  /** A body that is not known to be the source's does not do. */
  readonly insists: boolean;
  /** Whether the file is known to be the body of the change at that index. */
  readonly isChecked: (index: number, file: PresentFile) => boolean;
}

export const NO_TRUST: BodyTrust = { insists: false, isChecked: () => false };

export function trustOf(
  { verifies, bodiesAnew, held }: Pick<Pending, "verifies" | "bodiesAnew" | "held">,
  appliedByUid: ReadonlyMap<number, BaselineRecord>,
): BodyTrust {
  if (bodiesAnew) return { insists: true, isChecked: () => false };
  const appliedByIno = new Map<number, BaselineRecord>();
  for (const record of appliedByUid.values()) if (record.ino !== 0) appliedByIno.set(record.ino, record);
  return {
    insists: verifies,
    isChecked: (index, file) => {
      const applied = appliedByIno.get(file.ino);
      if (applied !== undefined && applied.base === splitBaseName(file.name) && isSameFile(applied, file)) return true;
      const body = held.get(index);
      return body?.isConfirmed === true && isSameFile(body, file);
    },
  };
}

/** Flags may have changed, bytes not: whoever writes to a file changes its time. */
export function isSameFile(
  a: Pick<PresentFile, "ino" | "size" | "mtimeS">,
  b: Pick<PresentFile, "ino" | "size" | "mtimeS">,
): boolean {
  return a.ino !== 0 && a.ino === b.ino && a.size === b.size && a.mtimeS === b.mtimeS;
}

/** Of what the transaction needs, what waits for the source's word. */
export function heldAmong({ held, staged }: Pending, needs: readonly BodyNeed[]): readonly BodyNeed[] {
  return needs.filter(({ index }) => !staged.has(index) && held.get(index)?.isConfirmed === false);
}

/** What is not as it was is left out, and is held no more: its bytes have to come. */
export function hashHeld(context: StoreContext, root: Dir, pending: Pending, indexes: readonly number[]): HeldHash[] {
  const located = locateMailbox(root, context.cache.get(pending.txn.mailbox), pending.txn);
  let stage: Dir | undefined;
  try {
    stage = openStageDir(context, pending.txn.mailbox);
    using dirs = located.kind === "found" && located.hasCur ? new MailboxDirs(located.dir) : undefined;
    const placesOf = ({ dir }: HeldBody): readonly (Dir | undefined)[] => {
      if (dir === "staged") return [dirs?.tmp, stage];
      return [dir === "cur" ? dirs?.cur : dirs?.new];
    };
    return indexes.flatMap((index): HeldHash[] => {
      const body = pending.held.get(index);
      const sha256 = body === undefined ? undefined : firstHash(placesOf(body), body);
      if (body === undefined || sha256 === undefined) {
        pending.held.delete(index);
        return [];
      }
      pending.held.set(index, { ...body, sha256 });
      return [{ index, sha256 }];
    });
  } finally {
    stage?.close();
    if (located.kind === "found") closeBelow(root, located.dir);
  }
}

/** The source has the same bytes as `hashHeld` told of. */
export function confirmHeld(pending: Pending, indexes: readonly number[]): void {
  for (const index of indexes) {
    const body = pending.held.get(index);
    assert(body?.sha256 !== undefined, `the hash of body ${index} was not told`);
    pending.held.set(index, { ...body, isConfirmed: true });
    if (body.dir === "staged") pending.staged.set(index, { name: body.name, ino: body.ino });
  }
}

function firstHash(dirs: readonly (Dir | undefined)[], body: HeldBody): string | undefined {
  for (const dir of dirs) {
    const hash = dir === undefined ? undefined : hashFile(dir, body);
    if (hash !== undefined) return hash;
  }
  return undefined;
}

function hashFile(dir: Dir, body: HeldBody): string | undefined {
  if (dir.stat(body.name)?.kind !== "file") return undefined;
  const file = dir.openFile(body.name);
  if (file === undefined) return undefined;
  try {
    const isSame = (): boolean => {
      const { ino, size, mtimeMs } = file.statNow();
      return isSameFile(body, { ino, size, mtimeS: Math.floor(mtimeMs / 1000) });
    };
    const hash = openSha256();
    const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, Math.max(1, body.size)));
    for (let at = 0; at < body.size; ) {
      const count = file.read(buffer, at);
      if (count === 0) return undefined;
      hash.update(buffer.subarray(0, count));
      at += count;
    }
    return isSame() ? hash.digest().toString("hex") : undefined;
  } finally {
    file.close();
  }
}
