/** A twin that is kept by `sync`, with the brake on: a folder of 255 messages is gone at the source, and so are two messages of an INBOX. */
import { readdirSync, readFileSync, renameSync, rmSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { type RejectFlags, type RejectReport, rejectDeletions } from "../../../../src/daemon/reject/reject-command.js";
import { type Bench, makeMailbox, openBench } from "../../../live/twin/small-store.js";

export const MANY = 255;
export const [INBOX, WORK, OTHER] = ["u1/Maildir", "u1/Maildir/.Work", "u2/Maildir"] as const;

/** The first two of the INBOX have flags and a keyword. `bytes`: of each message of the folder. */
export async function brakedBench({ bytes = 20, open = openBench } = {}): Promise<Bench> {
  const bench = open();
  makeMailbox(bench.source, INBOX, { messages: 5 });
  makeMailbox(bench.source, WORK, { messages: MANY, bytes, seed: 100 });
  makeMailbox(bench.source, OTHER, { messages: 3, seed: 500 });
  for (const path of [INBOX, WORK]) mark(join(bench.source, path));
  expect((await bench.sync()).code).toBe(0);
  rmSync(join(bench.source, WORK), { recursive: true });
  expect((await bench.sync()).code).toBe(1);
  for (const name of filesIn(bench.source, INBOX).slice(0, 2)) unlinkSync(join(bench.source, INBOX, "cur", name));
  expect((await bench.sync()).code).toBe(1);
  return bench;
}

function mark(mailbox: string): void {
  writeFileSync(join(mailbox, "dovecot-keywords"), "0 other\n2 todo\n", { mode: 0o600 });
  const cur = join(mailbox, "cur");
  for (const name of readdirSync(cur).sort().slice(0, 2))
    renameSync(join(cur, name), join(cur, name.replace(/:2,.*/, ":2,FSc")));
  for (const part of [".", "cur"]) utimesSync(join(mailbox, part), 1_600_000_000, 1_600_000_000);
}

/** Of cur/, by name. */
export function filesIn(store: string, path: string): string[] {
  return readdirSync(join(store, path, "cur")).sort();
}

export interface Rejected {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly reports: readonly RejectReport[];
}

export function reject(bench: Bench, flags: RejectFlags = {}): Promise<Rejected> {
  return rejectTo(bench, bench.replica, flags);
}

export function rejectTo(
  { source, state }: Pick<Bench, "source" | "state">,
  destination: string,
  flags: RejectFlags = {},
): Promise<Rejected> {
  return rejectWith([source, destination], { state, ...flags });
}

/** As its words and flags stand on a command line. */
export async function rejectWith(
  [source, destination]: readonly [source?: string, destination?: string],
  flags: RejectFlags,
): Promise<Rejected> {
  let [out, err] = ["", ""];
  const output = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    exitCodeOf: (code: number) => code,
  };
  const code = await rejectDeletions(source, destination, flags, output);
  const lines = flags.json === true ? out.split("\n").filter((line) => line !== "") : [];
  return { code, out, err, reports: lines.map((line) => JSON.parse(line) as RejectReport) };
}

/** Bytes and date of each message, whatever it is called. */
export function mailIn(store: string, path: string): string[] {
  return filesIn(store, path).map((name) => {
    const file = join(store, path, "cur", name);
    return readFileSync(file, "latin1");
  });
}
