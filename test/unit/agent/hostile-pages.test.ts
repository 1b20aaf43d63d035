/** A replica whose word of itself has no end, goes back or cannot be: the link ends, and nothing was offered. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Asker } from "../../../src/agent/asker.js";
import { Inventories, MailboxPages, readStanding } from "../../../src/agent/replica-pages.js";
import type { SummedRange } from "../../../src/agent/source-states.js";
import { systemClock } from "../../../src/base/clock.js";
import { parseBaseName, parseMailboxGuid, parseUid, parseUidValidity, UID_MAX } from "../../../src/maildir/ids.js";
import { CHUNK_UIDS, chunkOf } from "../../../src/txn/chunks.js";
import { emptyDigest } from "../../../src/txn/digest.js";
import { NO_MARKS } from "../../../src/txn/message-state.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import {
  type Answer,
  COMPARED_MESSAGES_MAX,
  type ComparedMessage,
  type InventoryMessage,
  STANDING_MAILBOXES_MAX,
} from "../../../src/wire/messages.js";
import { guid, path } from "./pair.js";

const CONFUSED = expect.objectContaining({ code: "peer-confused" });
const INVALID = expect.objectContaining({ code: "wire-invalid" });

let stop: AbortController;

beforeEach(() => {
  stop = new AbortController();
});

afterEach(() => {
  stop.abort(new Error("the test is over"));
});

/** Answers in turn; the last one again and again. What the source's end cannot read ends it. */
function peer(...answers: readonly Answer[]): Asker {
  const link = openMemoryLink();
  const asker = new Asker({ link: link.source, clock: systemClock });
  let at = 0;
  const answering = async () => {
    for await (const message of link.replica.messages(stop.signal)) {
      const answer = answers[Math.min(at, answers.length - 1)];
      at += 1;
      if (message.kind !== "request" || answer === undefined) continue;
      await link.replica.send({ kind: "reply", id: message.id, result: { ok: true, answer } }, stop.signal);
    }
  };
  answering().catch(() => undefined);
  const reading = async () => {
    for await (const message of link.source.messages(stop.signal)) if (message.kind === "reply") asker.settle(message);
  };
  reading().catch((error: unknown) => asker.fail(error));
  return asker;
}

const standing = { path: path("a"), uidValidity: parseUidValidity(7), uidNext: 99 };

function message(uid: number, more: Partial<ComparedMessage> = {}): ComparedMessage {
  const base = parseBaseName(`b${uid}`);
  return { uid: parseUid(uid), base, ...NO_MARKS, size: 3, mtimeS: 7, fields: "", held: "applied", ...more };
}

/** Of all chunks in which these are. */
function page(uids: readonly number[], reached = UID_MAX, rest: object = {}): Answer {
  const told = [...new Set(uids.map(chunkOf))];
  return { kind: "compare", standing, told, messages: uids.map((uid) => message(uid)), reached, ...rest };
}

/** What the source has: one message in each of these chunks, and nothing else up to there. */
function own(chunks: readonly number[], upTo = UID_MAX): SummedRange {
  return { sums: chunks.map((chunk) => ({ chunk, count: 1, digest: emptyDigest() })), upTo };
}

/** Each question speaks for the range of its turn; the last one for all that there are. */
async function readAll(asker: Asker, ...ranges: readonly SummedRange[]): Promise<number> {
  const pages = new MailboxPages(asker, { mailbox: guid("a"), path: path("a") });
  let messages = 0;
  for (let turn = 0; ; turn++) {
    const next = await pages.next(ranges[turn] ?? own([]), stop.signal);
    messages += next.messages.length;
    if (next.reached === UID_MAX) return messages;
  }
}

test("pages that keep to it are read to their end", async () => {
  expect(await readAll(peer(page([1, 2], 127), page([500], 511), page([])))).toBe(3);
});

test("pages that tell of chunks of the source's without a message, and of others with some", async () => {
  const told = page([300], 383, { told: [1, 2] });
  const asked = own([1, 4], 639);
  expect(await readAll(peer(told, page([], 639, { told: [4] }), page([])), asked, own([4], 639))).toBe(1);
});

