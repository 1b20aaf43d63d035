/**
 * The status as people read it: a block for each store, a line for each replica, then what needs a person, each with the hint.
 * Pure; of no value anything is written raw to a terminal.
 */
import { formatBytes, formatCount, formatDuration } from "../../base/text-format.js";
import { onOneLine } from "../config/problem.js";
import { countOf, withoutMiddle, withoutMiddles } from "../words.js";
import {
  type DaemonStatus,
  levelOf,
  type PlacedTrouble,
  type ReplicaStatus,
  type ReplicaStoreStatus,
  type SourceStatus,
  type StoreStatus,
  troublesOf,
  wordsOfLevel,
} from "./status.js";

/** Of each level; the rest is a number. A store of a hundred thousand mailboxes can have as many problems. */
const TROUBLES_TOLD_MAX = 50;

const FOREIGN_NAMED_MAX = 3;
const LIMITED_NAMED_MAX = 3;

/** Ends with a line break. */
export function formatStatus(status: DaemonStatus): string {
  const { software, pid, startedMs, nowMs, stores } = status;
  const head = `${software}, pid ${pid}, up ${ago(startedMs, nowMs)}: ${wordsOfLevel(levelOf(status))}`;
  const blocks = stores.map((store) =>
    store.role === "source" ? sourceBlock(store, nowMs) : replicaBlock(store, nowMs),
  );
  const all = troublesOf(status);
  const told = (["needs-you", "healing"] as const).map((level) =>
    troubleBlock(
      level,
      all.filter((trouble) => trouble.level === level),
      nowMs,
    ),
  );
  const none = stores.length === 0 ? [["no stores: the configuration has none"]] : [];
  const parts = [[head], ...none, ...blocks, ...told.filter((lines) => lines.length > 0)];
  return `${parts.map((lines) => lines.map(onOneLine).join("\n")).join("\n\n")}\n`;
}

/** One line, without a line break, for a log or a narrow place. */
export function summarizeStatus(status: DaemonStatus): string {
  const replicas = status.stores.flatMap((store) =>
    store.role === "source"
      ? store.replicas.map(
          ({ name, state, lagTransactions, comparison }) =>
            `${store.name}/${name} ${state}${comparedCell(comparison)} ${lagTransactions === undefined ? "not served" : behind(lagTransactions)}`,
        )
      : [`${store.name} ${store.isConnected ? "connected" : "not connected"}`],
  );
  return onOneLine([levelOf(status), ...replicas].join("; "));
}

function sourceBlock(store: SourceStatus, nowMs: number): string[] {
  const { name, path, log, watch, sweeps, replicas } = store;
  return [
    `${name}: source, ${path}: ${sizeWords(store)}`,
    ...(log === undefined ? [] : [`  log:    ${logWords(log)}`]),
    ...(watch === undefined || sweeps === undefined ? [] : [`  watch:  ${watchWords({ watch, sweeps }, nowMs)}`]),
    ...(replicas.length === 0 ? ["  no replicas"] : aligned(replicas.map((replica) => replicaCells(replica, nowMs)))),
    ...replicas.flatMap(comparisonLine),
    ...replicas.flatMap(askedLine),
    ...replicas.flatMap((replica) => foreignLine(replica, nowMs)),
    ...replicas.flatMap(limitedLine),
    ...replicas.flatMap((replica) => scrubLine(replica, nowMs)),
    ...replicas.flatMap(({ name, breaches }) => breachesLine(name, breaches, nowMs)),
  ];
}

/** Of a store that is not open nobody knows. */
function sizeWords({ mailboxes, messages }: Pick<StoreStatus, "mailboxes" | "messages">): string {
  if (mailboxes === undefined || messages === undefined) return "not open";
  return `${countOf(mailboxes, "mailbox")}, ${countOf(messages, "message")}`;
}

function logWords({ firstLsn, lastLsn, bytes }: NonNullable<SourceStatus["log"]>): string {
  if (firstLsn > lastLsn) return `LSN ${lastLsn}, nothing waits in it`;
  return `LSN ${firstLsn} to ${lastLsn}, ${formatBytes(bytes)}`;
}

