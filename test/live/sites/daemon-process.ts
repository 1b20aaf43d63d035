/**
 * One `mailtwin run` as a process, and what it logs.
 *
 * Each line on stderr is a JSON object whose `msg` is the name of an event. Anything else is kept apart and counts as a defect, as does
 * a line with a stack: `stop` throws for either.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { atExit } from "../lab/at-exit.js";
import { until } from "../lab/until.js";

/** The built command line. */
export const CLI = fileURLToPath(new URL("../../../dist/daemon/cli.js", import.meta.url));
const EVENT_MS_MAX = 60_000;
const STOP_MS_MAX = 60_000;
const TAIL_EVENTS = 12;

export interface DaemonEvent {
  /** The event's name. */
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface DaemonExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface DaemonCommand {
  /** For messages. */
  readonly site: string;
  /** In front of `node`, as for a network namespace: what is started has to become the program, in the same process. */
  readonly before: readonly string[];
  readonly configPath: string;
  /** Added to this process's environment. */
  readonly env: Readonly<Record<string, string>>;
}

export class DaemonProcess {
  readonly exited: Promise<DaemonExit>;
  readonly #site: string;
  readonly #child: ChildProcess;
  readonly #events: DaemonEvent[] = [];
  readonly #strayLines: string[] = [];
  #exit: DaemonExit | undefined;

  constructor({ site, before, configPath, env }: DaemonCommand) {
    this.#site = site;
    const [program = "", ...args] = [...before, process.execPath, CLI, "run", "--config", configPath];
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    this.#child = child;
    const forget = atExit(() => child.kill("SIGKILL"));
    eachLine(child.stderr, (line) => this.#take(line));
    eachLine(child.stdout, (line) => this.#strayLines.push(line));
    this.exited = new Promise((resolve, reject) => {
      child.once("error", reject);
      // "close", not "exit": all output has been read by then.
      child.once("close", (code, signal) => {
        forget();
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
    this.exited.catch(() => {}); // whoever awaits it sees the error; nobody has to.
  }

  /** In the order in which they were logged. */
  get events(): readonly DaemonEvent[] {
    return this.#events;
  }

  /** Lines that were no events: why it did not start, for example. */
  get strayLines(): readonly string[] {
    return this.#strayLines;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#exit === undefined;
  }

  /** The first event from number `since` on that fits. Throws with the last events when the process ends or time is up. */
  async waitFor(what: string, fits: (event: DaemonEvent) => boolean, since = 0): Promise<DaemonEvent> {
    const find = () => this.#events.slice(since).find(fits);
    const name = `${this.#site}: ${what}`;
    const settled = (): boolean => find() !== undefined || !this.isRunning;
    await until(name, settled, { deadlineMs: EVENT_MS_MAX, pollMs: 5, detail: () => this.tail() });
    const found = find();
    if (found === undefined) throw new Error(`the daemon ended before ${name}; ${this.tail()}`);
    return found;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** TERM; throws unless it ends in order, with exit code 0, and has said nothing that it should not. */
  async stop(): Promise<void> {
    this.signal("SIGTERM");
    this.resume(); // one that is stopped would not see it.
    await until(`${this.#site}: the daemon to end after SIGTERM`, () => !this.isRunning, {
      ...{ deadlineMs: STOP_MS_MAX, pollMs: 5, detail: () => this.tail() },
    });
    const { code, signal } = await this.exited;
    if (code !== 0) throw new Error(`${this.#site}: the daemon ended with ${code ?? signal}; ${this.tail()}`);
    this.expectNoDefect();
  }

  /** KILL; returns when it is gone. */
  async kill9(): Promise<void> {
    this.signal("SIGKILL"); // ends a stopped process as well.
    await this.exited;
    this.expectNoDefect();
  }

  /** STOP; returns when the kernel has stopped it. */
  async pause(): Promise<void> {
    this.signal("SIGSTOP");
    await until(`${this.#site}: the daemon to stop`, () => this.isStopped(), { deadlineMs: 5_000, pollMs: 1 });
  }

  /** CONT; of one that is not stopped nothing comes of it. */
  resume(): void {
    this.signal("SIGCONT");
  }

  isStopped(): boolean {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, "utf8");
    return stat.charAt(stat.lastIndexOf(")") + 2) === "T"; // "PID (NAME) STATE ...", and NAME may hold anything.
  }

  expectNoDefect(): void {
    const defects = this.#events.filter(({ stack }) => stack !== undefined).map((event) => JSON.stringify(event));
    const words = [...defects, ...this.#strayLines];
    if (words.length > 0) throw new Error(`${this.#site}: the daemon said\n${words.join("\n")}`);
  }

  tail(): string {
    const events = this.#events.slice(-TAIL_EVENTS).map((event) => JSON.stringify(event));
    return `last events:\n${events.join("\n")}\nother output:\n${this.#strayLines.slice(-TAIL_EVENTS).join("\n")}`;
  }

  #take(line: string): void {
    const event = parseEvent(line);
    if (event === undefined) this.#strayLines.push(line);
    else this.#events.push(event);
  }
}

function eachLine(stream: NodeJS.ReadableStream | null, take: (line: string) => void): void {
  let rest = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") take(line);
  });
  stream?.on("end", () => {
    if (rest !== "") take(rest);
  });
}

function parseEvent(line: string): DaemonEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isEvent = typeof value === "object" && value !== null && "msg" in value && typeof value.msg === "string";
    return isEvent ? (value as DaemonEvent) : undefined;
  } catch {
    return undefined; // no JSON: the caller keeps the line.
  }
}
