/** What a replica tells of a mailbox that is compared, page by page, and of what was written to it. */
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SourceStates } from "../../../src/agent/source-states.js";
import type { Compared, CompareRequest, Told } from "../../../src/apply/compare-types.js";
import { openHash } from "../../../src/base/hash.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import { type MailboxGuid, parseMailboxGuid, UID_MAX } from "../../../src/maildir/ids.js";
import { chunkOf } from "../../../src/txn/chunks.js";
import { emptyDigest, StateDigester } from "../../../src/txn/digest.js";
import { addFile, addMessage, makeMailbox, spreadUids } from "../../live/twin/small-store.js";
import { RealPair } from "../agent/real-pair.js";

const digester = new StateDigester(await openHash());
const [INBOX, WORK] = ["u1/Maildir", "u1/Maildir/.Work"];

let pair: RealPair;
let inbox: string;
let guid: MailboxGuid;

beforeEach(async () => {
  pair = await RealPair.open();
  makeMailbox(pair.bench.source, INBOX, { messages: 6 });
  spreadUids(join(pair.bench.source, INBOX), 100); // 400 and 500 are in one chunk.
  makeMailbox(pair.bench.source, WORK, { messages: 1, seed: 20 });
  await pair.ship();
  inbox = join(pair.bench.replica, INBOX);
  guid = pair.guidAt(INBOX);
});

afterEach(async () => {
  await pair[Symbol.asyncDispose]();
});

const EVERYTHING = [{ from: 0, below: UID_MAX + 1 }];
const SEED = 7;

function whereOf(mailbox: MailboxGuid) {
  const row = pair.sourceReader.mailboxByGuid(mailbox);
  if (row === undefined) throw new Error("the source does not have it");
  return { mailbox, path: row.path };
}

/** A page of what stands there above that UID. */
function page(
  afterUid: number,
  messagesMax = 100,
  mailbox = guid,
  spans = [{ from: afterUid + 1, below: UID_MAX + 1 }],
): Told {
  const outcome = pair.store.tellHeld({ ...whereOf(mailbox), spans: afterUid === 0 ? EVERYTHING : spans, messagesMax });
  if (outcome.kind !== "read") throw new Error(outcome.divergence.words);
  return outcome;
}

/** Files without a UID. */
function counted(messagesMax = 100): number | undefined {
  const outcome = pair.store.tellHeld({ ...whereOf(guid), spans: [], messagesMax });
  if (outcome.kind !== "read") throw new Error(outcome.divergence.words);
  expect(outcome).toMatchObject({ messages: [], reached: UID_MAX });
  return outcome.unnumbered;
}

/** "UID held" of all messages, by pages of that size. */
function all(messagesMax: number): string[] {
  const told: string[] = [];
  let afterUid = 0;
  for (;;) {
    const { messages, reached } = page(afterUid, messagesMax);
    if (new Set(messages.map(({ uid }) => chunkOf(uid))).size > 1)
      expect(messages.length).toBeLessThanOrEqual(messagesMax);
    for (const { uid, held } of messages) told.push(`${uid} ${held}`);
    if (reached === UID_MAX) return told;
    afterUid = reached;
  }
}

function fileOf(at: number): string {
  return join(inbox, "cur", readdirSync(join(inbox, "cur")).sort()[at] ?? "");
}

describe("messages", () => {
  test.each([1, 2, 3, 100])("by pages of %i are the same, whether applied, foreign or lost", (size) => {
    rmSync(fileOf(1));
    rmSync(fileOf(4)); // after the removal above: UID 600.
    addMessage(inbox, { seed: 70 });
    addFile(inbox, { seed: 71 }); // without a UID: Dovecot has not seen it.
    expect(all(size)).toStrictEqual([
      "100 applied",
      "200 lost",
      "300 applied",
      "400 applied",
      "500 applied",
      "600 lost",
      "601 foreign",
    ]);
  });

  test("of a mailbox whose messages are all gone are told as lost, by pages that end", () => {
    for (const name of readdirSync(join(inbox, "cur"))) rmSync(join(inbox, "cur", name));
    expect(all(2)).toStrictEqual([100, 200, 300, 400, 500, 600].map((uid) => `${uid} lost`));
  });

  test("that were removed since the first page do not end the second one in nothing", () => {
    const next = (afterUid: number) => {
      const { messages, reached } = page(afterUid, 2);
      return [messages.map(({ uid, held }) => `${uid} ${held}`), reached];
    };
    expect(next(0)).toStrictEqual([["100 applied", "200 applied"], 255]);
    rmSync(fileOf(2));
    rmSync(fileOf(2));
    expect(next(255)).toStrictEqual([["300 lost"], 383]);
    expect(next(383)).toStrictEqual([["400 lost", "500 applied"], 511]);
    expect(next(511)).toStrictEqual([["600 applied"], UID_MAX]);
  });

  test("have their marks as they stand, by name, and what no transaction could say is left out", () => {
    writeFileSync(join(inbox, "dovecot-keywords"), "0 $Junk\n", "latin1");
    const [plain, odd] = [fileOf(0), fileOf(1)];
    renameSync(plain, `${plain.split(":", 1)[0]}:2,FSa`);
    renameSync(odd, `${odd.split(":", 1)[0]}:2,S,tail\u0001`);
    const { messages } = page(0);
    expect(messages[0]).toMatchObject({ flags: expect.any(Number), keywords: ["$Junk"], odd: "", tail: "" });
    expect(messages.map(({ uid }) => uid)).toStrictEqual([100, 200, 300, 400, 500, 600]);
  });
});

