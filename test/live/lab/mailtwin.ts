/**
 * Runs the built command line (dist/daemon/cli.js) as a child process, as a stranger would.
 *
 * With --json it prints one JSON object a line on stdout; the field `event` is "plan", "progress", "shipped", "live",
 * "problem" or "summary". Anything else on stdout is kept apart and counts as a defect (`strayOutput`).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { atExit } from "./at-exit.js";
import { until } from "./until.js";

const CLI = fileURLToPath(new URL("../../../dist/daemon/cli.js", import.meta.url));
const LIVE_MS_MAX = 60_000;
const STOP_MS_MAX = 60_000;
const TAIL_CHARS = 4_000;

export interface TwinEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface TwinExit {
  /** undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
}

export interface TwinOutput {
  readonly events: readonly TwinEvent[];
  readonly stderr: string;
  /** Lines of stdout that were no event. */
  readonly strayOutput: readonly string[];
}

export interface TwinOptions {
  readonly source: string;
  readonly replica: string;
  /** Directory of the state database. */
  readonly state: string;
  /** Further arguments, after all others. */
  readonly args?: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Another script than the built command line. */
  readonly cli?: string;
}

/** One `mailtwin sync SRC DST --watch` as a process. */
export interface Twin extends AsyncDisposable {
  readonly pid: number;
  readonly output: TwinOutput;
  /** Settles when the process has ended, by whatever cause. */
  readonly exited: Promise<TwinExit>;
  isRunning(): boolean;
  /** The first event, past or to come, that fits. Throws with the output when the process ends or time is up. */
  waitFor(what: string, fits: (event: TwinEvent) => boolean, deadlineMs?: number): Promise<TwinEvent>;
  /** SIGINT, as Ctrl-C; returns how it ended. Throws (and kills it) when that takes over 30 s. */
  stop(): Promise<TwinExit>;
  /** SIGKILL; returns when it is gone. */
  kill9(): Promise<void>;
  /** SIGSTOP; returns when the kernel has stopped it. */
  pause(): Promise<void>;
  resume(): void;
}

/** Starts a watching twin and returns when it reports "live"; throws with its output when it ends before. */
export async function startTwin(options: TwinOptions, settings: { readonly liveMsMax?: number } = {}): Promise<Twin> {
  const twin = spawnTwin(options);
  try {
    await twin.waitFor("live", ({ event }) => event === "live", settings.liveMsMax ?? LIVE_MS_MAX);
  } catch (error) {
    await twin.kill9();
    throw error;
  }
  return twin;
}

/** Starts a watching twin without waiting for anything: for tests that end it on its way. */
export function spawnTwin(options: TwinOptions): Twin {
  const { source, replica, state, args = [], env = {}, cli = CLI } = options;
  return new TwinProcess(cli, ["sync", source, replica, "--watch", "--json", "--state", state, ...args], env);
}

export interface TwinRun extends TwinOutput, TwinExit {}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Default 60 s. */
  readonly msMax?: number;
  readonly cli?: string;
}

/** Runs one command to its end, with the arguments exactly as given. Throws (and kills it) when it takes too long. */
export async function runTwin(args: readonly string[], options: RunOptions = {}): Promise<TwinRun> {
  await using twin = new TwinProcess(options.cli ?? CLI, args, options.env ?? {});
  const msMax = options.msMax ?? LIVE_MS_MAX;
  await until(`mailtwin ${args.join(" ")} to end`, () => !twin.isRunning(), { deadlineMs: msMax, pollMs: 5 });
  return { ...twin.output, ...(await twin.exited) };
}

class TwinProcess implements Twin {
  readonly pid: number;
  readonly exited: Promise<TwinExit>;
  readonly #child: ChildProcess;
  readonly #events: TwinEvent[] = [];
  readonly #strayOutput: string[] = [];
  #stderr = "";
  #ended = false;

  constructor(cli: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    const child = spawn(process.execPath, [cli, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    this.#child = child;
    this.pid = child.pid ?? 0;
    const forget = atExit(() => child.kill("SIGKILL"));
    let rest = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#take(line);
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      this.#stderr += chunk;
    });
    this.exited = new Promise((resolve, reject) => {
      child.once("error", reject);
      // "close", not "exit": all output has been read by then.
      child.once("close", (code, signal) => {
        if (rest !== "") this.#take(rest);
        this.#ended = true;
        forget();
        resolve({ code: code ?? undefined, signal: signal ?? undefined });
      });
    });
    this.exited.catch(() => {}); // whoever awaits it sees the error; nobody has to.
  }

  get output(): TwinOutput {
    return { events: this.#events, stderr: this.#stderr, strayOutput: this.#strayOutput };
  }

  isRunning(): boolean {
    return !this.#ended;
  }

  async waitFor(what: string, fits: (event: TwinEvent) => boolean, deadlineMs = LIVE_MS_MAX): Promise<TwinEvent> {
    const name = `mailtwin's event ${what}`;
    const settled = (): boolean => this.#events.some(fits) || this.#ended;
    await until(name, settled, { deadlineMs, pollMs: 2, detail: () => this.#tail() });
    const found = this.#events.find(fits);
    if (found === undefined) throw new Error(`mailtwin ended before ${name}; ${this.#tail()}`);
    return found;
  }

  async stop(): Promise<TwinExit> {
    if (!this.#ended) {
      this.#child.kill("SIGINT");
      this.resume(); // a paused process would not see it.
    }
    const options = { deadlineMs: STOP_MS_MAX, pollMs: 2, detail: () => this.#tail() };
    try {
      await until("mailtwin to end after SIGINT", () => this.#ended, options);
    } catch (error) {
      await this.kill9();
      throw error;
    }
    return await this.exited;
  }

  async kill9(): Promise<void> {
    this.#child.kill("SIGKILL"); // ends a stopped process as well.
    await this.exited;
  }

  async pause(): Promise<void> {
    this.#child.kill("SIGSTOP");
    await until("mailtwin to stop", () => processState(this.pid) === "T", { deadlineMs: 5_000, pollMs: 1 });
  }

  resume(): void {
    this.#child.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.kill9();
  }

  #take(line: string): void {
    if (line === "") return;
    const event = parseEvent(line);
    if (event === undefined) this.#strayOutput.push(line);
    else this.#events.push(event);
  }

  #tail(): string {
    const events = this.#events.slice(-5).map((event) => JSON.stringify(event));
    return `last events:\n${events.join("\n")}\nstray output:\n${this.#strayOutput.slice(-5).join("\n")}\nstderr:\n${this.#stderr.slice(-TAIL_CHARS)}`;
  }
}

function parseEvent(line: string): TwinEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isEvent = typeof value === "object" && value !== null && "event" in value && typeof value.event === "string";
    return isEvent ? (value as TwinEvent) : undefined;
  } catch {
    return undefined; // no JSON: the caller keeps the line as stray output.
  }
}

/** The state letter of a process in /proc ("R", "S", "T", ...). */
function processState(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.charAt(stat.lastIndexOf(")") + 2); // "PID (NAME) STATE ...", and NAME may hold anything.
}
