/**
 * The demonstration behind `scripts/quickstart`: makes a sample store, twins it, changes it live, and shows that both are
 * equal. Ends with exit code 0 only if they are.
 *
 * The lag is not mailtwin's own word: it is the replica's file system that says when a delivered file got its name (ctime).
 */
import { existsSync, lstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodePath, rawFromText } from "../src/base/raw-name.js";
import { compareStores, DEFAULT_COMPARE } from "./equal/compare-stores.js";
import { type LiveAction, type LiveChange, makeLiveChanges } from "./live-changes.js";
import { pause } from "./measure/clock.js";
import { percentilesOf } from "./measure/percentiles.js";
import { findRepository } from "./repository.js";
import { makeSampleStore } from "./sample-store.js";
import { startTwin } from "./workloads/twin-process.js";

const PER_SECOND = 20;
const SECONDS = 6;
const SETTLE_MS_MAX = 30_000;

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
  const copying = { source: join(work, "source"), target: join(work, "twin"), state: join(work, "state") };
  say(`making a sample store in ${copying.source}`);
  const sample = makeSampleStore(copying.source);
  say(`  ${sample.messages} messages in ${sample.mailboxes.length} mailboxes of ${sample.maildirs.length} users`);
  say(`twinning it: mailtwin sync --watch ${copying.source} ${copying.target}`);
  const mailtwin = [process.execPath, join(findRepository(), "dist/daemon/cli.js")];
  const changes: LiveChange[] = [];
  {
    await using twin = await startTwin(mailtwin, copying, 60_000);
    say(`  live; changing it as Dovecot would, ${PER_SECOND} times a second for ${SECONDS} s`);
    const maildirs = sample.maildirs.map((path) => `${rawFromText(copying.source)}/${path}`);
    changes.push(...(await makeLiveChanges({ maildirs, perSecond: PER_SECOND, seconds: SECONDS, seed: 7 })));
    await untilEqual(copying);
    await twin.stop();
    for (const problem of twin.problems()) say(`  problem: ${String(problem["message"])}`);
  }
  showTable(changes, lagsOf(changes, copying));
  const { equal, differences, total, messages, bytes } = compareStores(copying.source, copying.target);
  for (const { words } of differences.slice(0, 20)) say(`  ${words}`);
  if (equal) {
    say(
      `\nequal: ${messages} messages (${(bytes / 1e6).toFixed(1)} MB) have the same UIDs, flags, keywords, dates and bytes on both sides`,
    );
    rmSync(work, { recursive: true, force: true });
    return 0;
  }
  say(`\nNOT EQUAL: ${total} differences; everything is kept in ${work}`);
  return 1;
}

/** Compares again and again until equal or the time is up; the last word has the comparison after the twin has ended. */
async function untilEqual({ source, target }: { readonly source: string; readonly target: string }): Promise<void> {
  for (let waitedMs = 0; waitedMs < SETTLE_MS_MAX; waitedMs += 250) {
    if (compareStores(source, target, { ...DEFAULT_COMPARE, bodies: false, keptMax: 1 }).equal) return;
    await pause(250);
  }
}

/** For deliveries whose file nothing touched afterwards: when it got its name on the replica, less when it got it at the source. */
function lagsOf(
  changes: readonly LiveChange[],
  { source, target }: { readonly source: string; readonly target: string },
): readonly number[] {
  const touches = new Map<string, number>();
  for (const { base } of changes) if (base !== undefined) touches.set(base, (touches.get(base) ?? 0) + 1);
  const lags: number[] = [];
  for (const { action, base, mailbox, atUnixMs } of changes) {
    if (action !== "deliver" || base === undefined || touches.get(base) !== 1) continue;
    const file = findFile(`${rawFromText(target)}${mailbox.slice(rawFromText(source).length)}`, base);
    if (file !== undefined) lags.push(Math.max(0, lstatSync(nodePath(file)).ctimeMs - atUnixMs));
  }
  return lags;
}

function findFile(mailbox: string, base: string): string | undefined {
  for (const dir of ["cur", "new"]) {
    const path = `${mailbox}/${dir}`;
    if (!existsSync(nodePath(path))) continue;
    const name = readdirSync(nodePath(path), { encoding: "latin1" }).find((it) => it.split(":", 1)[0] === base);
    // Opened at the source afterwards (new -> cur): the replica's file was not renamed for that.
    if (name !== undefined) return `${path}/${name}`;
  }
  return undefined;
}

function showTable(changes: readonly LiveChange[], lags: readonly number[]): void {
  const counts = new Map<LiveAction, number>();
  for (const { action } of changes) counts.set(action, (counts.get(action) ?? 0) + 1);
  say("\n  shipped                          count");
  for (const [action, words] of Object.entries(WORDS) as [LiveAction, string][]) {
    const count = counts.get(action);
    if (count !== undefined) say(`  ${words.padEnd(30)} ${String(count).padStart(7)}`);
  }
  if (lags.length === 0) return;
  const { p50, p99, max } = percentilesOf(lags);
  say(
    `\n  lag of ${lags.length} deliveries: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, longest ${max.toFixed(1)} ms`,
  );
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main();
