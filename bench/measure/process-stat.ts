/**
 * What /proc says about a running process: CPU time so far, resident memory now and at its peak.
 */
import { readFileSync, writeFileSync } from "node:fs";

export interface ProcessStat {
  /** User + system time of all its threads, and of children it has waited for; in ticks of 10 ms. */
  readonly cpuMs: number;
  readonly rssBytes: number;
  /** The highest resident size so far, or since `forgetPeak`. */
  readonly peakRssBytes: number;
}

const MS_PER_TICK = 10;

/** Throws `ENOENT` or `ESRCH` when there is no such process. */
export function readProcessStat(pid: number): ProcessStat {
  // The command in parentheses may hold spaces: count fields behind the last ")".
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [utime = 0, stime = 0, childUtime = 0, childStime = 0] = fields.slice(11, 15).map(Number);
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return {
    cpuMs: (utime + stime + childUtime + childStime) * MS_PER_TICK,
    rssBytes: kilobytesOf(status, "VmRSS"),
    peakRssBytes: kilobytesOf(status, "VmHWM"),
  };
}

/** Has the kernel count the highest resident size of a process anew from now on (VmHWM; proc(5), clear_refs). */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

function kilobytesOf(status: string, key: string): number {
  return 1024 * Number(new RegExp(`^${key}:\\s+([0-9]+) kB`, "m").exec(status)?.[1] ?? 0);
}
