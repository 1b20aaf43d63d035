/**
 * A running `mailtwin sync SRC DST --watch --json`: waits for it to be live, and stops it as a user would.
 *
 * SOURCE: with --json, each line of standard output is an object whose `event` is "progress", "live", "shipped",
 * "conflict", "problem" or "summary".
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { type Copying, mailtwinSync } from "../measure/contenders.js";
import { forgetPeak, type ProcessStat, readProcessStat } from "../measure/process-stat.js";
import type { ProcessMemory } from "./workload.js";

export interface TwinEvent {
  readonly event: string;
  readonly [key: string]: unknown;
}

export interface TwinProcess extends AsyncDisposable {
  /** Of each of its processes, by what it is: `mailtwin`, or `source` and `replica` where these are two. */
  readonly stats: () => Readonly<Record<string, ProcessStat>>;
  /** From now on the highest resident size is counted anew. */
  readonly forgetPeaks: () => void;
  /** Lines so far whose event is "problem". */
  readonly problems: () => readonly TwinEvent[];
  /** What it has told so far, in order, without "progress". All of it once `stop` has resolved. */
  readonly events: () => readonly TwinEvent[];
  /** Interrupts it and waits for its end. Throws when it ends badly or does not end within 30 s. */
  readonly stop: () => Promise<void>;
}

const STOP_MS_MAX = 30_000;
const STDERR_CHARS_MAX = 4000;

/** Resolves when it says "live". Rejects when it ends before, or after `liveMsMax`. */
export async function startTwin(
  mailtwin: readonly string[],
  copying: Copying,
  liveMsMax: number,
): Promise<TwinProcess> {
  const [program = "", ...args] = mailtwinSync(mailtwin, copying, "--watch", "--json");
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const events: TwinEvent[] = [];
  let errors = "";
  let ended: string | undefined;
  child.stderr.on("data", (piece: Buffer) => {
    errors = (errors + piece.toString("utf8")).slice(-STDERR_CHARS_MAX);
  });
  const exited = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      ended = error.message;
      resolve();
    });
    child.once("close", (code, signal) => {
      ended ??= code === 0 || signal === "SIGINT" ? "well" : `with ${signal ?? code}`;
      resolve();
    });
  });
  const live = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const event = parseEvent(line);
      if (event !== undefined && event.event !== "progress") events.push(event);
      if (event?.event === "live") resolve();
    });
  });
  const kill = async (): Promise<void> => {
    if (ended === undefined) child.kill("SIGKILL");
    await exited;
  };
  try {
    await withinMs(Promise.race([live, exited]), liveMsMax, "mailtwin did not become live");
    if (ended !== undefined) throw new Error(`mailtwin ended ${ended} before it was live\n${errors}`);
  } catch (error) {
    await kill();
    throw error;
  }
  const stop = async (): Promise<void> => {
    child.kill("SIGINT");
    await withinMs(exited, STOP_MS_MAX, "mailtwin did not end after an interrupt");
    if (ended !== "well") throw new Error(`mailtwin ended ${ended}\n${errors}`);
  };
  const pid = child.pid ?? 0;
  const problems = () => events.filter(({ event }) => event === "problem");
  return {
    stats: () => ({ mailtwin: readProcessStat(pid) }),
    forgetPeaks: () => forgetPeak(pid),
    ...{ problems, events: () => events, stop, [Symbol.asyncDispose]: kill },
  };
}

/** CPU time of all its processes. */
export function cpuOf(twin: TwinProcess): number {
  return Object.values(twin.stats()).reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}

/** One entry for each of its processes. */
export function memoryOf(twin: TwinProcess): readonly ProcessMemory[] {
  return Object.entries(twin.stats()).map(([name, { rssBytes, peakRssBytes }]) => ({ name, rssBytes, peakRssBytes }));
}

function parseEvent(line: string): TwinEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "event" in value ? (value as TwinEvent) : undefined;
  } catch {
    return undefined; // a line for people: not ours.
  }
}

async function withinMs(work: Promise<void>, ms: number, otherwise: string): Promise<void> {
  const timeout = AbortSignal.timeout(ms);
  await new Promise<void>((resolve, reject) => {
    const onTimeout = (): void => reject(new Error(`${otherwise} within ${ms / 1000} s`));
    timeout.addEventListener("abort", onTimeout, { once: true });
    work.then(resolve, reject).finally(() => timeout.removeEventListener("abort", onTimeout));
  });
}
