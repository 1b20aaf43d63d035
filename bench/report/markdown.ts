/**
 * Results as Markdown tables for people. Pure.
 */
import type { Spread } from "../measure/spread.js";
import type { CommandResult, Result, SkippedResult } from "../workloads/workload.js";
import { formatBursts, formatMemory } from "./burst-table.js";
import { formatLives } from "./live-table.js";
import type { Machine } from "./machine.js";
import { formatReplicates } from "./replicate-table.js";
import { megabytes, table } from "./table.js";
import { formatVerifies } from "./verify-table.js";

/** The whole report: the machine, and a table for each kind of result. */
export function formatReport(results: readonly Result[], machine: Machine): string {
  const commands = results.filter((result) => result.kind === "command");
  const lives = results.filter((result) => result.kind === "live");
  const parts = [formatMachine(machine)];
  if (commands.length > 0) parts.push(formatCommands(commands));
  if (lives.length > 0) parts.push(formatLives(lives));
  const replicates = results.filter((result) => result.kind === "replicate");
  if (replicates.length > 0) parts.push(formatReplicates(replicates));
  const bursts = results.filter((result) => result.kind === "burst");
  if (bursts.length > 0) parts.push(formatBursts(bursts));
  const memory = results.filter((result) => result.kind === "memory");
  if (memory.length > 0) parts.push(formatMemory(memory));
  const verifies = results.filter((result) => result.kind === "verify");
  if (verifies.length > 0) parts.push(formatVerifies(verifies));
  const skipped = results.filter((result) => result.kind === "skipped");
  if (skipped.length > 0) parts.push(formatSkipped(skipped));
  return `${parts.join("\n\n")}\n`;
}

function formatSkipped(results: readonly SkippedResult[]): string {
  const lines = results.map(({ workload, contender, reason }) => `- ${workload}, ${contender}: ${reason}`);
  return `Not measured:\n\n${lines.join("\n")}`;
}

function formatMachine(machine: Machine): string {
  const memory = `${Math.round(machine.memoryBytes / 2 ** 30)} GiB`;
  return (
    `${machine.cpu}, ${machine.cores} cores, ${memory}, Linux ${machine.kernel}, ${machine.fileSystem}; ` +
    `Node ${machine.node}, rsync ${machine.rsync}; commit ${machine.commit}. ` +
    "Median (least to greatest) of the runs; ratios are of runs next to each other."
  );
}

function formatCommands(results: readonly CommandResult[]): string {
  const rows = results.map((result) => [
    result.workload,
    result.size,
    result.contender,
    spread(result.wallMs, (ms) => `${(ms / 1000).toFixed(2)} s`),
    result.wallToRsync === undefined ? "" : spread(result.wallToRsync, (ratio) => `${ratio.toFixed(2)}x`),
    `${(result.cpuMs.median / 1000).toFixed(2)} s`,
    result.peakRssBytes === undefined ? "" : megabytes(result.peakRssBytes.median),
    result.wireBytes === undefined ? "" : megabytes(result.wireBytes.median),
    String(result.wallMs.runs),
    result.equal ? "yes" : "**NO**",
  ]);
  return table(["work", "size", "contender", "wall", "by rsync", "CPU", "peak RSS", "wire", "runs", "equal"], rows);
}

function spread({ median, min, max, runs }: Spread, format: (value: number) => string): string {
  return runs === 1 ? format(median) : `${format(median)} (${format(min)} to ${format(max)})`;
}
