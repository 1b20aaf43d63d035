/**
 * A fresh process that reads one uidlist as the program does and says what that took: the first time, when its code has not run
 * before, and once it is warm.
 *
 * Parent to child: `{ path, again }`; child to parent: one reply. It ends when the parent disconnects. Started with --expose-gc.
 */
import { readFileSync } from "node:fs";
import { parseUidlist, type Uidlist } from "../../src/maildir/uidlist.js";
import { monotonicMs } from "../measure/clock.js";

export interface UidlistRequest {
  readonly path: string;
  /** How often it is read once more. */
  readonly again: number;
}

export interface UidlistReply {
  readonly records: number;
  readonly fileBytes: number;
  readonly readMs: number;
  readonly parseMs: number;
  /** The first question by base name makes the index. */
  readonly indexMs: number;
  readonly againParseMs: readonly number[];
  readonly againIndexMs: readonly number[];
  /** Beside the file's own bytes: columns and objects after parsing. */
  readonly parsedBytes: number;
  /** What the index adds to that. */
  readonly indexBytes: number;
  readonly rssBytes: number;
}

function parse(bytes: Buffer): Uidlist {
  const parsed = parseUidlist(bytes);
  if (parsed.kind !== "ok") throw new Error(`the generated uidlist is ${JSON.stringify(parsed)}`);
  return parsed.uidlist;
}

function usedBytes(): number {
  if (globalThis.gc === undefined) throw new Error("start it with --expose-gc");
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function timed<T>(work: () => T): { readonly value: T; readonly ms: number } {
  const startMs = monotonicMs();
  const value = work();
  return { value, ms: monotonicMs() - startMs };
}

function measure({ path, again }: UidlistRequest): UidlistReply {
  const { value: bytes, ms: readMs } = timed(() => readFileSync(path));
  const before = usedBytes();
  const { value: uidlist, ms: parseMs } = timed(() => parse(bytes));
  const parsed = usedBytes();
  const lastName = uidlist.baseAt(uidlist.count - 1);
  const { value: found, ms: indexMs } = timed(() => uidlist.indexOfBase(lastName));
  const indexed = usedBytes();
  if (found !== uidlist.count - 1) throw new Error(`the last record was found at ${found}`);
  const rssBytes = process.memoryUsage.rss();
  const times = Array.from({ length: again }, () => {
    const { value: next, ms } = timed(() => parse(bytes));
    return { parseMs: ms, indexMs: timed(() => next.indexOfBase(lastName)).ms };
  });
  return {
    records: uidlist.count,
    fileBytes: bytes.length,
    ...{ readMs, parseMs, indexMs, rssBytes },
    againParseMs: times.map((time) => time.parseMs),
    againIndexMs: times.map((time) => time.indexMs),
    parsedBytes: parsed - before,
    indexBytes: indexed - parsed,
  };
}

process.on("message", (request: UidlistRequest) => {
  process.send?.(measure(request));
});
