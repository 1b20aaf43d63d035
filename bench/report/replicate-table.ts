/**
 * Who replicates how fast and at what cost, as a Markdown table with its legend. Pure.
 *
 * INVARIANT: a ratio is of two runs of one round at one rate; without mailtwin's there is none.
 */
import { ratioSpread, type Spread, spreadOf } from "../measure/spread.js";
import { REPLICATOR_NAMES, TITLE_OF } from "../replicators/replicators.js";
import type { ReplicateResult } from "../workloads/workload.js";
import { table } from "./table.js";

const HEAD = [
  "who",
  "INBOX of",
  "deliveries",
  "p50",
  "p90",
  "p99",
  "max",
  "p50 by mailtwin's",
  "p99 by mailtwin's",
  "LMTP reply p50 / p99",
  "CPU a mail: all",
  "Dovecots' part",
  "more than bare delivery",
  "by mailtwin's",
  "lost",
  "equal",
];

/** Of at least one result. */
export function formatReplicates(results: readonly ReplicateResult[]): string {
  const rows = groupsOf(results).map((group) => {
    const at = (name: ReplicateResult["contender"]) => partners(results, group, name);
    const [ours, bare] = [at("mailtwin"), at("nobody")];
    const [first] = group;
    const lag = (pick: (row: ReplicateResult) => number | undefined) => shown(group.map(pick), milliseconds);
    const byOurs = (pick: (row: ReplicateResult) => number | undefined) => ratio(group.map(pick), ours?.map(pick));
    return [
      TITLE_OF[first.contender],
      first.mails.toLocaleString("en-US"),
      `${first.perSecond}/s for ${first.seconds} s${late(first)}`,
      ...[lag(p50), lag(({ lagMs }) => lagMs?.p90), lag(p99), lag(({ lagMs }) => lagMs?.max)],
      ...[byOurs(p50), byOurs(p99)],
      `${shown(
        group.map(({ replyMs }) => replyMs.p50),
        milliseconds,
      )} / ${shown(
        group.map(({ replyMs }) => replyMs.p99),
        milliseconds,
      )}`,
      shown(group.map(cpuOf), milliseconds),
      shown(
        group.map(({ dovecotCpuMsPerDelivery }) => dovecotCpuMsPerDelivery),
        milliseconds,
      ),
      first.contender === "nobody" ? "" : shown(above(group, bare), milliseconds),
      first.contender === "nobody" ? "" : ratio(above(group, bare), ours === undefined ? undefined : above(ours, bare)),
      first.lagMs === undefined
        ? ""
        : `${sum(group.map(({ lost }) => lost))} of ${sum(group.map(({ delivered }) => delivered))}`,
      equality(group),
    ];
  });
  return `${table(HEAD, rows)}\n\n${LEGEND}${cpuWords(results)}${notKeptWords(results)}`;
}

const LEGEND =
  "Two Dovecots 2.3, each with its own directories, and LMTP through the first one's unix socket. The lag is from a mail's name in the " +
  "source's new/ to its name in the replica's. CPU a mail: of all processes of both Dovecots and of the one who replicates, those " +
  "that have ended included, until two seconds after the last arrival; less what bare delivery takes, it is the cost of replicating. " +
  "lsyncd copies from one directory to another: between hosts it takes ssh as well. Equal is said by the comparer.";

const p50 = ({ lagMs }: ReplicateResult): number | undefined => lagMs?.p50;
const p99 = ({ lagMs }: ReplicateResult): number | undefined => lagMs?.p99;

type Group = readonly [ReplicateResult, ...ReplicateResult[]];

/** Rounds of one contender at one rate into one INBOX, by rate, in the order of the contenders' names. */
function groupsOf(results: readonly ReplicateResult[]): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const result of results) {
    const key = [result.mails, result.perSecond, result.contender].join(" ");
    const known = groups.get(key);
    groups.set(key, known === undefined ? [result] : [...known, result]);
  }
  const rank = ([{ mails, perSecond, contender }]: Group) => [mails, perSecond, REPLICATOR_NAMES.indexOf(contender)];
  return [...groups.values()].sort((a, b) => {
    const [ranksA, ranksB] = [rank(a), rank(b)];
    const at = ranksA.findIndex((value, index) => value !== ranksB[index]);
    return at < 0 ? 0 : (ranksA[at] ?? 0) - (ranksB[at] ?? 0);
  });
}

/** The runs of another contender in the same rounds; undefined when it lacks one. */
function partners(
  results: readonly ReplicateResult[],
  group: Group,
  contender: ReplicateResult["contender"],
): readonly ReplicateResult[] | undefined {
  const found = group.map(({ round, mails, perSecond }) =>
    results.find(
      (each) =>
        each.contender === contender && each.round === round && each.mails === mails && each.perSecond === perSecond,
    ),
  );
  return found.every((each) => each !== undefined) ? found : undefined;
}

function cpuOf({ dovecotCpuMsPerDelivery, ownCpuMsPerDelivery }: ReplicateResult): number {
  return dovecotCpuMsPerDelivery + ownCpuMsPerDelivery;
}

function above(
  group: readonly ReplicateResult[],
  bare: readonly ReplicateResult[] | undefined,
): readonly (number | undefined)[] {
  return group.map((each, at) => {
    const partner = bare?.[at];
    return partner === undefined ? undefined : cpuOf(each) - cpuOf(partner);
  });
}

function known(values: readonly (number | undefined)[]): readonly number[] | undefined {
  const present = values.filter((value) => value !== undefined);
  return present.length === values.length && present.length > 0 ? present : undefined;
}

function shown(values: readonly (number | undefined)[], format: (value: number) => string): string {
  const present = known(values);
  return present === undefined ? "" : spread(spreadOf(present), format);
}

function ratio(values: readonly (number | undefined)[], ours: readonly (number | undefined)[] | undefined): string {
  const [mine, theirs] = [known(values), known(ours ?? [])];
  if (mine === undefined || theirs === undefined) return "";
  return spread(ratioSpread(mine, theirs), (value) => `${value.toFixed(2)}x`);
}

function spread({ median, min, max, runs }: Spread, format: (value: number) => string): string {
  return runs === 1 ? format(median) : `${format(median)} (${format(min)} to ${format(max)})`;
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(ms < 10 ? 2 : 1)} ms`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Dovecot took longer to accept them than they were sent in. */
function late({ seconds, tookSeconds }: ReplicateResult): string {
  return tookSeconds < seconds * 1.05 + 0.5 ? "" : ` (took ${tookSeconds.toFixed(0)} s)`;
}

function equality(group: Group): string {
  const [{ contender, equal }] = group;
  if (equal === undefined) return "";
  if (group.every((each) => each.equal === true)) return "yes";
  return contender === "mailtwin" ? "**NO**" : "no, see below";
}

function cpuWords(results: readonly ReplicateResult[]): string {
  const ways = new Set(results.map(({ cpuBy }) => cpuBy));
  return ` CPU by ${[...ways].join(" and ")}.`;
}

function notKeptWords(results: readonly ReplicateResult[]): string {
  const wordsByName = new Map<string, string>();
  for (const { contender, notKept } of results)
    if (notKept.length > 0) wordsByName.set(TITLE_OF[contender], notKept.join(", "));
  const parts = [...wordsByName].map(([name, words]) => `\n- ${name}: ${words}`);
  return parts.length === 0 ? "" : `\n\nNot the same on the replica at the end:\n${parts.join("")}`;
}
