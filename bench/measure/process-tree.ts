/**
 * The CPU time of processes with all that they have started, from /proc: of what still runs, and of what has ended and was
 * waited for. Where a cgroup can be had that is the better account (cpu-account.ts).
 */
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessLine {
  readonly pid: number;
  readonly parent: number;
  /** User + system time of all its threads, and of children it has waited for. */
  readonly cpuMs: number;
}

const MS_PER_TICK = 10;

/** One line of /proc/PID/stat; undefined for what is none. The name in parentheses may hold spaces and parentheses. */
export function parseProcessLine(stat: string): ProcessLine | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const pid = Number.parseInt(stat, 10);
  const parent = Number(fields[1]);
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  if (fields.length < 15 || !Number.isSafeInteger(pid + parent + ticks)) return undefined;
  return { pid, parent, cpuMs: ticks * MS_PER_TICK };
}

/** The roots and everything below them, in no order. Pure. */
export function treeBelow(processes: readonly ProcessLine[], roots: readonly number[]): readonly ProcessLine[] {
  const childrenByParent = new Map<number, ProcessLine[]>();
  for (const each of processes) {
    const siblings = childrenByParent.get(each.parent);
    if (siblings === undefined) childrenByParent.set(each.parent, [each]);
    else siblings.push(each);
  }
  const found = new Set(processes.filter(({ pid }) => roots.includes(pid)));
  for (const each of found) for (const child of childrenByParent.get(each.pid) ?? []) found.add(child);
  return [...found];
}

/** All processes of this machine that can be seen. */
export function listProcesses(): readonly ProcessLine[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => parseProcessLine(statOf(pid)) ?? []);
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return ""; // it ended between the listing and here.
  }
}
