/** A replica whose word of itself has no end, goes back or cannot be: the link ends, and nothing was offered. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Asker } from "../../../src/agent/asker.js";
import { Inventories, MailboxPages, readStanding } from "../../../src/agent/replica-pages.js";
import { systemClock } from "../../../src/base/clock.js";
import { parseBaseName, parseMailboxGuid, parseUid, parseUidValidity, UID_MAX } from "../../../src/maildir/ids.js";
import { NO_MARKS } from "../../../src/txn/message-state.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import {
  type Answer,
  COMPARED_MESSAGES_MAX,
  type ComparedMessage,
  type InventoryMessage,
  STANDING_MAILBOXES_MAX,
} from "../../../src/wire/messages.js";
import type { Span } from "../../../src/wire/sums.js";
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

function page(uids: readonly number[], reached = UID_MAX, rest: object = {}): Answer {
  return { kind: "tell-held", standing, messages: uids.map((uid) => message(uid)), reached, ...rest };
}

const EVERYTHING: readonly Span[] = [{ from: 0, below: UID_MAX + 1 }];

function pagesOf(asker: Asker): MailboxPages {
  return new MailboxPages(asker, { mailbox: guid("a"), path: path("a") }, 7);
}

/** Asks until all of these spans are told of. */
async function readAll(asker: Asker, all = EVERYTHING): Promise<number> {
  const pages = pagesOf(asker);
  let messages = 0;
  for (let spans = all; spans.length > 0; ) {
    const next = await pages.tell(spans, stop.signal);
    messages += next.messages.length;
    spans = spans.flatMap(({ from, below }) =>
      below > next.reached + 1 ? [{ from: Math.max(from, next.reached + 1), below }] : [],
    );
  }
  return messages;
}

test("pages that keep to it are read to their end", async () => {
  expect(await readAll(peer(page([1, 2], 127), page([500], 511), page([])))).toBe(3);
});

const TWO: readonly Span[] = [
  { from: 10, below: 20 },
  { from: 300, below: 302 },
];

test("pages of some spans end within them, or at their end", async () => {
  expect(await readAll(peer(page([10, 12], 12), page([13, 301], 301)), TWO)).toBe(4);
  expect(await readAll(peer(page([], 299), page([], 301)), TWO)).toBe(0);
});

test.each<[string, readonly Answer[], (readonly Span[])?]>([
  ["go back", [page([4, 5], 127), page([3])]],
  ["come again and again", [page([4, 5], 127)]],
  ["reach back", [page([300], 383), page([], 255)]],
  ["lead nowhere", [page([], 127), page([], 127)]],
  ["do not ascend", [page([5, 4])]],
  ["have a message twice", [page([5, 5])]],
  ["tell of messages beyond their end", [page([300], 255)]],
  ["tell of more than was asked", [page([], 302)], TWO],
  ["tell of messages below what was asked", [page([9], 301)], TWO],
  ["tell of messages between what was asked", [page([12, 20], 301)], TWO],
  ["tell of messages above what was asked", [page([12, 302], 301)], TWO],
  ["end before what was asked", [page([], 9)], TWO],
  ["have messages of a mailbox that is not there", [page([1], UID_MAX, { standing: undefined })]],
  ["are about something else", [{ kind: "standing", mailboxes: [], more: false }]],
])("pages that %s", async (_what, answers, spans) => {
  await expect(readAll(peer(...answers), spans)).rejects.toThrow(CONFUSED);
});

test.each([
  ["a message each", (turn: number) => [turn * 128]],
  ["nothing", () => []],
])("pages without end, with %s", async (_what, uidsOf) => {
  let asked = 0;
  const ask = async () => {
    asked += 1;
    return page(uidsOf(asked), (asked + 1) * 128 - 1);
  };
  const endless = { ask } as unknown as Asker;
  await expect(readAll(endless)).rejects.toThrow(CONFUSED);
  expect(asked).toBeLessThan(100_000);
});

test("a look without end", async () => {
  let looked = 0;
  const ask = async (): Promise<Answer> => {
    looked += 1;
    return { kind: "compare", standing, looked };
  };
  const pages = pagesOf({ ask } as unknown as Asker);
  const lookOn = async () => {
    for (;;) await pages.compare(undefined, stop.signal);
  };
  await expect(lookOn()).rejects.toThrow(CONFUSED);
  expect(looked).toBeLessThan(100_000);
});

describe("sums", () => {
  const sums = { bits: 1, parts: [0, 1, 5], sums: [1, 2, 3] };
  const compared = (bits: number[], more: object = {}): Answer => {
    const differing = { bits: new Uint8Array(bits), hasOthers: false, isEqual: false, ...more };
    return { kind: "compare", standing, looked: UID_MAX, differing };
  };

  test("are answered with a bit for each part", async () => {
    const answer = await pagesOf(peer(compared([5]))).compare(sums, stop.signal);
    expect(answer.differing?.bits).toStrictEqual(new Uint8Array([5]));
  });

  test.each<[string, Answer]>([
    ["a bit that no part has", compared([8])],
    ["fewer bytes than parts need", compared([])],
    ["more bytes than parts need", compared([1, 0])],
    ["all equal, which was not asked", compared([0], { isEqual: true })],
    ["nothing", { kind: "compare", standing, looked: UID_MAX }],
    ["messages", page([])],
  ])("that are answered with %s", async (_what, answer) => {
    await expect(pagesOf(peer(answer)).compare(sums, stop.signal)).rejects.toThrow(CONFUSED);
  });

  test("that nobody sent are not answered", async () => {
    await expect(pagesOf(peer(compared([0]))).compare(undefined, stop.signal)).rejects.toThrow(CONFUSED);
  });

  test("are not answered before all is looked at, and a look that was lost is said to be", async () => {
    const looked = (uid: number): Answer => ({ kind: "compare", standing, looked: uid });
    const pages = pagesOf(peer(looked(500), looked(900), looked(400)));
    const isBack = async () => (await pages.compare(sums, stop.signal)).isBack;
    expect([await isBack(), await isBack(), await isBack()]).toStrictEqual([false, false, true]);
    const early = { ...compared([0]), looked: 500 };
    await expect(pagesOf(peer(early)).compare(sums, stop.signal)).rejects.toThrow(CONFUSED);
  });
});

test.each([
  ["more messages than a page has", page(Array.from({ length: COMPARED_MESSAGES_MAX + 1 }, (_, i) => i + 1))],
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
