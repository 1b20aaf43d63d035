/**
 * What stands in ssh's place where mailtwin reaches the other side as HOST:PATH: both run the other end on this host, over a pipe.
 *
 * Times are taken over the bare one; the one that counts is a Node of its own, whose start would be in them.
 */
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Carriers {
  readonly bare: string;
  readonly counting: string;
  /** Bytes both ways of the last command that went over `counting`. Throws when none did. */
  readonly countedBytes: () => number;
}

/** Writes both into `scratch`. */
export function makeCarriers(scratch: string): Carriers {
  const report = join(scratch, "wire-bytes");
  const counter = fileURLToPath(new URL("./wire-counter.js", import.meta.url));
  const bare = writeScript(
    join(scratch, "carrier"),
    'while [ "$1" != -- ]; do shift; done; shift\nexec /bin/sh -c "$*"',
  );
  const counting = writeScript(
    join(scratch, "counting-carrier"),
    `exec '${process.execPath}' '${counter}' '${report}' "$@"`,
  );
  return { bare, counting, countedBytes: () => takeReport(report) };
}

function writeScript(path: string, lines: string): string {
  writeFileSync(path, `#!/bin/sh\n${lines}\n`);
  chmodSync(path, 0o755);
  return path;
}

function takeReport(report: string): number {
  if (!existsSync(report)) throw new Error("nothing was counted: the command did not reach its other side");
  const [sent = Number.NaN, received = Number.NaN] = readFileSync(report, "utf8").trim().split(" ").map(Number);
  rmSync(report);
  return sent + received;
}