test.each<[string, readonly Answer[], SummedRange?]>([
  ["go back", [page([4, 5], 127), page([3])]],
  ["come again and again", [page([4, 5], 127)]],
  ["reach back", [page([300], 383), page([], 255)]],
  ["lead nowhere", [page([], 127), page([], 127)]],
  ["do not ascend", [page([5, 4])]],
  ["have a message twice", [page([5, 5])]],
  ["have chunks that do not ascend among their messages", [page([300, 5], UID_MAX, { told: [0, 2] })]],
  ["tell of messages beyond their end", [page([300], 255)]],
  ["tell of chunks beyond their end", [page([], 255, { told: [2] })], own([0, 1, 2])],
  ["tell of messages of chunks that they do not name", [page([5, 300], UID_MAX, { told: [0] })]],
  ["tell of chunks that nobody has", [page([], UID_MAX, { told: [3] })], own([1])],
  ["tell of more than was asked", [page([], 511)], own([0], 383)],
  ["tell of messages beyond what was asked", [page([400], 511)], own([0], 383)],
  ["have messages of a mailbox that is not there", [page([1], UID_MAX, { standing: undefined })]],
  ["have chunks of a mailbox that is not there", [page([], UID_MAX, { told: [1], standing: undefined })], own([1])],
  ["are about something else", [{ kind: "standing", mailboxes: [], more: false }]],
])("pages that %s", async (_what, answers, ...ranges) => {
  const asked = ranges.filter((range) => range !== undefined);
  await expect(readAll(peer(...answers), ...asked)).rejects.toThrow(CONFUSED);
});

test.each([
  ["a message each", (chunk: number) => [chunk * CHUNK_UIDS]],
  ["nothing", () => []],
])("pages without end, with %s", async (_what, uidsOf) => {
  let asked = 0;
  const ask = async () => {
    asked += 1;
    return page(uidsOf(asked), (asked + 1) * CHUNK_UIDS - 1);
  };
  const endless = { ask } as unknown as Asker;
  await expect(readAll(endless)).rejects.toThrow(CONFUSED);
  expect(asked).toBeLessThan(100_000);
});

test.each([
  ["more messages than a page has", page(Array.from({ length: COMPARED_MESSAGES_MAX + 1 }, (_, i) => i + 1))],
  ["more chunks than it may", page([], UID_MAX, { told: Array.from({ length: 4161 }, (_, chunk) => chunk) })],
  ["a chunk twice", page([], UID_MAX, { told: [3, 3] })],
  ["a chunk that no UID has", page([], UID_MAX, { told: [2 ** 25] })],
  ["an end within a chunk", page([], 128)],
  ["no end", page([], 0)],
  ["an end beyond all UIDs", page([], 0xffff_ffff)],
  ["UID 0", { ...page([]), messages: [{ ...message(1), uid: 0 }] }],
  ["flags that do not exist", { ...page([]), messages: [message(1, { flags: 64 })] }],
  ["keywords out of order", { ...page([]), messages: [message(1, { keywords: ["b", "a"] })] }],
  ["a record field that is another record", { ...page([]), messages: [message(1, { fields: "S1\n7 :x" })] }],
  ["a base name with a slash", { ...page([]), messages: [{ ...message(1), base: "../x" }] }],
  ["a UIDVALIDITY of 0", page([], UID_MAX, { standing: { ...standing, uidValidity: 0 } })],
  ["a next UID of 0", page([], UID_MAX, { standing: { ...standing, uidNext: 0 } })],
  ["a path that leads out of the store", page([], UID_MAX, { standing: { ...standing, path: "../up" } })],
])("a page with %s", async (_what, answer) => {
  await expect(readAll(peer(answer as unknown as Answer))).rejects.toThrow(INVALID);
});

const place = (letter: string) => ({ mailbox: guid(letter), ...standing, stands: "in-place" as const });

