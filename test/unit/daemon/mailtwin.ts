/** The built program as a shell starts it, beside a test that goes on meanwhile. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const CLI = join(fileURLToPath(new URL("../../../", import.meta.url)), "dist/daemon/cli.js");

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Place {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function start(
  args: readonly string[],
  { cwd, env }: Place,
): ChildProcess & { readonly stdout: Readable; readonly stderr: Readable } {
  const all = { ...process.env, HOME: cwd, NO_COLOR: "1", ...env };
  return spawn(process.execPath, [CLI, ...args], { cwd, env: all, stdio: ["ignore", "pipe", "pipe"] });
}

export async function mailtwin(args: readonly string[], place: Place): Promise<Ended> {
  const child = start(args, place);
  const [out, err] = [child.stdout.setEncoding("utf8").toArray(), child.stderr.setEncoding("utf8").toArray()];
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out: (await out).join(""), err: (await err).join("") };
}

/** The lines of its standard output, one at a time. */
export function linesOf({ stdout }: { readonly stdout: Readable }): AsyncIterator<string> {
  return createInterface({ input: stdout })[Symbol.asyncIterator]();
}
