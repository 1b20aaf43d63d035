/** Runs the command line as a user who is not root, for tests of permissions. Needs root to change to that user. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTwin, type TwinRun } from "../lab/mailtwin.js";

export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

const CLI = new URL("../../../dist/daemon/cli.js", import.meta.url).href;

/** One command to its end. The user must be able to read the program's directory. */
export async function runTwinAs(user: UserIds, args: readonly string[]): Promise<TwinRun> {
  const dir = mkdtempSync(join(tmpdir(), "mtl-as-"));
  const script = join(dir, "as-user.mjs");
  try {
    writeFileSync(
      script,
      `process.setgroups([]); process.setgid(${user.gid}); process.setuid(${user.uid}); await import(${JSON.stringify(CLI)});\n`,
    );
    return await runTwin(args, { cli: script });
  } finally {
    rmSync(dir, { recursive: true });
  }
}