test("a list of mailboxes that keeps to it is read to its end", async () => {
  const first: Answer = { kind: "standing", mailboxes: [place("a"), place("b")], more: true };
  const last: Answer = { kind: "standing", mailboxes: [place("c")], more: false };
  expect(await readStanding(peer(first, last), stop.signal)).toHaveLength(3);
});

test.each([
  ["comes again and again", { kind: "standing", mailboxes: [place("a")], more: true }],
  ["does not ascend", { kind: "standing", mailboxes: [place("b"), place("a")], more: false }],
  ["promises more and tells nothing", { kind: "standing", mailboxes: [], more: true }],
] as const)("a list of mailboxes that %s", async (_what, answer) => {
  await expect(readStanding(peer(answer), stop.signal)).rejects.toThrow(CONFUSED);
});

test("a page of more mailboxes than it may have, or one that stands in an unknown way", async () => {
  const many = Array.from({ length: STANDING_MAILBOXES_MAX + 1 }, () => place("a"));
  const ask = (mailboxes: unknown) =>
    readStanding(peer({ kind: "standing", mailboxes, more: false } as unknown as Answer), stop.signal);
  await expect(ask(many)).rejects.toThrow(INVALID);
  await expect(ask([{ ...place("a"), stands: "on its head" }])).rejects.toThrow(INVALID);
});

test("a list of mailboxes with long paths ends by what they take", async () => {
  const dir = "x".repeat(200);
  const long = Array.from({ length: 20 }, () => dir).join("/");
  let next = 0;
  const ask = async (): Promise<Answer> => {
    const mailboxes = Array.from({ length: STANDING_MAILBOXES_MAX }, () => {
      next += 1;
      return { ...place("a"), mailbox: parseMailboxGuid(next.toString(16).padStart(32, "0")), path: path(long) };
    });
    return { kind: "standing", mailboxes, more: true };
  };
  await expect(readStanding({ ask } as unknown as Asker, stop.signal)).rejects.toThrow(CONFUSED);
  expect(next).toBeLessThan(20_000);
});

const counted = (uid: number, base = `b${uid}`): InventoryMessage => ({
  uid,
  base: parseBaseName(base),
  size: 3,
  marks: "",
});

function inventory(messages: readonly InventoryMessage[], more: boolean): Answer {
  return { kind: "inventory", messages, more, unnumbered: 0 };
}

/** All messages of a mailbox. */
async function inventoryOf(inventories: Inventories, name: string): Promise<readonly InventoryMessage[]> {
  const found: InventoryMessage[] = [];
  for await (const messages of inventories.pages(path(name), stop.signal)) found.push(...messages);
  return found;
}

test("an inventory that keeps to it is read to its end, though a file got its UID meanwhile", async () => {
  const first = inventory([counted(1), counted(5), counted(0, "f1"), counted(0, "f2")], true);
  const last = inventory([counted(6, "f1"), counted(0, "f3")], false);
  expect(await inventoryOf(new Inventories(peer(first, last)), "a")).toHaveLength(6);
});

test.each([
  ["comes again and again", inventory([counted(4), counted(5)], true)],
  ["comes again and again without UIDs", inventory([counted(0, "f1")], true)],
  ["does not ascend", inventory([counted(5), counted(4)], false)],
  ["has files that do not ascend", inventory([counted(0, "f2"), counted(0, "f1")], false)],
] as const)("an inventory that %s", async (_what, answer) => {
  await expect(inventoryOf(new Inventories(peer(answer)), "a")).rejects.toThrow(CONFUSED);
});

test("an inventory without end, in one mailbox or over all of them", async () => {
  let pages = 0;
  const ask = async (): Promise<Answer> => {
    pages += 1;
    return inventory([counted(pages)], pages % 100 !== 0);
  };
  const inventories = new Inventories({ ask } as unknown as Asker, 20_000);
  const all = async () => {
    for (let i = 0; i < 1_000; i++) await inventoryOf(inventories, `m${i}`);
  };
  await expect(all()).rejects.toThrow(CONFUSED);
  expect([pages > 100, pages < 400]).toStrictEqual([true, true]);
});
