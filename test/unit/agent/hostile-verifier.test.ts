/**
 * Whoever asks for sums over a link, and asks what cannot be meant: the link ends by a code, the store was not looked at for it, and nothing
 * of it has changed. What can be meant and is not there is answered with a code, and the link goes on.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { askOver, serveSums } from "../../../src/agent/sums-link.js";
import { systemClock } from "../../../src/base/clock.js";
import { isRawPath, type RawPath } from "../../../src/base/raw-name.js";
import { parseBaseName, parseUid, UID_MAX } from "../../../src/maildir/ids.js";
import type { ReadSide } from "../../../src/resync/sums-types.js";
import type { Link } from "../../../src/wire/link.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import { type Ask, PROTOCOL_VERSION, type WireMessage } from "../../../src/wire/messages.js";
import { SPANS_MAX, STATES_MAX } from "../../../src/wire/sums.js";
import { treeState } from "../../live/twin/raw-compare.js";
import { makeMailbox } from "../../live/twin/small-store.js";
import { turns } from "../../turns.js";
import { storeSide } from "../resync/store-side.js";

const INBOX = pathOf("u1/Maildir");
let dir = "";
let store = "";
let stop: AbortController;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mtl-verifier-"));
  store = join(dir, "store");
  makeMailbox(store, INBOX, { messages: 3 });
  stop = new AbortController();
});
afterEach(() => {
  stop.abort(new Error("the test is over"));
  rmSync(dir, { recursive: true, force: true });
});

function pathOf(text: string): RawPath {
  if (!isRawPath(text)) throw new Error(text);
  return text;
}

const badPath = (text: string) => text as RawPath;
const uids = (...list: readonly number[]) => list as unknown as ReturnType<typeof parseUid>[];

interface Serving {
  readonly link: Link;
  readonly run: Promise<void>;
  /** What the store was asked. */
  readonly asked: string[];
  readonly before: readonly string[];
}

/** `change`: what the side does otherwise. */
function serve(change: Partial<ReadSide> = {}): Serving {
  const own = storeSide(store, { areWritten: (_, messages) => messages.map(() => true) });
  const asked: string[] = [];
  const noting = <T extends readonly unknown[], R>(what: string, call: (...args: T) => R) => {
    return (...args: T): R => {
      asked.push(what);
      return call(...args);
    };
  };
  const side: ReadSide = {
    store: noting("store", () => own.store()),
    mailboxes: noting("mailboxes", (after) => own.mailboxes(after)),
    ranges: noting("ranges", (of) => own.ranges(of)),
    marks: noting("marks", (of) => own.marks(of)),
    states: noting("states", (of) => own.states(of)),
    hashes: noting("hashes", (of) => own.hashes(of)),
    parts: noting("parts", (of) => own.parts(of)),
  };
  const link = openMemoryLink();
  const run = serveSums(link.replica, { ...side, ...change }, stop.signal);
  run.catch(() => undefined);
  return { link: link.source, run, asked, before: treeState(dir) };
}

/** The link has ended, and nothing was written. */
async function expectRefused({ link, run, before }: Serving, code: string): Promise<void> {
  await expect(run).rejects.toThrow(expect.objectContaining({ code }) as Error);
  await expect(link.send({ kind: "request", id: 9, ask: { kind: "sum-store" } }, stop.signal)).rejects.toThrow(
    expect.objectContaining({ code: "link-closed" }) as Error,
  );
  expect(treeState(dir)).toEqual(before);
}

const chunk = (from: number, below: number) => ({ from: from * 128, below: below * 128 });
const ranges = (...spans: { readonly from: number; readonly below: number }[]): Ask => {
  return { kind: "sum-ranges", path: INBOX, spans };
};
const named = (uid: number) => ({ uid: parseUid(uid), base: parseBaseName(`m${uid}`) });

