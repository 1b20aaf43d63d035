/** What a dry run says, word for word, and that it writes nothing. */
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { sentencesOf } from "../../../src/daemon/dry-run-contact.js";
import type { ContactFinding } from "../../../src/resync/first-contact.js";
import { treeState } from "../../live/twin/raw-compare.js";
import {
  addFile,
  addMessage,
  type Bench,
  eventsOf,
  expectRefusal,
  makeMailbox,
  openBench,
} from "../../live/twin/small-store.js";
import { rawPath } from "../log/state-fixtures.js";

const INBOX = "u1/Maildir";
const WORK = "u1/Maildir/.Work";
let bench: Bench;

beforeEach(() => {
  bench = openBench();
  makeMailbox(bench.source, INBOX, { messages: 5 });
  makeMailbox(bench.source, WORK, { messages: 1, seed: 10 });
  return () => bench[Symbol.dispose]();
});

/** The sentences, without sizes and the totals, of a dry run that found no problem and left everything as it was. */
async function wordsOf(...args: readonly string[]): Promise<string[]> {
  return (await wordsBefore(0, ...args)).filter((words) => !words.startsWith("in all: "));
}

/** The last line. */
async function totalsOf(code = 0, ...args: readonly string[]): Promise<string | undefined> {
  return (await wordsBefore(code, ...args)).at(-1);
}

async function wordsBefore(code: number, ...args: readonly string[]): Promise<string[]> {
  const before = treeState(bench.dir);
  const run = await bench.sync("--dry-run", ...args);
  expect(run, JSON.stringify(run)).toMatchObject({ code, stderr: "" });
  const isOpened = /(^\. )|state/; // a database that is read gets its -shm and -wal beside it.
  const unread = (lines: readonly string[]) => lines.filter((line) => !isOpened.test(line));
  expect(unread(treeState(bench.dir))).toStrictEqual(unread(before));
  return eventsOf(run, "plan").map((event) => String(event["words"]).replaceAll(/ \([\d.]+ (?:kB|bytes)\)/g, " (...)"));
}

const DELIVERED = [
  "u1/Maildir: create the mailbox; deliver 5 messages, UID 1..5 (...)",
  "u1/Maildir/.Work: create the mailbox; deliver UID 1 (...)",
];

describe("a first contact", () => {
  test("with nothing, or an empty directory", async () => {
    expect(await wordsOf()).toStrictEqual(DELIVERED);
    mkdirSync(bench.replica);
    expect(await wordsOf()).toStrictEqual(DELIVERED);
    expect(existsSync(bench.state)).toBe(false);
  });

  test("with a copy: what is there is not sent", async () => {
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    expect(await wordsOf()).toStrictEqual([
      "u1/Maildir: 5 messages of SRC are in DST already: adopted, and not sent",
      "u1/Maildir/.Work: 1 message of SRC is in DST already: adopted, and not sent",
    ]);
    expect(await totalsOf()).toBe("in all: 6 in DST already");
  });

  test("with an older copy: what came since is delivered, and the mailbox is not made", async () => {
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    addMessage(join(bench.source, WORK), { seed: 20 });
    expect(await wordsOf()).toStrictEqual([
      "u1/Maildir/.Work: deliver UID 2 (...)",
      "u1/Maildir: 5 messages of SRC are in DST already: adopted, and not sent",
      "u1/Maildir/.Work: 1 message of SRC is in DST already: adopted, and not sent",
    ]);
    expect(await totalsOf()).toBe("in all: 1 new (...), 6 in DST already");
  });

  test("with a copy that is numbered otherwise, or by nobody", async () => {
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    rmSync(join(bench.replica, INBOX, "dovecot-uidlist"));
    const [cut = ""] = readdirSync(join(bench.replica, INBOX, "cur"));
    writeFileSync(join(bench.replica, INBOX, "cur", cut), "");
    expect((await wordsOf()).slice(1, 4)).toStrictEqual([
      "u1/Maildir: the mailbox in DST has other UIDs, or none: it begins anew with those of SRC",
      "u1/Maildir: 4 of these messages are in DST already, and used again if the bytes are the same",
      "u1/Maildir: 1 message of DST has another size than in SRC: moved to the limbo, and sent",
    ]);
  });

  test.each([
    [[], "so the run would be refused; say --foreign keep or --foreign limbo"],
    [["--foreign", "keep"], "kept as they are"],
    [["--foreign", "limbo"], "moved to the limbo"],
  ])("with mail that only DST has, numbered or not: %j", async (args, fate) => {
    makeMailbox(bench.replica, "u9/Maildir", { messages: 2, seed: 200 });
    addFile(join(bench.replica, "u9/Maildir"), { seed: 300 });
    const code = args.length === 0 ? 73 : 0; // as the run itself.
    const moved = args.includes("limbo") ? ", 3 moved from DST to the limbo" : "";
    const kept = args.includes("keep") ? ", 3 kept that only DST has" : "";
    expect((await wordsBefore(code, ...args)).slice(2)).toStrictEqual([
      `u9/Maildir: 3 messages that only DST has: ${fate}`,
      `in all: 2 mailboxes made, 6 new (...)${kept}${moved}`,
    ]);
  });

  test("with files that have no UID in SRC either: they are not DST's alone", async () => {
    addFile(join(bench.source, WORK), { seed: 50 });
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    expect(await wordsOf()).toStrictEqual([
      "u1/Maildir/.Work: give UIDs to 1 message of SRC without one, and deliver",
      "u1/Maildir: 5 messages of SRC are in DST already: adopted, and not sent",
      "u1/Maildir/.Work: 2 messages of SRC are in DST already: adopted, and not sent",
    ]);
    expect(await totalsOf()).toBe("in all: 1 without a UID in SRC yet, 7 in DST already");
  });

  test("with mail in SRC that only Dovecot can number: said as the problem that a run would end with", async () => {
    rmSync(join(bench.source, WORK, "dovecot-uidlist"));
    expect(await wordsBefore(1)).toStrictEqual([...DELIVERED.slice(0, 1), "in all: 1 mailbox made, 5 new (...)"]);
    const run = await bench.sync("--dry-run");
    expect(eventsOf(run, "problem")).toMatchObject([{ path: WORK, code: "uidlist-missing" }]);
  });

  test("with a source without mail", async () => {
    rmSync(join(bench.source, "u1"), { recursive: true });
    expect(await wordsOf()).toStrictEqual(["nothing to do: SRC has no mailbox"]);
  });

  test("with a source in which it could not look", async () => {
    rmSync(join(bench.source, INBOX, ".Work"), { recursive: true });
    rmSync(join(bench.source, INBOX, "dovecot-uidlist"));
    const run = await bench.sync("--dry-run");
    const words = "nothing to do, except for 1 problem: nothing else was found in SRC";
    expect(eventsOf(run, "plan")).toMatchObject([{ words }]);
  });

  test("after one that was refused, it says the same again", async () => {
    makeMailbox(bench.replica, "u9/Maildir", { messages: 1, seed: 200 });
    const before = await wordsBefore(73);
    expectRefusal(await bench.sync("--dry-run"), "destination-has-mail", 73);
    expectRefusal(await bench.sync(), "destination-has-mail", 73);
    expect(await wordsBefore(73)).toStrictEqual(before);
  });
});

