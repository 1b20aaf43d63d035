/**
 * Where bodies are staged: in the mailbox's own tmp/, or in the scratch directory for a mailbox that is to be made.
 *
 *   scratch/stage/GUID/    bodies of a mailbox that is not there yet
 *   scratch/build/GUID/    the mailbox while it is built, with its final owner and mode
 *   scratch/parked/GUID/   a whole mailbox on its way to another place (parking.ts): never to be cleared
 *   scratch/held/GUID/     the directory that it is in, with its folders (exchange.ts): never to be cleared
 */
import type { Dir, Disk } from "../base/disk.js";
import { errnoOf, MailtwinError } from "../base/errors.js";
import { isRawName, type RawName } from "../base/raw-name.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { ApplyOptions } from "./apply-types.js";
import { openMade, openScratch } from "./limbo.js";
import { STAGE } from "./scratch-areas.js";

/** What a thread must know to find the scratch directory. */
export interface Places {
  readonly disk: Disk;
  readonly options: Pick<ApplyOptions, "scratchRoot">;
}

/** Undefined when nothing was staged there. The caller closes it. */
export function openStageDir({ disk, options }: Places, mailbox: MailboxGuid): Dir | undefined {
  return openScratch(disk, options.scratchRoot, [STAGE, mailbox]);
}

/** Two threads make it, and one removes it: often enough for each of them to come between once. */
const MAKE_ATTEMPTS_MAX = 4;

/** The caller closes it. Throws: scratch-missing. */
export function makeStageDir({ disk, options }: Places, mailbox: MailboxGuid): Dir {
  for (let attempt = 1; ; attempt++) {
    try {
      return openMade(disk, options.scratchRoot, [STAGE, mailbox]);
    } catch (error) {
      if (attempt === MAKE_ATTEMPTS_MAX || !hasChangedUnderUs(error)) throw error;
    }
  }
}

/** It was not there and then it was, or the other way round. */
function hasChangedUnderUs(error: unknown): boolean {
  if (error instanceof MailtwinError) return error.code === "scratch-missing";
  return ["EEXIST", "ENOENT"].includes(errnoOf(error) ?? "");
}

/** Removes the mailbox's staging directory if it is empty. */
export function removeStageDir({ disk, options }: Places, mailbox: MailboxGuid): void {
  const stage = openScratch(disk, options.scratchRoot, [STAGE]);
  try {
    stage?.rmdir(mailbox);
  } catch (error) {
    if (errnoOf(error) !== "ENOTEMPTY") throw error; // bodies of a transaction that comes later.
  } finally {
    stage?.close();
  }
}

/** Removes a tree below `parent`. Links are removed, not followed. */
export function removeTree(parent: Dir, name: RawName): void {
  const stat = parent.stat(name);
  if (stat === undefined) return;
  if (stat.kind !== "directory") {
    parent.unlink(name);
    return;
  }
  const dir = parent.openDir(name);
  try {
    for (const child of dir?.list() ?? []) if (dir !== undefined && isRawName(child)) removeTree(dir, child);
  } finally {
    dir?.close();
  }
  parent.rmdir(name);
}