interface Watching {
  readonly watch: NonNullable<SourceStatus["watch"]>;
  readonly sweeps: NonNullable<SourceStatus["sweeps"]>;
}

function watchWords({ watch, sweeps }: Watching, nowMs: number): string {
  const why =
    watch.why === undefined ? "" : ` (${watch.why}: are fs.inotify.max_user_watches and max_user_instances too low?)`;
  const structure = watch.structure === "watching" ? "watching" : `not watching all, changes are found by sweeps${why}`;
  const hot = watch.hotMailboxes === 1 ? "1 mailbox hot" : `${formatCount(watch.hotMailboxes)} mailboxes hot`;
  const last = sweeps.lastMs === undefined ? "" : `, the last ${ago(sweeps.lastMs, nowMs)} ago`;
  return `${structure}, ${hot}; sweeps: ${formatCount(sweeps.count)}${last}, caught ${countOf(sweeps.caught, "change")}`;
}

function replicaCells(replica: ReplicaStatus, nowMs: number): string[] {
  const { name, address, mode, state, cursor, lagTransactions, lagMs, lastSuccessMs, nextTryMs, rejects } = replica;
  const next = nextTryWords(nextTryMs, nowMs);
  const where = mode === "on-demand" ? `${address} (on demand)` : address;
  if (cursor === undefined || lagTransactions === undefined || lagMs === undefined || rejects === undefined)
    return [`${name}:`, "not served", where];
  const rest = replica.comparison === undefined ? restWords(replica) : "";
  const lag = lagTransactions === 0 ? "0 behind" : `${behind(lagTransactions)}, ${formatDuration(lagMs)}${rest}`;
  return [
    `${name}:`,
    `${state}${next}`,
    `cursor ${cursor}`,
    `${lag}${replica.needsResync ? ", needs a resync" : ""}`,
    lastSuccessMs === undefined ? "no success yet" : `success ${ago(lastSuccessMs, nowMs)} ago`,
    `${formatCount(rejects)} ${rejects === 1 ? "reject" : "rejects"}`,
    `${formatBytes(replica.bytesSent)} sent`,
    where,
  ];
}

function nextTryWords(nextTryMs: number | undefined, nowMs: number): string {
  return nextTryMs === undefined || nextTryMs <= nowMs ? "" : `, next try in ${formatDuration(nextTryMs - nowMs)}`;
}

function restWords({ etaMs }: ReplicaStatus): string {
  return etaMs === undefined ? "" : `, about ${formatDuration(etaMs)} to go`;
}

/** How far a comparison of all is. */
function comparisonLine(replica: ReplicaStatus): string[] {
  const { name, comparison } = replica;
  if (comparison === undefined) return [];
  const { mailboxes, messages } = comparison;
  const done = `${formatCount(mailboxes.done)} of ${countOf(mailboxes.all, "mailbox")}`;
  const reached = `${formatCount(messages.done)} of ${countOf(messages.all, "message")}`;
  return [`  ${name} is being compared: ${done}, ${reached}${restWords(replica)}`];
}

function comparedCell(comparison: ReplicaStatus["comparison"]): string {
  if (comparison === undefined) return "";
  const { done, all } = comparison.mailboxes;
  return ` (${formatCount(done)} of ${countOf(all, "mailbox")} compared)`;
}

/** How far those are that somebody has asked for. */
function askedLine({ name, asked }: ReplicaStatus): string[] {
  if (asked === undefined) return [];
  return [`  ${name}: ${formatCount(asked.done)} of ${countOf(asked.all, "mailbox")} compared that were asked for`];
}

/** What only the replica had when it was looked at last, and where most of it was. */
function foreignLine({ name, foreign }: ReplicaStatus, nowMs: number): string[] {
  if (foreign === undefined) return [];
  const { messages, mailboxes, named } = foreign;
  const places = named
    .slice(0, FOREIGN_NAMED_MAX)
    .map((it) => `${formatCount(it.messages)} in ${withoutMiddle(it.mailbox)} (${ago(it.comparedMs, nowMs)} ago)`);
  const more = mailboxes - places.length;
  const rest = more > 0 ? [`the rest in ${formatCount(more)} more`] : [];
  const words = countOf(messages, "message");
  return [`  when last compared only ${name} had ${words}: ${[...places, ...rest].join(", ")}`];
}