describe("a later run", () => {
  beforeEach(async () => {
    expect((await bench.sync()).code).toBe(0);
  });

  test("with nothing to do, and with something", async () => {
    expect(await wordsOf()).toStrictEqual(["nothing to do: no change in SRC since the last run"]);
    addMessage(join(bench.source, WORK), { seed: 20 });
    expect(await wordsOf()).toStrictEqual(["u1/Maildir/.Work: deliver UID 2 (...)"]);
  });

  test("with something that was read before and refused by DST", async () => {
    addMessage(join(bench.source, WORK), { seed: 20 });
    const list = join(bench.replica, WORK, "dovecot-uidlist");
    const kept = readFileSync(list);
    appendFileSync(list, "rubbish\n");
    expect((await bench.sync()).code).toBe(1);
    writeFileSync(list, kept);
    expect(await wordsOf()).toStrictEqual(["u1/Maildir/.Work: deliver UID 2 (...)"]);
  });

  test("that would not begin at all is refused as well", async () => {
    rmSync(join(bench.source, "u1"), { recursive: true });
    expectRefusal(await bench.sync("--dry-run"), "source-emptied", 66);
    renameSync(bench.replica, `${bench.replica}.gone`);
    expectRefusal(await bench.sync("--dry-run"), "destination-emptied", 69);
  });

  test("while somebody holds a mailbox's lock", async () => {
    const lock = join(bench.replica, WORK, "dovecot-uidlist.lock");
    writeFileSync(lock, `${process.pid}:${hostname()}`);
    expect(await wordsOf()).toStrictEqual(["nothing to do: no change in SRC since the last run"]);
  });
});

const listed = (bases: readonly string[]) => bases.map((base, at) => ({ base, uid: at + 1, size: 3 }));

const FINDING: ContactFinding = {
  ...{ path: rawPath(""), foreign: listed(["x"]), present: 0, remarked: 0, isOther: false, copies: [], changed: [] },
  ...{ inTheWay: [], passed: [], hasNewer: false },
};

test("kept mail of a mailbox that begins anew gets other UIDs; the store's own mailbox is the INBOX", () => {
  const finding = { ...FINDING, isOther: true, copies: listed(["a"]), changed: listed(["b", "c"]) };
  expect(sentencesOf(finding, "keep").slice(1)).toStrictEqual([
    "INBOX: 1 of these messages is in DST already, and used again if the bytes are the same",
    "INBOX: 2 messages of DST have another size than in SRC: moved to the limbo, and sent",
    "INBOX: 1 message that only DST has: kept beside the others, with a new UID above those of SRC",
  ]);
});

describe("UIDs that both sides have given out", () => {
  test.each([
    [["x"], ["x"], "1 message that only DST has: kept, with a new UID above all others: SRC has used its own"],
    [["x", "y"], ["x", "y"], "2 messages that only DST has: kept, with new UIDs above all others: SRC has used theirs"],
    [
      ["x", "y", "z"],
      ["y"],
      "3 messages that only DST has: kept, 1 of them with a new UID above all others: SRC has used its own",
    ],
    [["x", "y", "z"], [], "3 messages that only DST has: kept as they are"],
  ])("mail that only DST has, and is in the way: %j %j", (foreign, inTheWay, words) => {
    expect(sentencesOf({ ...FINDING, foreign: listed(foreign), inTheWay: listed(inTheWay) }, "keep")).toStrictEqual([
      `INBOX: ${words}`,
    ]);
  });

  test.each([
    [[3], "1 message of SRC gets a new UID, in SRC as well: DST has passed its own (UID 3)"],
    [[3, 9], "2 messages of SRC get new UIDs, in SRC as well: DST has passed theirs (UID 3, 9)"],
    [
      [1, 2, 3, 4, 5, 8, 9],
      "7 messages of SRC get new UIDs, in SRC as well: DST has passed theirs (UID 1, 2, 3, 4, 5, ... 9)",
    ],
  ])("mail of SRC whose UIDs DST has passed: %j", (passed, words) => {
    expect(sentencesOf({ ...FINDING, foreign: [], passed }, "refuse")).toStrictEqual([`INBOX: ${words}`]);
  });
});