describe("whoever asks", () => {
  test.each<readonly [string, Ask]>([
    ["for sums of spans that overlap", ranges(chunk(0, 4), chunk(3, 8))],
    ["for sums of spans that run backwards", ranges(chunk(4, 8), chunk(0, 2))],
    ["for sums of a span whose end is before its beginning", ranges(chunk(8, 4))],
    ["for sums of one span twice", ranges(chunk(0, 4), chunk(0, 4))],
    ["for sums of a span without end", ranges(chunk(0, 0xffff_ffff))],
    [
      "for more spans than there may be",
      ranges(...Array.from({ length: SPANS_MAX + 1 }, (_, at) => chunk(at, at + 1))),
    ],
    ["for marks of spans that overlap", { kind: "mark-messages", path: INBOX, spans: [chunk(0, 2), chunk(1, 3)] }],
    ["for a message twice", { kind: "tell-messages", path: INBOX, uids: uids(2, 2) }],
    ["for UID 0", { kind: "tell-messages", path: INBOX, uids: uids(0) }],
    ["for a UID beyond all", { kind: "hash-messages", path: INBOX, uids: uids(UID_MAX + 1) }],
    [
      "for more messages than a page has",
      { kind: "hash-messages", path: INBOX, uids: uids(...Array.from({ length: STATES_MAX + 1 }, (_, at) => at + 1)) },
    ],
    ["for bytes of a message twice", { kind: "read-messages", path: INBOX, messages: [named(1), named(1)], offset: 0 }],
    ["for a mailbox outside of the store", { kind: "hash-messages", path: badPath("../etc"), uids: uids(1) }],
    ["for the mailboxes above no path", { kind: "sum-mailboxes", after: badPath("/etc") }],
    ["for what a replica of replication tells", { kind: "standing", after: "" }],
    ["for mail to be moved", { kind: "foreign", path: INBOX, bases: ["m1"], action: "limbo" }],
  ])("%s has the link ended, and nothing was looked at", async (_what, ask) => {
    const serving = serve();
    await serving.link.send({ kind: "request", id: 1, ask }, stop.signal);
    await expectRefused(serving, ask.kind === "standing" || ask.kind === "foreign" ? "peer-confused" : "wire-invalid");
    expect(serving.asked).toEqual([]);
  });

  test.each<readonly [string, WireMessage]>([
    ["a greeting", { kind: "hello", protocol: PROTOCOL_VERSION, logId: "x", software: "x" }],
    ["a mark", { kind: "mark", id: 1, lsn: 1 }],
    ["an answer", { kind: "reply", id: 1, result: { ok: true, answer: { kind: "message-marks", marks: [] } } }],
  ])("and sends %s instead has the link ended", async (_what, message) => {
    const serving = serve();
    await serving.link.send(message, stop.signal);
    await expectRefused(serving, "peer-confused");
    expect(serving.asked).toEqual([]);
  });

  test("more than may wait, without reading an answer, has the link ended", async () => {
    const store = (signal: AbortSignal) =>
      new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    const serving = serve({ store });
    const flood = async () => {
      for (let id = 1; id < 1000; id++)
        await serving.link.send({ kind: "request", id, ask: { kind: "sum-store" } }, stop.signal);
    };
    await expect(flood()).rejects.toThrow(expect.objectContaining({ code: "link-closed" }) as Error);
    await expectRefused(serving, "wire-invalid");
  });

  test("first what can be answered has that answered, and the link ended all the same", async () => {
    const serving = serve();
    const heard: string[] = [];
    const hearing = (async () => {
      for await (const message of serving.link.messages(stop.signal)) heard.push(message.kind);
    })();
    await serving.link.send({ kind: "request", id: 1, ask: { kind: "sum-store" } }, stop.signal);
    await turns();
    await serving.link.send({ kind: "request", id: 2, ask: ranges(chunk(2, 1)) }, stop.signal);
    await expectRefused(serving, "wire-invalid");
    await hearing; // it ends: the link is closed.
    expect(heard.length).toBeLessThanOrEqual(1);
    expect(serving.asked).toEqual(["store"]);
  });
});

test("what is no mailbox of the last look is answered by a code, and all else goes on", async () => {
  const { link, asked, before } = serve();
  await using other = askOver(link, "the store", systemClock);
  const { side } = other;
  const unknown = expect.objectContaining({ code: "compared-unknown" });
  const nowhere = { path: pathOf("u1/Maildir/cur"), uids: [parseUid(1)] };
  await expect(side.hashes({ path: INBOX, uids: [parseUid(1)] }, stop.signal)).rejects.toThrow(unknown); // before a look.
  expect(await side.store(stop.signal)).toMatchObject({ mailboxes: 1, messages: 3, unread: 0 });
  await expect(side.hashes(nowhere, stop.signal)).rejects.toThrow(unknown);
  await expect(side.states({ ...nowhere, path: pathOf("u1") }, stop.signal)).rejects.toThrow(unknown);
  await expect(side.ranges({ path: pathOf(""), spans: [chunk(0, 1)] }, stop.signal)).rejects.toThrow(unknown);
  const far = [parseUid(3), parseUid(4), parseUid(UID_MAX)];
  expect(await side.hashes({ path: INBOX, uids: far }, stop.signal)).toEqual([
    expect.stringMatching(/^[0-9a-f]{64}$/),
    undefined,
    undefined,
  ]);
  expect(await side.states({ path: INBOX, uids: far }, stop.signal)).toMatchObject([{ uid: 3 }]);
  expect(asked).toEqual(["hashes", "store", "hashes", "states", "ranges", "hashes", "states"]);
  expect(treeState(dir)).toEqual(before);
});
