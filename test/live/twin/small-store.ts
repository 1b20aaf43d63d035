/**
 * Small stores made by hand, as a Dovecot would have left them, for tests that need no Dovecot: a temporary directory with
 * a source, a place for the replica, and a state directory. Paths of mailboxes are bytes as latin1.
 */
import { createHash } from "node:crypto";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { bytesOf } from "../lab/files.js";
import { runTwin, type TwinEvent, type TwinRun } from "../lab/mailtwin.js";
import { contentsOf } from "./contents.js";
import { nextBaseName, nextUidOf, storedBody } from "./raw-mail.js";

export interface Bench extends Disposable {
  readonly dir: string;
  /** Exists, empty. */
  readonly source: string;
  /** Does not exist yet. */
  readonly replica: string;
  readonly state: string;
  /** `mailtwin sync` from source to replica, to its end. */
  sync(...args: readonly string[]): Promise<TwinRun>;
}

export function openBench(): Bench {
  const dir = mkdtempSync(join(tmpdir(), "mtl-bench-"));
  const [source, replica, state] = [join(dir, "source"), join(dir, "replica"), join(dir, "state")];
  mkdirSync(source);
  return {
    dir,
    source,
    replica,
    state,
    sync: (...args) => runTwin(["sync", source, replica, "--json", "--state", state, ...args]),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** Three small mailboxes of two users, nine messages. */
export function filledBench(): Bench {
  const bench = openBench();
  makeMailbox(bench.source, "u1/Maildir", { messages: 4 });
  makeMailbox(bench.source, "u1/Maildir/.Work", { messages: 3, seed: 10 });
  makeMailbox(bench.source, "u2/Maildir", { messages: 2, seed: 20 });
  return bench;
}

export interface MailboxOptions {
  readonly messages: number;
  /** Bytes of each body (default 600). */
  readonly bytes?: number;
  /** Decides bodies and UIDVALIDITY (default: by the path). */
  readonly seed?: number;
}

/** Makes one mailbox with messages in cur/, UIDs from 1, every second one \Seen; returns its directory. */
export function makeMailbox(store: string, path: string, options: MailboxOptions): string {
  const dir = join(store, path);
  const hash = createHash("md5").update(`${path} ${options.seed ?? 0}`);
  const guid = hash.digest("hex");
  for (const part of ["cur", "new", "tmp"]) mkdirSync(bytesOf(join(dir, part)), { recursive: true, mode: 0o700 });
  if (/\/\.[^/]*$/.test(dir)) writeFileSync(bytesOf(join(dir, "maildirfolder")), "", { mode: 0o600 });
  const records: string[] = [];
  for (let i = 0; i < options.messages; i++) {
    const base = addFile(dir, { seed: (options.seed ?? 0) + i, bytes: options.bytes, flags: i % 2 === 0 ? "" : "S" });
    records.push(`${i + 1} :${base}\n`);
  }
  const validity = 1_600_000_000 + Number.parseInt(guid.slice(0, 6), 16);
  const header = `3 V${validity} N${options.messages + 1} G${guid}\n`;
  writeFileSync(bytesOf(join(dir, "dovecot-uidlist")), header + records.join(""), { mode: 0o600 });
  return dir;
}

/** Has that mailbox's messages have UIDs that far apart: the first gets `step`. */
export function spreadUids(dir: string, step: number): void {
  const uidlist = bytesOf(join(dir, "dovecot-uidlist"));
  const [header = "", ...records] = readFileSync(uidlist, "latin1").trimEnd().split("\n");
  const spread = records.map((line) => line.replace(/^\d+/, (uid) => `${Number(uid) * step}`));
  const text = [header.replace(/ N\d+/, ` N${records.length * step + 1}`), ...spread, ""].join("\n");
  writeFileSync(uidlist, text, { encoding: "latin1", mode: 0o600 });
}

/** One more file in cur/, without a record; returns its base name. */
export function addFile(
  dir: string,
  {
    seed,
    bytes = 600,
    flags = "",
  }: { readonly seed: number; readonly bytes?: number | undefined; readonly flags?: string },
): string {
  const body = storedBody(seed, bytes);
  const base = nextBaseName(body);
  const path = bytesOf(join(dir, "cur", `${base}:2,${flags}`));
  writeFileSync(path, body, { mode: 0o600 });
  const dateS = 1_500_000_000 + seed * 60;
  utimesSync(path, dateS, dateS);
  return base;
}

/** One more message with its record, as a delivery makes it; returns its base name. */
export function addMessage(dir: string, options: { readonly seed: number; readonly bytes?: number }): string {
  const base = addFile(dir, options);
  const uidlist = bytesOf(join(dir, "dovecot-uidlist"));
  appendFileSync(uidlist, `${nextUidOf(uidlist)} :${base}\n`);
  return base;
}

export function eventsOf(run: TwinRun, event: string): readonly TwinEvent[] {
  return run.events.filter((each) => each.event === event);
}

/** The summary's numbers; throws when there is none. */
export function summaryOf(run: TwinRun): Readonly<Record<string, unknown>> {
  const [summary] = eventsOf(run, "summary");
  if (summary === undefined) throw new Error(`no summary: ${JSON.stringify(run)}`);
  return summary;
}

/** What a refused command said: one error event that names the thing and says what to do, and the same exit code. */
export function expectRefusal(
  run: TwinRun,
  code: string,
  exitCode: number,
  ...words: readonly (string | RegExp)[]
): void {
  expect(run.code, JSON.stringify(run)).toBe(exitCode);
  const errors = eventsOf(run, "error");
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatchObject({ code, exitCode });
  for (const word of words) expect(String(errors[0]?.["message"])).toMatch(word);
  expect(String(errors[0]?.["hint"])).toMatch(/^[A-Z].{20,}[.?]$/s);
  expect(run.strayOutput).toEqual([]);
}

/** As `expectRefusal`, and neither store was written to. */
export async function expectRefusedUntouched(
  bench: Bench,
  run: () => Promise<TwinRun>,
  ...refusal: readonly [code: string, exitCode: number, ...words: (string | RegExp)[]]
): Promise<void> {
  const stores = () => [contentsOf(bench.source), contentsOf(bench.replica)];
  const before = stores();
  expectRefusal(await run(), ...refusal);
  expect(stores()).toEqual(before);
}

/** One problem of one mailbox, named with its path; the run ended with 1, and it is the last thing that was said. */
export function expectOneProblem(
  run: TwinRun,
  path: string,
  code: string,
  ...words: readonly (string | RegExp)[]
): void {
  const problems = eventsOf(run, "problem");
  expect(problems, JSON.stringify(run)).toHaveLength(1);
  expect(problems[0]).toMatchObject({ path, code });
  for (const word of words) expect(String(problems[0]?.["message"])).toMatch(word);
  expect(String(problems[0]?.["hint"])).toMatch(/^[A-Z].{20,}[.?]$/s);
  expect(summaryOf(run)).toMatchObject({ problems: 1 });
  expect(run.events.slice(-2).map(({ event }) => event)).toEqual(["problem", "summary"]);
  expect(eventsOf(run, "error")).toEqual([]);
  expect(run.strayOutput).toEqual([]);
  expect(run.code).toBe(1);
}
