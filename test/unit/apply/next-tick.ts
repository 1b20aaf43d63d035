/** Times of files that cannot be set: a test that needs another one makes the file system's clock move. */
import { chmodSync, statSync } from "node:fs";

/** Changes a path (nothing of what is in it) until its ctime is another one: what happens next has a later one, or that. */
export function untilNextTick(path: string): void {
  const { ctimeMs, mode } = statSync(path);
  while (statSync(path).ctimeMs === ctimeMs) chmodSync(path, mode & 0o7777);
}
