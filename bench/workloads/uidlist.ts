/**
 * What it takes to read a uidlist of a million lines, without mail or a twin around it: each round in a process of its own.
 */
import { fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { composeUidlist } from "../generate/uidlist.js";
import { askChild, endChild } from "../measure/ask-child.js";
import { type Spread, spreadOf } from "../measure/spread.js";
import { megabytes, table } from "../report/table.js";
import type { UidlistReply, UidlistRequest } from "./uidlist-child.js";

const SEED = 20_240_501;
const AGAIN = 5;

/** Writes the file below the temporary directory, reads it in as many processes as `rounds`, and returns a Markdown table. */
export async function measureUidlist(options: { readonly records: number; readonly rounds: number }): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "bench-uidlist-"));
  try {
    const path = join(dir, "dovecot-uidlist");
    writeFileSync(path, composeUidlist({ records: options.records, seed: SEED }));
    const replies: UidlistReply[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const child = fork(new URL("./uidlist-child.js", import.meta.url), { execArgv: ["--expose-gc"] });
      replies.push(await askChild<UidlistRequest, UidlistReply>(child, { path, again: AGAIN }));
      await endChild(child);
    }
    return formatUidlist(replies);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Of at least one reply. Pure. */
export function formatUidlist(replies: readonly UidlistReply[]): string {
  const [first] = replies;
  if (first === undefined) throw new RangeError("no round was run");
  const of = (pick: (reply: UidlistReply) => number | readonly number[]): Spread => spreadOf(replies.flatMap(pick));
  const row = (what: string, { median, min, max, runs }: Spread, format: (value: number) => string) => [
    what,
    format(median),
    `${format(min)} to ${format(max)}`,
    String(runs),
  ];
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  const rows = [
    row(
      "read the file (in the page cache)",
      of((reply) => reply.readMs),
      ms,
    ),
    row(
      "parse, the first time in a process",
      of((reply) => reply.parseMs),
      ms,
    ),
    row(
      "parse, again",
      of((reply) => reply.againParseMs),
      ms,
    ),
    row(
      "index the names, the first time",
      of((reply) => reply.indexMs),
      ms,
    ),
    row(
      "index the names, again",
      of((reply) => reply.againIndexMs),
      ms,
    ),
    row(
      "memory beside the file's bytes: parsed",
      of((reply) => reply.parsedBytes),
      megabytes,
    ),
    row(
      "memory: the index of names",
      of((reply) => reply.indexBytes),
      megabytes,
    ),
    row(
      "RSS of the process, the file in it",
      of((reply) => reply.rssBytes),
      megabytes,
    ),
  ];
  const { records, fileBytes } = first;
  const title = `${records.toLocaleString("en-US")} records, ${megabytes(fileBytes)}`;
  return `${table([title, "median", "least to most", "times"], rows)}\n`;
}
