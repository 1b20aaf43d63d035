/**
 * An account of the CPU time that a group of processes has used, with those that come and go: dsync and rsync are started anew
 * for each change, and are over before anybody could look at them.
 *
 * Each account is a cgroup of its own where one can be made (cgroup 2 counts CPU time without any controller); else the sum over
 * the process trees, which misses what nobody waited for.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../src/base/errors.js";
import { monotonicMs, pause } from "./clock.js";
import { listProcesses, treeBelow } from "./process-tree.js";

export interface CpuAccount extends AsyncDisposable {
  readonly by: "cgroup" | "process tree";
  /** A command that runs `argv` in this account, as the same process. */
  readonly wrap: (argv: readonly string[]) => readonly string[];
  /** By all of its processes so far, those that have ended included. */
  readonly cpuMs: () => number;
  /** Those that run now. */
  readonly pids: () => readonly number[];
}

const GONE_MS_MAX = 5000;
const POLL_MS = 20;
/** A process puts itself into the account before it becomes the program: nothing of it is missed. */
const ENTER = 'echo $$ >> "$0" && exec "$@"';

let sequence = 0;

/**
 * `scratch`: a directory for a small file, where no cgroup can be had; `parent`: the cgroup to make one in. Disposing kills what
 * still runs in the account.
 */
export function openCpuAccount(scratch: string, parent = ownCgroup()): CpuAccount {
  sequence += 1;
  const name = `mailtwin-bench-${process.pid}-${sequence}`;
  const group = parent === undefined ? undefined : makeCgroup(join(parent, name));
  const account = group === undefined ? treeAccount(join(scratch, name)) : cgroupAccount(group);
  const killAll = (): void => {
    for (const pid of account.pids()) kill(pid);
  };
  const forget = atSignal(killAll);
  const end = async (): Promise<void> => {
    const deadlineMs = monotonicMs() + GONE_MS_MAX;
    for (killAll(); account.pids().length > 0 && monotonicMs() < deadlineMs; killAll()) await pause(POLL_MS);
    forget();
    if (group !== undefined) await removeCgroup(group, deadlineMs);
  };
  return {
    ...account,
    wrap: (argv) => ["/bin/sh", "-c", ENTER, account.file, ...argv],
    [Symbol.asyncDispose]: end,
  };
}

type Account = Pick<CpuAccount, "by" | "cpuMs" | "pids"> & { readonly file: string };

function cgroupAccount(group: string): Account {
  const file = join(group, "cgroup.procs");
  return {
    by: "cgroup",
    file,
    cpuMs: () => parseUsageMs(readFileSync(join(group, "cpu.stat"), "latin1")),
    pids: () => numbersIn(readFileSync(file, "latin1")),
  };
}

function treeAccount(file: string): Account {
  writeFileSync(file, "");
  const running = () => {
    const processes = listProcesses();
    const entered = numbersIn(readFileSync(file, "latin1"));
    // Its number may be another process's by now, which would not be a child of this one.
    const roots = processes.filter(({ pid, parent }) => parent === process.pid && entered.includes(pid));
    return treeBelow(
      processes,
      roots.map(({ pid }) => pid),
    );
  };
  return {
    by: "process tree",
    file,
    cpuMs: () => running().reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    pids: () => running().map(({ pid }) => pid),
  };
}

function ownCgroup(): string | undefined {
  return cgroupOf(readFileSync("/proc/self/mountinfo", "latin1"), readFileSync("/proc/self/cgroup", "latin1"));
}

/** Where this process may make a cgroup below its own, by /proc/self/mountinfo and /proc/self/cgroup. Pure. */
export function cgroupOf(mountinfo: string, cgroup: string): string | undefined {
  const mount = mountinfo.split("\n").find((line) => / - cgroup2 /.test(line));
  const own = /^0::(\/.*)$/m.exec(cgroup)?.[1];
  const at = mount?.split(" ")[4];
  return at === undefined || own === undefined ? undefined : join(at, own);
}

/** Of a cgroup's cpu.stat. Throws on what is none. */
export function parseUsageMs(cpuStat: string): number {
  const found = /^usage_usec (\d+)$/m.exec(cpuStat)?.[1];
  if (found === undefined) throw new Error("cpu.stat without usage_usec");
  return Number(found) / 1000;
}

/** Undefined where none can be made, or where it would not count. */
function makeCgroup(path: string): string | undefined {
  try {
    mkdirSync(path);
  } catch {
    return undefined; // not root, no write permission, a read-only mount: the account is kept in the other way, and says so.
  }
  try {
    parseUsageMs(readFileSync(join(path, "cpu.stat"), "latin1"));
    return path;
  } catch {
    rmdirSync(path);
    return undefined; // an old kernel without cpu.stat.
  }
}

/** A cgroup is busy for a moment after its last process has ended. */
async function removeCgroup(path: string, deadlineMs: number): Promise<void> {
  for (;;) {
    try {
      rmdirSync(path);
      return;
    } catch (error) {
      if (errnoOf(error) !== "EBUSY" || monotonicMs() > deadlineMs) throw error;
    }
    await pause(POLL_MS);
  }
}

function numbersIn(text: string): readonly number[] {
  return text.split("\n").filter(Boolean).map(Number);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (errnoOf(error) !== "ESRCH") throw error;
  }
}

/** A signal that ends this process must not leave a mail server behind. Returns what takes it back. */
function atSignal(work: () => void): () => void {
  const listeners = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) => {
    const listener = (): void => {
      work();
      process.off(signal, listener);
      process.kill(process.pid, signal);
    };
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });
  return () => {
    for (const off of listeners) off();
  };
}