/** What it is not sent, and why not; also that there is nothing of that. */
function limitedLine({ name, limited }: ReplicaStatus): string[] {
  if (limited === undefined) return [];
  const { mailboxes, all, why, named } = limited;
  const whose = `of ${countOf(all, "mailbox")} (${why})`;
  if (mailboxes === 0) return [`  ${name} is limited, and gets all ${whose}`];
  const shown = named.slice(0, LIMITED_NAMED_MAX).map((name) => withoutMiddle(name));
  const more = mailboxes > shown.length ? `, and ${formatCount(mailboxes - shown.length)} more` : "";
  return [`  ${name} does not get ${formatCount(mailboxes)} ${whose}: ${shown.join(", ")}${more}`];
}

/** How far the reading of bodies is; what needs a person of it is told as a trouble. */
function scrubLine({ name, scrub }: ReplicaStatus, nowMs: number): string[] {
  if (scrub === undefined) return [];
  const { isInRound, done, all, read, repaired, unresolved, endedMs } = scrub;
  const far = isInRound ? `${formatCount(done)} of ${countOf(all, "message")} of this round` : "between two rounds";
  const found = `${formatCount(read)} read, ${formatCount(repaired)} repaired, ${formatCount(unresolved)} unresolved`;
  const ended = endedMs === undefined ? "no round has ended yet" : `the last round ended ${ago(endedMs, nowMs)} ago`;
  return [`  ${name}: bodies are read again: ${far}, ${found}; ${ended}`];
}

/** Ends of links that no honest peer of the same release brings about. */
function breachesLine(peer: string, breaches: ReplicaStatus["breaches"], nowMs: number): string[] {
  if (breaches === undefined) return [];
  const { count, lastCode, lastMs } = breaches;
  const links = `${formatCount(count)} ${count === 1 ? "link" : "links"} ended since the daemon began`;
  return [`  ${peer} did not keep to the protocol: ${links}, the last ${ago(lastMs, nowMs)} ago (${lastCode})`];
}

function behind(transactions: number): string {
  return `${formatCount(transactions)} behind`;
}

/** The last column is as it is. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd());
}

function replicaBlock(store: ReplicaStoreStatus, nowMs: number): string[] {
  const { name, path, peer, isConnected, lastLinkMs, lastChangeMs, lastTryMs, nextTryMs, breaches } = store;
  const before = lastLinkMs === undefined ? "and never was" : `the last time ${ago(lastLinkMs, nowMs)} ago`;
  const tried = lastTryMs === undefined ? "" : `, last tried ${ago(lastTryMs, nowMs)} ago`;
  const change =
    lastChangeMs === undefined ? "no change since it began" : `the last change ${ago(lastChangeMs, nowMs)} ago`;
  return [
    `${name}: replica, ${path}: ${sizeWords(store)}`,
    `  from ${peer}: ${isConnected ? "connected" : `not connected, ${before}${tried}${nextTryWords(nextTryMs, nowMs)}`}; ${change}`,
    ...breachesLine(peer, breaches, nowMs),
  ];
}

function troubleBlock(level: "needs-you" | "healing", troubles: readonly PlacedTrouble[], nowMs: number): string[] {
  if (troubles.length === 0) return [];
  const isForPerson = level === "needs-you";
  const more = troubles.length - TROUBLES_TOLD_MAX;
  return [
    isForPerson ? "needs you:" : "healing, by itself:",
    ...troubles.slice(0, TROUBLES_TOLD_MAX).flatMap(({ where, code, words, hint, sinceMs }) => {
      const line = `  ${where === "" ? "" : `${withoutMiddle(where)}: `}${withoutMiddles(words)} (${code}, for ${ago(sinceMs, nowMs)})`;
      return isForPerson ? [line, `    ${hint}`] : [line];
    }),
    ...(more > 0 ? [`  and ${formatCount(more)} more: mailtwin status --json has them all`] : []),
  ];
}

/** Clocks jump: what is told to lie ahead is now. */
function ago(thenMs: number, nowMs: number): string {
  return formatDuration(Math.max(0, nowMs - thenMs));
}
