/**
 * What comparisons take, as a Markdown table, with what each is to be at the most beside it. Pure.
 */
import type { Spread } from "../measure/spread.js";
import type { Goaled, VerifyResult } from "../workloads/workload.js";
import { megabytes, table } from "./table.js";

const HEAD = [
  "work",
  "size",
  "who",
  "wall",
  "by rsync",
  "by the smallest size",
  "wire",
  "without new mail",
  "wire a changed mail",
  "CPU",
  "runs",
  "right",
];

/** Of at least one result. */
export function formatVerifies(results: readonly VerifyResult[]): string {
  const rows = results.map((result) => [
    result.work,
    `${result.mails.toLocaleString("en-US")} mails`,
    result.contender,
    shown(result.wallMs, seconds),
    shown(result.wallToRsync, times),
    shown(toSmallest(results, result), times),
    shown(result.wireBytes, megabytes),
    shown(result.wireBesideBodies, megabytes),
    shown(result.wireBytesPerMail, (bytes) => `${bytes.toFixed(0)} B`),
    seconds(result.cpuMs.median),
    String(result.wallMs.measured.runs),
    result.equal ? "yes" : "**NO**",
  ]);
  return `${table(HEAD, rows)}\n\n${LEGEND}`;
}

const LEGEND =
  "Behind a measure what its median is to be at the most, and in bold where it is more. HOST: the other end is a process of its own, " +
  "over a pipe in ssh's place. Wire: bytes both ways through that pipe, as the link wrote them; of rsync its own count. Without new mail: less what the run's new mails take, each compressed by itself.";

/** The wall by that of the same work of the fewest mails; undefined for that row itself. */
function toSmallest(results: readonly VerifyResult[], result: VerifyResult): Goaled | undefined {
  const alike = results.filter(({ work, contender }) => work === result.work && contender === result.contender);
  const [smallest] = alike.toSorted((a, b) => a.mails - b.mails);
  if (smallest === undefined || smallest.mails === result.mails) return undefined;
  const ratio = result.wallMs.measured.median / smallest.wallMs.measured.median;
  return { measured: { median: ratio, min: ratio, max: ratio, runs: 1 }, goal: result.wallToSmallestGoal };
}

function shown(value: Goaled | undefined, format: (value: number) => string): string {
  if (value === undefined) return "";
  const { measured, goal } = value;
  const words = spread(measured, format);
  if (goal === undefined) return words;
  return `${measured.median > goal ? `**${words}**` : words}, goal ${format(goal)}`;
}

function spread({ median, min, max, runs }: Spread, format: (value: number) => string): string {
  return runs === 1 ? format(median) : `${format(median)} (${format(min)} to ${format(max)})`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

function times(ratio: number): string {
  return `${ratio.toFixed(2)}x`;
}