test("of spans is told what has their UIDs, and nothing else", () => {
  const spans = [
    { from: 100, below: 101 },
    { from: 150, below: 201 },
    { from: 401, below: 600 },
  ];
  const told = page(1, 100, guid, spans);
  expect(told.messages.map(({ uid }) => uid)).toStrictEqual([100, 200, 500]);
  expect(told.reached).toBe(599);
  expect(page(1, 1, guid, spans)).toMatchObject({ messages: [{ uid: 100 }], reached: 149 });
});

describe("parts that are asked about with sums", () => {
  const record = (uid: number, to: (line: string) => string) => {
    const uidlist = join(inbox, "dovecot-uidlist");
    const text = readFileSync(uidlist, "latin1").replace(new RegExp(`^${uid} .*\n`, "m"), to);
    writeFileSync(uidlist, text, "latin1");
  };
  const renameTo = (info: string) => renameSync(fileOf(3), `${fileOf(3).split(":", 1)[0]}:2,${info}`);

  /** What the source has, in parts of 128 UIDs. */
  function own(numbers = [0, 1, 2, 3, 4], seed = SEED) {
    const states = new SourceStates(pair.sourceReader, guid, { digester, seed });
    expect(states.markOn(100)).toBe(true);
    const sums = numbers.map((part) => states.marked.sumIn(part * 128, (part + 1) * 128) ?? -1);
    return { bits: 7, parts: numbers, sums, whole: states.marked.digest };
  }

  function compare(sums: NonNullable<CompareRequest["sums"]> = own(), more: Partial<CompareRequest> = {}): Compared {
    const request = { ...whereOf(guid), seed: SEED, messagesMax: 100, sums, ...more };
    const outcome = pair.store.compare(request);
    if (outcome.kind !== "read") throw new Error(outcome.divergence.words);
    return outcome;
  }
  const differing = (outcome: Compared) => {
    const bits = outcome.differing?.bits[0] ?? 0;
    return [[0, 1, 2, 3, 4, 5].filter((at) => ((bits >>> at) & 1) === 1), outcome.differing?.hasOthers];
  };
  const NOTHING = { bits: new Uint8Array(1), hasOthers: false, isEqual: true };

  test("are equal where all is as it was written", () => {
    expect(compare()).toMatchObject({ looked: UID_MAX, differing: NOTHING });
    expect(compare(own([0, 1], 8), { seed: 8 })).toMatchObject({ looked: UID_MAX, differing: NOTHING });
  });

  // Of UID 400, which shares its part with 500.
  test.each<[string, () => void]>([
    ["a flag", () => renameTo("FT")],
    [
      "a keyword",
      () => {
        writeFileSync(join(inbox, "dovecot-keywords"), "0 $Junk\n", "latin1");
        renameTo("Sa");
      },
    ],
    ["a character of its name that means nothing", () => renameTo("SX")],
    ["a date", () => utimesSync(fileOf(3), 1, 1)],
    ["a size", () => appendFileSync(fileOf(3), "x")],
    ["no file", () => rmSync(fileOf(3))],
    ["no record", () => record(400, () => "")],
    [
      "another name",
      () => {
        const [from = "", info = ""] = fileOf(3).split(":");
        renameSync(fileOf(3), join(inbox, "cur", `0.other.x:${info}`));
        record(400, (line) => line.replace(basename(from), "0.other.x"));
      },
    ],
    ["another identity", () => record(400, (line) => line.replace("400 ", "400 Gother "))],
    ["a field that is no size", () => record(400, (line) => line.replace("400 ", "400 P12 "))],
    ["a neighbour that nobody wrote", () => record(500, (line) => `450 :${addFile(inbox, { seed: 70 })}\n${line}`)],
    ["a second file", () => copyFileSync(fileOf(3), join(inbox, "new", basename(fileOf(3)).split(":", 1)[0] ?? ""))],
  ])("differ where a message has %s, and no others do", (_what, bring) => {
    bring();
    const outcome = compare();
    expect(differing(outcome)).toStrictEqual([[3], false]);
    expect(outcome).toMatchObject({ looked: UID_MAX, differing: { isEqual: false } });
    // Where it is: 400 is in part 25 of 16 UIDs, 450 in 28.
    const states = new SourceStates(pair.sourceReader, guid, { digester, seed: SEED });
    states.markOn(100);
    const parts = Array.from({ length: 8 }, (_, at) => 24 + at);
    const sums = parts.map((part) => states.marked.sumIn(part * 16, (part + 1) * 16) ?? -1);
    const smaller = compare({ bits: 4, parts, sums }).differing;
    expect(smaller?.isEqual).toBe(false);
    expect(smaller?.bits).toStrictEqual(new Uint8Array([_what.startsWith("a neighbour") ? 16 : 2]));
  });

  test("are equal though sizes in records differ, which are each Dovecot's own", () => {
    record(400, (line) => line.replace("400 ", "400 S9 W9 "));
    expect(compare().differing).toStrictEqual(NOTHING);
  });

  test("differ where the source has nothing, or more; what is in none of them is said", () => {
    const { sums, ...rest } = own([0, 1, 2, 3, 4, 7]);
    expect(differing(compare({ ...rest, whole: emptyDigest(), sums: sums.with(5, 1).with(2, 0) }))).toStrictEqual([
      [2, 5],
      false,
    ]);
    expect(differing(compare({ ...own([0, 1]), whole: emptyDigest() }))).toStrictEqual([[], true]);
  });

  test("have what was looked at before, until what differs is told; another comparison looks anew", () => {
    const other = { ...own(), whole: emptyDigest() };
    expect(differing(compare(other))).toStrictEqual([[], false]);
    renameTo("FT");
    expect(differing(compare(other))).toStrictEqual([[], false]);
    expect(differing(compare(own(undefined, 8), { seed: 8 }))).toStrictEqual([[3], false]);
    expect(differing(compare(own(undefined, 8), { seed: 8 }))).toStrictEqual([[3], false]);
    renameTo("T");
    const [told] = page(1, 100, guid, [{ from: 400, below: 402 }]).messages;
    expect(told).toMatchObject({ uid: 400, held: "lost" }); // it is not where it was listed.
    expect(differing(compare(own(undefined, 8), { seed: 8 }))).toStrictEqual([[3], false]);
  });

  test("are looked at in steps, which have no answer before the last", () => {
    const looks = [1, 2, 9].map((messagesMax) => compare(own(), { messagesMax }));
    expect(looks.map(({ looked }) => looked)).toStrictEqual([127, 383, UID_MAX]);
    for (const look of looks.slice(0, 2)) expect(look).not.toHaveProperty("differing");
    expect(looks[2]).toMatchObject({ differing: NOTHING });
  });

  test("differ where equal messages were not written by replication", () => {
    const path = "u9/Maildir";
    const copy = join(pair.bench.replica, path);
    cpSync(inbox, copy, { recursive: true, preserveTimestamps: true });
    const other = parseMailboxGuid("7".repeat(32));
    const uidlist = join(copy, "dovecot-uidlist");
    writeFileSync(uidlist, readFileSync(uidlist, "latin1").replace(/ G[0-9a-f]+/, ` G${other}`), "latin1");
    const where = { mailbox: other, path: path as RawPath };
    expect(differing(compare(own(), where))).toStrictEqual([[0, 1, 2, 3, 4], false]);
    expect(pair.store.tellHeld({ ...where, spans: EVERYTHING, messagesMax: 100 })).toMatchObject({
      messages: Array.from({ length: 6 }, () => ({ held: "foreign" })),
    });
  });

  test("all differ where nothing of many messages was written by replication: not all are looked at", () => {
    makeMailbox(pair.bench.replica, "u9/Maildir", { messages: 1200, bytes: 10 });
    const uidlist = readFileSync(join(pair.bench.replica, "u9/Maildir/dovecot-uidlist"), "latin1");
    const mailbox = parseMailboxGuid(/ G([0-9a-f]+)/.exec(uidlist)?.[1] ?? "");
    const where = { mailbox, path: "u9/Maildir" as RawPath };
    const parts = Array.from({ length: 10 }, (_, part) => part);
    const sums = { bits: 7, parts, sums: parts.map(() => 0), whole: emptyDigest() };
    const outcome = compare(sums, { ...where, messagesMax: 2000 });
    expect(outcome.differing).toStrictEqual({ bits: new Uint8Array([0xff, 3]), hasOthers: true, isEqual: false });
  });
});

