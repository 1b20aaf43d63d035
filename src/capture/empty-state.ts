/** The state of a store that was never replicated: for a dry run, which has no database. */
import type { Disk } from "../base/disk.js";
import type { StateReader } from "../log/state-ports.js";

export type BaselineReader = Pick<
  StateReader,
  "chunk" | "looks" | "digests" | "mailboxByGuid" | "mailboxes" | "meta" | "nextMailboxId"
> &
  Disposable;

export const EMPTY_STATE: BaselineReader = {
  chunk: () => undefined,
  looks: () => [],
  digests: () => [],
  mailboxByGuid: () => undefined,
  mailboxes: () => [],
  meta: () => undefined,
  nextMailboxId: () => 1,
  [Symbol.dispose]: () => undefined,
};

export function fileExists(disk: Disk, path: string): boolean {
  const slash = path.lastIndexOf("/");
  const dir = disk.openRoot(slash < 0 ? "." : path.slice(0, slash + 1));
  try {
    return dir?.stat(path.slice(slash + 1)) !== undefined;
  } finally {
    dir?.close();
  }
}
