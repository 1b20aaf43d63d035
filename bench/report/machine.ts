/**
 * Where and of what a result was measured: without it a number says nothing.
 */
import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly fileSystem: string;
  readonly rsync: string;
  /** Of the program that was measured; "-dirty" when the tree had changes. */
  readonly commit: string;
}

/** Describes this machine, the file system that holds `workPath`, and the repository at `repository`. */
export function describeMachine(paths: { readonly workPath: string; readonly repository: string }): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    fileSystem: lineOf(["stat", "-f", "-c", "%T", paths.workPath]),
    rsync: /version ([^ ]+)/.exec(lineOf(["rsync", "--version"]))?.[1] ?? "none",
    commit: lineOf(["git", "-C", paths.repository, "describe", "--always", "--dirty", "--abbrev=10"]),
  };
}

/** First line of what a command prints, "unknown" when it cannot be run. */
function lineOf([program = "", ...args]: readonly string[]): string {
  try {
    return (
      execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).split("\n", 1)[0] ??
      "unknown"
    );
  } catch {
    return "unknown"; // the report says so; a benchmark does not fail for it.
  }
}