describe("files without a UID", () => {
  test("are counted in cur/ and new/, and nothing else is", () => {
    expect(counted()).toBeUndefined();
    addMessage(inbox, { seed: 70 }); // has a UID.
    const base = addFile(inbox, { seed: 71 });
    const other = addFile(inbox, { seed: 72 });
    renameSync(join(inbox, "cur", `${other}:2,`), join(inbox, "new", other));
    mkdirSync(join(inbox, "new/1.a.directory"));
    expect(page(0)).not.toHaveProperty("unnumbered");
    expect([counted(), counted(1)]).toStrictEqual([2, 3]); // of more than a page has the names alone count.
    rmSync(join(inbox, "cur", `${base}:2,`));
    expect(counted()).toBe(1);
  });

  test("are counted with the sum of the whole, and with no other", () => {
    addFile(inbox, { seed: 71 });
    const request = { ...whereOf(guid), seed: SEED, messagesMax: 100 };
    const sums = { bits: 7, parts: [], sums: [] };
    expect(pair.store.compare({ ...request, sums: { ...sums, whole: emptyDigest() } })).toMatchObject({
      unnumbered: 1,
    });
    expect(pair.store.compare({ ...request, sums })).not.toHaveProperty("unnumbered");
    expect(pair.store.compare(request)).not.toHaveProperty("unnumbered");
  });

  test("are counted as they are now, not as the pages before had them", () => {
    const base = addFile(inbox, { seed: 71 });
    expect(page(0, 2).reached).toBe(255); // the listing is kept.
    appendFileSync(join(inbox, "dovecot-uidlist"), `601 :${base}\n`);
    expect(counted()).toBeUndefined();
  });
});

