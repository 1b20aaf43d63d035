/**
 * What a store holds, for tests that expect a program to leave it alone: names, kinds, modes, times and bytes.
 *
 * A directory's own times are left out: to take Dovecot's lock and to let go of it changes them, and nothing else.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { listStore } from "../lab/files.js";

/** Of all below `root`; one line for each name, [] where nothing stands. */
export function contentsOf(root: string): readonly string[] {
  if (!existsSync(root)) return [];
  const above = Buffer.from(root, "utf8").toString("latin1");
  return listStore(root).map(({ path, kind, stats }) => {
    const at = Buffer.from(`${above}/${path}`, "latin1");
    const { mode, uid, mtimeMs } = stats;
    const what = `${path} ${mode.toString(8)} ${uid}`;
    if (kind === "directory") return what;
    if (kind === "other") return `${what} ${mtimeMs} ${stats.isSymbolicLink() ? readlinkSync(at) : ""}`;
    return `${what} ${mtimeMs} ${createHash("sha256").update(readFileSync(at)).digest("hex")}`;
  });
}
