/**
 * Live lag as a Markdown table with its legend. Pure.
 *
 * INVARIANT: the 99th percentile of all mails stands before the one of those that met no stall, and that one never stands
 * without the number of mails it leaves out.
 */
import { type DiskFloor, STALL_MS_MIN } from "../measure/stalls.js";
import type { LiveResult } from "../workloads/workload.js";
import { memoryOfEach, table } from "./table.js";

const HEAD = [
  "work",
  "INBOX of",
  "deliveries",
  "p50",
  "p90",
  "p99",
  "max",
  "p99 of mails that met no stall",
  "disk: append + fdatasync p50 / p99 / max",
  "lost",
  "CPU each",
  "RSS",
  "peak RSS",
  "equal",
];

/** Of at least one result. */
export function formatLives(results: readonly LiveResult[]): string {
  const rows = results.map((result) => [
    result.workload,
    result.size,
    `${result.perSecond}/s for ${result.seconds} s`,
    ...[result.lagMs.p50, result.lagMs.p90, result.lagMs.p99, result.lagMs.max].map((ms) => `${ms.toFixed(1)} ms`),
    outsideStalls(result),
    disk(result.disk),
    `${result.lost} of ${result.delivered}`,
    cpu(result, smallestAtRate(results, result)),
    memoryOfEach(result.memory, ({ rssBytes }) => rssBytes),
    memoryOfEach(result.memory, ({ peakRssBytes }) => peakRssBytes),
    result.equal ? "yes" : "**NO**",
  ]);
  return `${table(HEAD, rows)}\n\n${LEGEND}\n\n${atRest(results)}`;
}

const LEGEND =
  "Disk: while the mails are delivered, a process of its own appends 60 bytes to a file beside the trees and calls fdatasync, " +
  `every 50 ms. A write that took longer than ${STALL_MS_MIN} ms is a stall (their number and their time together are given). A ` +
  "mail met a stall when one overlaps its way from delivered to visible; the second p99 leaves these mails out, and says how " +
  "many. The probe cannot tell who made the disk stall: mailtwin's own writing may have. It is itself a load of 20 syncs and " +
  "1.2 kB a second; a mail alone makes about 7 syncs. CPU each: of mailtwin for one mail (live: one process; daemons: both of " +
  "them), in brackets by that of the smallest INBOX at the same rate. RSS: of each process.";

function outsideStalls({ lagOutsideStalls: { p99, counted, leftOut } }: LiveResult): string {
  return `${p99 === undefined ? "none" : `${p99.toFixed(1)} ms`} (${leftOut} of ${counted + leftOut} left out)`;
}

function disk({ p50, p99, max, stalls, stalledMs, seconds }: DiskFloor): string {
  const times = `${p50.toFixed(2)} / ${p99.toFixed(1)} / ${max.toFixed(1)} ms`;
  const share =
    stalls.length === 0
      ? ` in ${seconds.toFixed(0)} s`
      : `, ${(stalledMs / 1000).toFixed(2)} s of ${seconds.toFixed(0)} s`;
  return `${times}; ${stalls.length} ${stalls.length === 1 ? "stall" : "stalls"}${share}`;
}

function smallestAtRate(results: readonly LiveResult[], { perSecond, workload }: LiveResult): LiveResult | undefined {
  const alike = results.filter((result) => result.perSecond === perSecond && result.workload === workload);
  return alike.toSorted((a, b) => a.mails - b.mails)[0];
}

function cpu(result: LiveResult, smallest: LiveResult | undefined): string {
  const each = `${result.cpuMsPerDelivery.toFixed(2)} ms`;
  if (smallest === undefined || smallest === result) return each;
  return `${each} (${(result.cpuMsPerDelivery / smallest.cpuMsPerDelivery).toFixed(2)}x)`;
}

/** One sentence for each INBOX: its rows share the rest before the first delivery. */
function atRest(results: readonly LiveResult[]): string {
  const bySize = new Map(results.map(({ workload, size, diskAtRest }) => [`${workload}, ${size}`, diskAtRest]));
  const parts = [...bySize].map(([size, floor]) => `${size}: ${disk(floor)}`);
  return `The disk at rest, before the first delivery: ${parts.join("; ")}.`;
}