describe("the mailbox", () => {
  test("stands where it was written", () => {
    const { written, standing, occupant } = page(0);
    expect(written).toStrictEqual({ ...standing, headerExtra: "" });
    expect([standing?.path, standing?.uidNext, occupant]).toStrictEqual([INBOX, 601, undefined]);
  });

  test("is found where it was renamed to, and another one in its place is named", () => {
    const work = pair.guidAt(WORK);
    const moved = join(pair.bench.replica, "u1/Maildir/.Moved");
    renameSync(join(pair.bench.replica, WORK), moved);
    makeMailbox(pair.bench.replica, WORK, { messages: 0, seed: 99 });
    const { standing, written, occupant, messages } = page(0, 100, work);
    expect([standing?.path, written?.path]).toStrictEqual(["u1/Maildir/.Moved", WORK]);
    expect(occupant).toMatch(/^[0-9a-f]{32}$/);
    expect(occupant).not.toBe(work);
    expect(messages.map(({ held }) => held)).toStrictEqual(["applied"]);
  });

  test("that is gone has only what was written", () => {
    rmSync(join(pair.bench.replica, WORK), { recursive: true });
    pair.reopenReplica();
    const gone = page(0, 100, pair.guidAt(WORK));
    expect(gone).toMatchObject({ written: { path: WORK }, messages: [], reached: UID_MAX });
    expect(gone.standing).toBeUndefined();
  });

  test("whose uidlist is damaged is refused by name", () => {
    appendFileSync(join(inbox, "dovecot-uidlist"), "no record\n");
    expect(() => page(0)).toThrow(/dovecot-uidlist of mailbox .* is damaged/);
  });
});

describe("standing", () => {
  const stands = () => {
    const { mailboxes } = pair.store.standing({ after: "", max: 100 });
    return mailboxes.map(({ path, stands: how }) => `${path} ${how}`).sort();
  };

  test("comes in pages, ascending by GUID", () => {
    const first = pair.store.standing({ after: "", max: 1 });
    const second = pair.store.standing({ after: first.mailboxes[0]?.mailbox ?? "", max: 1 });
    expect([first.more, second.more]).toStrictEqual([true, false]);
    const guids = [...first.mailboxes, ...second.mailboxes].map(({ mailbox }) => mailbox);
    expect(guids).toStrictEqual([guid, pair.guidAt(WORK)].sort());
  });

  test.each<[string, () => void]>([
    ["in-place", () => undefined],
    ["moved", () => renameSync(join(pair.bench.replica, WORK), join(pair.bench.replica, "u1/Maildir/.M"))],
    ["gone", () => rmSync(join(pair.bench.replica, WORK), { recursive: true })],
    ["older", () => change(/ N\d+/, " N1")],
    ["anew", () => change(/V\d+/, "V7")],
    ["unread", () => appendFileSync(join(pair.bench.replica, WORK, "dovecot-uidlist"), "no record\n")],
  ])("is %s", (how, bring) => {
    bring();
    expect(stands()).toStrictEqual([`${INBOX} in-place`, `${WORK} ${how}`]);
  });

  function change(what: RegExp, to: string): void {
    const uidlist = join(pair.bench.replica, WORK, "dovecot-uidlist");
    const text = readFileSync(uidlist, "latin1").replace(what, to);
    writeFileSync(uidlist, to === " N1" ? `${text.split("\n", 1)[0]}\n` : text, "latin1");
  }
});
