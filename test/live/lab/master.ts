/**
 * The life of one Dovecot master process: start until it serves, stop until nothing of it is left.
 *
 * It runs in the foreground as leader of its own process group, and its children stay in that group; so every process
 * of the instance can be seen and, in the end, killed by the group's id, and nothing else ever is.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { atExit } from "./at-exit.js";

const START_MS_MAX = 15_000;
/** The master gets this long to end its children. */
const MASTER_MS_MAX = 300;
/** Then the children get this long after a TERM of their own; one that waits for a mailbox lock ignores TERM for up to two minutes. */
const TERM_MS_MAX = 3_000;
const KILL_MS_MAX = 60_000; // against one that hangs: on a busy machine its end is heard of late.
const POLL_MS = 4;

export type Launch =
  | { readonly kind: "up"; readonly master: Master }
  | { readonly kind: "port-taken"; readonly why: string }
  | { readonly kind: "failed"; readonly why: string };

/** Starts Dovecot with a configuration whose log goes to `logPath`; returns when its ports accept, or why not. */
export async function launchMaster(configPath: string, logPath: string): Promise<Launch> {
  const child = spawn("dovecot", ["-F", "-c", configPath], { detached: true, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  let spawnError: Error | undefined;
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  child.once("error", (error) => {
    spawnError = error;
  });
  const master = new Master(child);
  const deadline = performance.now() + START_MS_MAX;
  for (;;) {
    const log = existsSync(logPath) ? readFileSync(logPath, "utf8") : "";
    // Dovecot listens on all its sockets before it writes this line.
    if (log.includes(" starting up for ")) return { kind: "up", master };
    if (spawnError !== undefined || !master.isRunning() || performance.now() > deadline) {
      await master.stop();
      const why = `${said}${spawnError?.message ?? ""}${existsSync(logPath) ? readFileSync(logPath, "utf8") : ""}`;
      return { kind: why.includes("Address already in use") ? "port-taken" : "failed", why };
    }
    await sleep(POLL_MS);
  }
}

export class Master {
  readonly #child: ChildProcess;
  readonly #forget: () => void;

  constructor(child: ChildProcess) {
    this.#child = child;
    // A test process that ends early must not leave its Dovecots behind.
    this.#forget = atExit(() => signalGroup(child.pid, "SIGKILL"));
  }

  isRunning(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Returns when no process of the group is left: TERM first, KILL for what does not end. Idempotent. */
  async stop(): Promise<void> {
    const { pid } = this.#child;
    if (pid === undefined) return;
    if (this.isRunning()) this.#child.kill("SIGTERM");
    // The master then waits a fixed second for its log process. Once these two are alone, nothing is lost by KILL.
    const servants = (): readonly Member[] =>
      groupMembers(pid).filter(({ pid: its, name }) => its !== pid && name !== "log");
    const quiet = await untilTrue(MASTER_MS_MAX, () => servants().length === 0);
    // A session with a connected client outlives its master unless it is told itself.
    if (!quiet) for (const servant of servants()) signal(servant.pid, "SIGTERM");
    await untilTrue(TERM_MS_MAX, () => servants().length === 0);
    signalGroup(pid, "SIGKILL");
    this.#forget();
    const gone = await untilTrue(KILL_MS_MAX, () => !this.isRunning() && groupMembers(pid).length === 0);
    if (!gone) throw new Error(`Dovecot processes survive KILL: ${JSON.stringify(groupMembers(pid))}`);
  }
}

interface Member {
  readonly pid: number;
  readonly name: string;
}

/** Processes of a group that still run; zombies do not count. */
function groupMembers(group: number): readonly Member[] {
  const members: Member[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const found = /^\d+ \((.*)\) (\S) \d+ (\d+) /s.exec(readStat(entry));
    if (found === null || Number(found[3]) !== group || found[2] === "Z" || found[2] === "X") continue;
    members.push({ pid: Number(entry), name: found[1] ?? "" });
  }
  return members;
}

function readStat(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return ""; // it ended between readdir and here.
  }
}

function signalGroup(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid !== undefined) signal(-pid, name);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // ESRCH: already gone, which is what the caller wants.
  }
}

async function untilTrue(msMax: number, condition: () => boolean): Promise<boolean> {
  const deadline = performance.now() + msMax;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}
