/** A trim in slices: each is a database transaction of its own, and what others write comes between two of them. */
import type { CursorWrites } from "./cursor-writes.js";
import type { GroupCommit } from "./group-commit.js";
import type { TrimCommit } from "./state-types.js";

/** Resolves when all of it is on stable storage. A crash in between leaves a trim that is not finished, and its marks. */
export async function trimInSlices(group: GroupCommit, writes: CursorWrites, commit: TrimCommit): Promise<void> {
  // Marks once only: a replica that was compared meanwhile must not be marked again for what it lacked before.
  const hasMore = await group.run(() => writes.trimSlice(commit));
  if (hasMore) await repeat(group, () => writes.trimSlice({ ...commit, needsResync: [] }));
  await repeat(group, () => writes.shrinkSlice());
}

/** Whatever the cursors say. */
export async function dropInSlices(group: GroupCommit, writes: CursorWrites, lsn: number): Promise<void> {
  await repeat(group, () => writes.dropSlice(lsn));
  await repeat(group, () => writes.shrinkSlice());
}

async function repeat(group: GroupCommit, slice: () => boolean): Promise<void> {
  while (await group.run(slice));
}
