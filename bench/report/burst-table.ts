/**
 * Bursts and memory as Markdown tables. Pure.
 */
import type { BurstResult, MemoryResult } from "../workloads/workload.js";
import { memoryOfEach, table } from "./table.js";

const BURST_HEAD = [
  "changes",
  "mailbox of",
  "made in",
  "behind while they were made",
  "behind at the end",
  "caught up after",
  "CPU a change",
  "peak RSS",
  "equal",
];

export function formatBursts(results: readonly BurstResult[]): string {
  const rows = results.map((result) => {
    const { made, atEnd } = backlogOf(result);
    return [
      result.what,
      `${result.mails.toLocaleString("en-US")} mails`,
      seconds(result.madeInMs),
      made.length === 0 ? "" : made.join(", "),
      String(atEnd),
      result.drainMs === undefined ? "**not in time**" : seconds(result.drainMs),
      `${result.cpuMsPerChange.toFixed(2)} ms`,
      memoryOfEach(result.memory, ({ peakRssBytes }) => peakRssBytes),
      result.equal ? "yes" : "**NO**",
    ];
  });
  return `${table(BURST_HEAD, rows)}\n\n${BURST_LEGEND}`;
}

const BURST_LEGEND =
  "Written as files under Dovecot's lock, without Dovecot. Behind: names of the source's mailbox that the replica's does not have, " +
  "from listings of both by a process of its own, at even intervals and right after the last change. Caught up after: from the " +
  "last change, looked at every 0.2 s. CPU: of both daemons.";

/** In order of time: what was seen while changes were made, and the first look after the last. */
function backlogOf({ backlog, madeInMs }: BurstResult): { readonly made: readonly number[]; readonly atEnd: number } {
  const made = backlog.filter(({ atMs }) => atMs < madeInMs).map(({ behind }) => behind);
  return { made, atEnd: backlog.find(({ atMs }) => atMs >= madeInMs)?.behind ?? 0 };
}

const MEMORY_HEAD = ["mailbox of", "stage", "RSS at its end", "peak RSS in it", "lost", "equal"];

export function formatMemory(results: readonly MemoryResult[]): string {
  const rows = results.map((result) => [
    `${result.mails.toLocaleString("en-US")} mails`,
    result.stage,
    memoryOfEach(result.memory, ({ rssBytes }) => rssBytes),
    memoryOfEach(result.memory, ({ peakRssBytes }) => peakRssBytes),
    result.lost === undefined ? "" : String(result.lost),
    result.equal ? "yes" : "**NO**",
  ]);
  return `${table(MEMORY_HEAD, rows)}\n\nTwo daemons over TLS; stages follow each other in the same processes, and each has a peak of its own.`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
