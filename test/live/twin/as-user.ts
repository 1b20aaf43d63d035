/** Runs the command line as a user who is not root, for tests of permissions. Needs root to change to that user. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTwin, startTwin, type Twin, type TwinOptions, type TwinRun } from "../lab/mailtwin.js";
import type { UserIds } from "../lab/place.js";

export interface AsUser extends UserIds {
  /** Other groups that he is in (default: none). */
  readonly groups?: readonly number[];
}

const CLI = new URL("../../../dist/daemon/cli.js", import.meta.url).href;

/** The command line as a script that becomes the user first, who must be able to read the program's directory. */
export function cliAs({ uid, gid, groups = [] }: AsUser): Disposable & { readonly path: string } {
  const dir = mkdtempSync(join(tmpdir(), "mtl-as-"));
  const path = join(dir, "as-user.mjs");
  const become = `process.setgroups(${JSON.stringify(groups)}); process.setgid(${gid}); process.setuid(${uid});`;
  writeFileSync(path, `${become} await import(${JSON.stringify(CLI)});\n`);
  return { path, [Symbol.dispose]: () => rmSync(dir, { recursive: true }) };
}

/** One command to its end. */
export async function runTwinAs(user: AsUser, args: readonly string[]): Promise<TwinRun> {
  using cli = cliAs(user);
  return await runTwin(args, { cli: cli.path });
}

/** The same for one that watches, from when it is live; the script is not needed any more then. */
export async function startTwinAs(user: AsUser, options: TwinOptions): Promise<Twin> {
  using cli = cliAs(user);
  return await startTwin({ ...options, cli: cli.path });
}
