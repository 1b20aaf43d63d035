/**
 * Results as Markdown tables for people. Pure.
 */
import type { Spread } from "../measure/spread.js";
import type { CommandResult, LiveResult, Result } from "../workloads/workload.js";
import type { Machine } from "./machine.js";

/** The whole report: the machine, a table of commands, a table of live lag. */
export function formatReport(results: readonly Result[], machine: Machine): string {
  const commands = results.filter((result) => result.kind === "command");
  const lives = results.filter((result) => result.kind === "live");
  const parts = [formatMachine(machine)];
  if (commands.length > 0) parts.push(formatCommands(commands));
  if (lives.length > 0) parts.push(formatLives(lives));
  return `${parts.join("\n\n")}\n`;
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

function formatLives(results: readonly LiveResult[]): string {
  const rows = results.map((result) => [
    result.size,
    `${result.perSecond}/s for ${result.seconds} s`,
    ...[result.lagMs.p50, result.lagMs.p90, result.lagMs.p99, result.lagMs.max].map((ms) => `${ms.toFixed(1)} ms`),
    `${result.lost} of ${result.delivered}`,
    `${result.cpuMsPerDelivery.toFixed(2)} ms`,
    megabytes(result.rssBytes),
    megabytes(result.peakRssBytes),
    result.equal ? "yes" : "**NO**",
  ]);
  return table(
    ["INBOX of", "deliveries", "p50", "p90", "p99", "max", "lost", "CPU each", "RSS", "peak RSS", "equal"],
    rows,
  );
}

function spread({ median, min, max, runs }: Spread, format: (value: number) => string): string {
  return runs === 1 ? format(median) : `${format(median)} (${format(min)} to ${format(max)})`;
}

function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
