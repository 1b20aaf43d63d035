/** What a replica tells of a mailbox that is compared, page by page, and of what was written to it. */
import {
  appendFileSync,
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
import { SourceStates, type SummedRange } from "../../../src/agent/source-states.js";
import type { CompareOutcome } from "../../../src/apply/compare-types.js";
import { openHash } from "../../../src/base/hash.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import { type MailboxGuid, parseMailboxGuid, UID_MAX } from "../../../src/maildir/ids.js";
import { chunkOf } from "../../../src/txn/chunks.js";
import { emptyDigest, StateDigester } from "../../../src/txn/digest.js";
import { addFile, addMessage, makeMailbox, spreadUids } from "../../live/twin/small-store.js";
import { RealPair } from "../agent/real-pair.js";

const digester = new StateDigester(await openHash());
const NOTHING: SummedRange = { sums: [], upTo: UID_MAX };
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

type Read = Extract<CompareOutcome, { kind: "read" }>;

/** As a source asks that has nothing there, unless it says what. */
function page(afterUid: number, messagesMax = 100, mailbox = guid, own: SummedRange = NOTHING): Read {
  const row = pair.sourceReader.mailboxByGuid(mailbox);
  if (row === undefined) throw new Error("the source does not have it");
  const outcome = pair.store.compare({ mailbox, path: row.path, afterUid, ...own, messagesMax });
  if (outcome.kind !== "read") throw new Error(outcome.divergence.words);
  return outcome;
}

/** "UID held" of all messages, by pages of that size. */
function all(messagesMax: number): string[] {
  const told: string[] = [];
  let afterUid = 0;
  for (;;) {
    const { messages, reached, told: chunks } = page(afterUid, messagesMax);
    if (chunks.length > 1) expect(messages.length).toBeLessThanOrEqual(messagesMax);
    expect(chunks).toStrictEqual([...new Set(messages.map(({ uid }) => chunkOf(uid)))]);
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

describe("chunks that are asked about with sums", () => {
  const record = (uid: number, to: (line: string) => string) => {
    const uidlist = join(inbox, "dovecot-uidlist");
    const text = readFileSync(uidlist, "latin1").replace(new RegExp(`^${uid} .*\n`, "m"), to);
    writeFileSync(uidlist, text, "latin1");
  };
  const renameTo = (info: string) => renameSync(fileOf(3), `${fileOf(3).split(":", 1)[0]}:2,${info}`);
  const own = () => new SourceStates(pair.sourceReader, guid, digester).sums(64);
  const asked = (range = own()) => page(0, 100, guid, range);

  test("are not told of where all is as it was written", () => {
    expect(own().sums.map(({ chunk, count }) => [chunk, count])).toStrictEqual(
      [0, 1, 2, 3, 4].map((it) => [it, it === 3 ? 2 : 1]),
    );
    expect(asked()).toMatchObject({ told: [], messages: [], reached: UID_MAX });
  });

  // Of UID 400, which shares its chunk with 500.
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
  ])("are told of whole where a message has %s", (_what, bring) => {
    bring();
    const { told, messages, reached } = asked();
    expect([told, reached]).toStrictEqual([[3], UID_MAX]);
    expect(messages).toStrictEqual(page(0).messages.filter(({ uid }) => chunkOf(uid) === 3));
    expect(messages.length).toBeGreaterThan(1);
  });

  test("are not told of for sizes in records, which are each Dovecot's own", () => {
    record(400, (line) => line.replace("400 ", "400 S9 W9 "));
    expect(asked()).toMatchObject({ told: [], messages: [] });
  });

  test("are told of where the source has nothing, or more, and without a message where nothing stands", () => {
    const { sums, upTo } = own();
    const more = { chunk: 7, count: 1, digest: emptyDigest() };
    const without = sums.filter(({ chunk }) => chunk !== 2);
    const { told, messages, reached } = asked({ sums: [...without, more], upTo });
    expect([told, messages.map(({ uid }) => uid), reached]).toStrictEqual([[2, 7], [300], UID_MAX]);
  });

  test("are told of as far as was asked, and no further", () => {
    renameTo("FT");
    expect(asked({ sums: own().sums.slice(0, 3), upTo: 383 })).toMatchObject({ told: [], reached: 383 });
    expect(page(383, 100, guid, { sums: own().sums.slice(3), upTo: UID_MAX })).toMatchObject({ told: [3] });
  });

  test("are told of where equal messages were not written by replication", () => {
    const { sums, upTo } = own();
    const path = "u9/Maildir";
    const copy = join(pair.bench.replica, path);
    cpSync(inbox, copy, { recursive: true, preserveTimestamps: true });
    const other = parseMailboxGuid("7".repeat(32));
    const uidlist = join(copy, "dovecot-uidlist");
    writeFileSync(uidlist, readFileSync(uidlist, "latin1").replace(/ G[0-9a-f]+/, ` G${other}`), "latin1");
    const request = { mailbox: other, path: path as RawPath, afterUid: 0, sums, upTo, messagesMax: 100 };
    expect(pair.store.compare(request)).toMatchObject({
      told: [0, 1, 2, 3, 4],
      messages: Array.from({ length: 6 }, () => ({ held: "foreign" })),
    });
  });
});

describe("files without a UID", () => {
  const told = (afterUid: number, messagesMax?: number) => page(afterUid, messagesMax).unnumbered;

  test("are counted by the last page, in cur/ and new/, and nothing else is", () => {
    expect(page(0)).not.toHaveProperty("unnumbered");
    addMessage(inbox, { seed: 70 }); // has a UID.
    const base = addFile(inbox, { seed: 71 });
    const other = addFile(inbox, { seed: 72 });
    renameSync(join(inbox, "cur", `${other}:2,`), join(inbox, "new", other));
    mkdirSync(join(inbox, "new/1.a.directory"));
    expect([told(0), told(0, 3), told(383, 3), told(511, 3)]).toStrictEqual([2, undefined, undefined, 2]);
    expect([told(UID_MAX), told(UID_MAX, 1)]).toStrictEqual([2, 3]); // of more than a page has the names alone count.
    rmSync(join(inbox, "cur", `${base}:2,`));
    expect(told(0)).toBe(1);
  });

  test("are counted above all UIDs as they are now, not as the pages before had them", () => {
    const base = addFile(inbox, { seed: 71 });
    expect(page(0, 2).reached).toBe(255); // the listing is kept.
    appendFileSync(join(inbox, "dovecot-uidlist"), `601 :${base}\n`);
    expect(page(UID_MAX)).toMatchObject({ told: [], messages: [], reached: UID_MAX });
    expect(told(UID_MAX)).toBeUndefined();
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
    expect(gone).toMatchObject({ written: { path: WORK }, told: [], messages: [], reached: UID_MAX });
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
