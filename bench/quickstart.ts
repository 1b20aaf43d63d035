/**
 * The demonstration behind `scripts/quickstart`: makes a sample store, twins it, changes it live, and shows that both are
 * equal. Ends with exit code 0 only if they are, every delivery reached the replica, and mailtwin's account of what it shipped
 * fits together.
 *
 * What was shipped is mailtwin's own word (--json), beside what was changed at the source. The lag is not: it is the replica's
 * file system that says when a delivered file got its name (ctime).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rawFromText } from "../src/base/raw-name.js";
import { type DeliveryLags, deliveryLags } from "./delivery-lags.js";
import { compareStores, DEFAULT_COMPARE } from "./equal/compare-stores.js";
import { type LiveAction, type LiveChange, makeLiveChanges } from "./live-changes.js";
import { pause } from "./measure/clock.js";
import type { Copying } from "./measure/contenders.js";
import { percentilesOf } from "./measure/percentiles.js";
import { findRepository } from "./repository.js";
import { makeSampleStore, type SampleStore } from "./sample-store.js";
import { contradictions, type ShippedTotals, sumShipped } from "./shipped-totals.js";
import { startTwin, type TwinEvent } from "./workloads/twin-process.js";

const PER_SECOND = 20;
const SECONDS = 6;
const SETTLE_MS_MAX = 30_000;

const SHIPPED_WORDS: Readonly<Record<keyof ShippedTotals, string>> = {
  saves: "new messages",
  marks: "flag and keyword changes",
  expunges: "expunges",
  mailboxesMade: "mailboxes made",
  mailboxesRenamed: "mailboxes renamed",
  mailboxesDeleted: "mailboxes deleted",
  transactions: "transactions",
};

const COUNTS_DIFFER =
  "  (not one to one: a move is a new message and an expunge, a folder is renamed with those in it, and what cancels out is not shipped)";

const WORDS: Readonly<Record<LiveAction, string>> = {
  deliver: "deliveries",
  "store-flags": "flag and keyword changes",
  copy: "copies",
  move: "moves to another folder",
  expunge: "expunges",
  open: "mailboxes opened (new -> cur)",
  compact: "uidlists compacted",
  "create-folder": "folders created",
  "rename-folder": "folders renamed",
  "delete-folder": "folders deleted",
};

async function main(): Promise<number> {
  const work = mkdtempSync(join(tmpdir(), "mailtwin-quickstart-"));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => {
      say(`\nstopped; what was made until then is in ${work}`);
      process.kill(process.pid, signal); // nobody listens any more: it ends as that signal ends a program.
    });
  const copying = { source: join(work, "source"), target: join(work, "twin"), state: join(work, "state") };
  say(`making a sample store in ${copying.source}`);
  const sample = makeSampleStore(copying.source);
  say(`  ${sample.messages} messages in ${sample.mailboxes.length} mailboxes of ${sample.maildirs.length} users`);
  say(`twinning it: mailtwin sync --watch ${copying.source} ${copying.target}`);
  const mailtwin = [process.execPath, join(findRepository(), "dist/daemon/cli.js")];
  const { changes, events } = await changeLive(mailtwin, copying, sample);
  const lags = deliveryLags(changes, copying);
  showChanges(changes);
  showShipped(events);
  showLags(lags);
  const untrue = contradictions(events);
  for (const words of untrue) say(`  CONTRADICTION: ${words}`);
  const { equal, differences, total, messages, bytes } = compareStores(copying.source, copying.target);
  for (const { words } of differences.slice(0, 20)) say(`  ${words}`);
  if (!equal) say(`\nNOT EQUAL: ${total} differences; everything is kept in ${work}`);
  else {
    const what = `${messages} messages (${(bytes / 1e6).toFixed(1)} MB)`;
    say(`\nequal: ${what} have the same UIDs, flags, keywords, dates and bytes on both sides`);
  }
  if (!equal || lags.missing.length > 0 || untrue.length > 0) {
    if (equal) say(`but not all went as it should, see above; everything is kept in ${work}`);
    return 1;
  }
  rmSync(work, { recursive: true, force: true });
  return 0;
}

/** Twins the sample store, changes it, waits until both are equal, and ends the twin. */
async function changeLive(
  mailtwin: readonly string[],
  copying: Copying,
  sample: SampleStore,
): Promise<{ readonly changes: readonly LiveChange[]; readonly events: readonly TwinEvent[] }> {
  await using twin = await startTwin(mailtwin, copying, 60_000);
  say(`  live; changing it as Dovecot would, ${PER_SECOND} times a second for ${SECONDS} s`);
  const maildirs = sample.maildirs.map((path) => `${rawFromText(copying.source)}/${path}`);
  const changes = await makeLiveChanges({ maildirs, perSecond: PER_SECOND, seconds: SECONDS, seed: 7 });
  await untilEqual(copying);
  await twin.stop().finally(() => {
    for (const problem of twin.problems()) say(`  problem: ${String(problem["message"])}`);
  });
  return { changes, events: twin.events() };
}

/** Compares again and again until equal or the time is up; the last word has the comparison after the twin has ended. */
async function untilEqual({ source, target }: { readonly source: string; readonly target: string }): Promise<void> {
  for (let waitedMs = 0; waitedMs < SETTLE_MS_MAX; waitedMs += 250) {
    if (compareStores(source, target, { ...DEFAULT_COMPARE, bodies: false, keptMax: 1 }).equal) return;
    await pause(250);
  }
}

function showChanges(changes: readonly LiveChange[]): void {
  const counts = new Map<LiveAction, number>();
  for (const { action } of changes) counts.set(action, (counts.get(action) ?? 0) + 1);
  say("\n  changed at the source            count");
  for (const [action, words] of Object.entries(WORDS) as [LiveAction, string][]) {
    const count = counts.get(action);
    if (count !== undefined) say(`  ${words.padEnd(30)} ${String(count).padStart(7)}`);
  }
}

/** By mailtwin's own word. */
function showShipped(events: readonly TwinEvent[]): void {
  const { seed, live } = sumShipped(events);
  say("\n  shipped, says mailtwin           first run      live");
  for (const [name, words] of Object.entries(SHIPPED_WORDS) as [keyof ShippedTotals, string][])
    say(`  ${words.padEnd(30)} ${String(seed[name]).padStart(11)} ${String(live[name]).padStart(9)}`);
  say(COUNTS_DIFFER);
}

function showLags({ lagsMs, changedSince, missing }: DeliveryLags): void {
  const { p50, p99, max } = percentilesOf(lagsMs);
  const [half, most, longest] = [p50, p99, max].map((ms) => `${ms.toFixed(1)} ms`);
  if (lagsMs.length === 0) say("\n  no lag can be told");
  else say(`\n  lag of ${lagsMs.length} deliveries: p50 ${half}, p99 ${most}, longest ${longest}`);
  if (changedSince > 0)
    say(`  (${changedSince} more were flagged, copied, moved or expunged since, so their time of arrival is gone)`);
  for (const words of missing) say(`  NOT SHIPPED: ${words}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main();
