/**
 * Runs one command and measures it: wall time, with everything synced to disk at the end where asked, CPU time of all its
 * processes, and the largest resident size of any of them.
 *
 * CPU and memory come from wait4(2) through GNU time, which covers every descendant that was waited for. Without GNU time
 * the CPU comes from this process's own account of its children, and memory is not known.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { monotonicMs } from "./clock.js";

export interface Command {
  readonly argv: readonly string[];
  /** Finds the bytes sent and received in the command's output, where it tells them. */
  readonly wireBytes?: (output: string) => number | undefined;
  /** Beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** The exit codes that are an answer. Default: 0. */
  readonly exitCodes?: readonly number[];
}

export interface Measured {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakRssBytes: number | undefined;
  readonly wireBytes: number | undefined;
  /** The end of what it said. */
  readonly output: string;
  readonly exitCode: number;
}

export interface RunOptions {
  /** `sync -f` of the file system that holds this path is part of the wall time. */
  readonly syncPath?: string;
  /** Where a small report may be written for a moment. */
  readonly scratch: string;
}

const GNU_TIME = "/usr/bin/time";
const OUTPUT_CHARS_MAX = 64_000;

/** Throws with the end of the command's output when it does not exit with 0, or another code that the command may have. */
export async function runContender(command: Command, options: RunOptions): Promise<Measured> {
  const report = `${options.scratch}/time-report`;
  const hasTime = existsSync(GNU_TIME);
  const argv = hasTime ? [GNU_TIME, "-q", "-o", report, "-f", "%U %S %M", ...command.argv] : command.argv;
  const cpuBeforeMs = childrenCpuMs();
  const startMs = monotonicMs();
  const { output, exitCode } = await runToAnswer({ ...command, argv });
  if (options.syncPath !== undefined) await runToEnd(["sync", "-f", options.syncPath]);
  const wallMs = monotonicMs() - startMs;
  const wireBytes = command.wireBytes?.(output);
  const said = { wallMs, wireBytes, output, exitCode };
  if (!hasTime) return { ...said, cpuMs: childrenCpuMs() - cpuBeforeMs, peakRssBytes: undefined };
  const [user = 0, system = 0, kilobytes = 0] = readFileSync(report, "utf8").trim().split(" ").map(Number);
  rmSync(report);
  return { ...said, cpuMs: (user + system) * 1000, peakRssBytes: kilobytes * 1024 };
}

/** Runs a command; returns its output (the end of it). Throws when it fails. */
export async function runToEnd(argv: readonly string[]): Promise<string> {
  return (await runToAnswer({ argv })).output;
}

async function runToAnswer({
  argv,
  env = {},
  exitCodes = [0],
}: Command): Promise<Pick<Measured, "output" | "exitCode">> {
  const [program = "", ...args] = argv;
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    let output = "";
    const collect = (piece: Buffer): void => {
      output = (output + piece.toString("latin1")).slice(-OUTPUT_CHARS_MAX);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code !== null && exitCodes.includes(code)) resolve({ output, exitCode: code });
      else reject(new Error(`${argv.join(" ")}: ended with ${signal ?? code}\n${output.slice(-2000)}`));
    });
  });
}

/** CPU of this process's children that have ended. */
function childrenCpuMs(): number {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) * 10;
}
