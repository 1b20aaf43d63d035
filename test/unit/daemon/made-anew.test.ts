/** A mailbox that somebody removed on the destination is made anew, alone: no other mailbox is compared or touched. */
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { logMadeAnew } from "../../../src/daemon/put-back.js";
import { openStateReader } from "../../../src/log/state-reader.js";
import { openInlineStateWriter } from "../../contract/inline-state-writer.js";
import { runTwin, type TwinRun } from "../../live/lab/mailtwin.js";
import { contentsOf } from "../../live/twin/contents.js";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import {
  addFile,
  addMessage,
  type Bench,
  eventsOf,
  expectOneProblem,
  makeMailbox,
  openBench,
  summaryOf,
} from "../../live/twin/small-store.js";

const INBOX = "u1/Maildir";
const WORK = "u1/Maildir/.Work";
const BELOW = "u1/Maildir/.Work.Below";
const OTHER = "u2/Maildir";

async function twinnedBench(): Promise<Bench> {
  const bench = openBench();
  for (const [index, path] of [INBOX, WORK, BELOW, OTHER].entries())
    makeMailbox(bench.source, path, { messages: 3, seed: 10 * index });
  expect((await bench.sync()).code).toBe(0);
  return bench;
}

const inReplica = (bench: Bench, ...paths: readonly string[]): string => join(bench.replica, ...paths);

function remove(bench: Bench, path: string): void {
  rmSync(inReplica(bench, path), { recursive: true });
}

/** What others do on the destination, and what no run takes back: mail of their own, an expunge, a flag. */
function othersAct(bench: Bench): void {
  addMessage(inReplica(bench, OTHER), { seed: 900 });
  const cur = inReplica(bench, OTHER, "cur");
  const list = inReplica(bench, OTHER, "dovecot-uidlist");
  const [expunged = "", flagged = ""] = ["1", "2"].map((uid) => {
    const base = new RegExp(`^${uid} :(.*)$`, "m").exec(readFileSync(list, "latin1"))?.[1] ?? "";
    return readdirSync(cur).find((name) => name.startsWith(base)) ?? "";
  });
  rmSync(join(cur, expunged));
  writeFileSync(list, readFileSync(list, "latin1").replace(/^1 :.*\n/m, ""));
  renameSync(join(cur, flagged), join(cur, flagged.replace(/:2,.*/, ":2,FS")));
}

const told = (run: TwinRun) => eventsOf(run, "conflict").map(({ path, words }) => [path, words]);
const wordsOf = (path: string, messages = 3) => [
  path,
  `${path} is gone in DST, and is made anew (${messages} messages)`,
];

/** Both stores are as they were, but for the mailboxes that were made anew. */
async function expectMadeAnew(bench: Bench, run: TwinRun, ...paths: readonly string[]): Promise<void> {
  expect(run.code, JSON.stringify(run)).toBe(0);
  for (const path of paths) expect(rawDifferences(join(bench.source, path), inReplica(bench, path))).toStrictEqual([]);
  expect(summaryOf(await bench.sync())).toMatchObject({ transactions: 0, problems: 0 });
}

describe("a mailbox that was removed on the destination", () => {
  test("is made anew with the UIDs it had; the mail of others is not compared, on neither side", async () => {
    using bench = await twinnedBench();
    othersAct(bench);
    const [source, other] = [contentsOf(bench.source), contentsOf(inReplica(bench, OTHER))];
    remove(bench, WORK);
    const run = await bench.sync();
    expect(told(run)).toStrictEqual([wordsOf(WORK)]);
    expect(summaryOf(run)).toMatchObject({
      ...{ transactions: 2, saves: 3, mailboxesMade: 1, mailboxesDeleted: 0, messagesOfDeleted: 0 },
      ...{ renumberedInSource: 0, adopted: 0, toLimbo: 0, problems: 0 },
    });
    await expectMadeAnew(bench, run, WORK, BELOW);
    expect(contentsOf(bench.source)).toStrictEqual(source);
    expect(contentsOf(inReplica(bench, OTHER))).toStrictEqual(other);
  });

  test("with folders in it and the INBOX, and one that was renamed gets its name back", async () => {
    using bench = await twinnedBench();
    makeMailbox(bench.source, `${OTHER}/.Mine`, { messages: 2, seed: 70 });
    expect((await bench.sync()).code).toBe(0);
    remove(bench, INBOX);
    renameSync(inReplica(bench, OTHER, ".Mine"), inReplica(bench, OTHER, ".Yours"));
    const run = await bench.sync();
    expect(told(run)).toHaveLength(4);
    await expectMadeAnew(bench, run, "");
  });

  test("has a dry run say so, which changes nothing", async () => {
    using bench = await twinnedBench();
    remove(bench, WORK);
    const stores = () => [contentsOf(bench.source), contentsOf(bench.replica)];
    const before = stores();
    const run = await bench.sync("--dry-run");
    expect(run.code).toBe(0);
    expect(eventsOf(run, "plan").map(({ words }) => words)).toStrictEqual([
      wordsOf(WORK)[1],
      "in all: 1 mailbox made, 3 sent again",
    ]);
    expect(stores()).toStrictEqual(before);
    expect(told(await bench.sync())).toStrictEqual([wordsOf(WORK)]);
  });

  test("is what the source has made of it meanwhile: more mail, another name, nothing", async () => {
    using bench = await twinnedBench();
    for (const path of [INBOX, WORK, BELOW]) remove(bench, path === INBOX ? `${INBOX}/cur` : path);
    rmSync(inReplica(bench, INBOX, "dovecot-uidlist"));
    addMessage(join(bench.source, INBOX), { seed: 60 });
    renameSync(join(bench.source, WORK), join(bench.source, INBOX, ".Done"));
    rmSync(join(bench.source, BELOW), { recursive: true });
    const run = await bench.sync();
    expect(told(run)).toHaveLength(3);
    expect(summaryOf(run)).toMatchObject({ mailboxesMade: 2, mailboxesDeleted: 0, mailboxesRenamed: 0 });
    await expectMadeAnew(bench, run, "");
  });

  test("and is removed at the source later, which counts", async () => {
    using bench = await twinnedBench();
    remove(bench, WORK);
    expect((await bench.sync()).code).toBe(0);
    rmSync(join(bench.source, WORK), { recursive: true });
    expect(summaryOf(await bench.sync())).toMatchObject({ mailboxesDeleted: 1, messagesOfDeleted: 3 });
  });
});

describe("where something else stands at its path", () => {
  test.each(["with an identity", "without one yet"])("an empty mailbox %s becomes the source's", async (identity) => {
    using bench = await twinnedBench();
    othersAct(bench);
    remove(bench, WORK);
    makeMailbox(bench.replica, WORK, { messages: 0, seed: 77 });
    if (identity === "without one yet") rmSync(inReplica(bench, WORK, "dovecot-uidlist"));
    const run = await bench.sync();
    expect(told(run)).toStrictEqual([wordsOf(WORK)]);
    await expectMadeAnew(bench, run, WORK);
  });

  test("one with mail is named, and the others flow; once it is moved away all is made anew", async () => {
    using bench = await twinnedBench();
    othersAct(bench);
    for (const path of [WORK, BELOW]) remove(bench, path);
    makeMailbox(bench.replica, WORK, { messages: 2, seed: 77 });
    addMessage(join(bench.source, INBOX), { seed: 61 });
    const before = contentsOf(inReplica(bench, WORK));
    for (const saves of [4, 0]) {
      const run = await bench.sync();
      expectOneProblem(run, WORK, "mailbox-occupied");
      expect(summaryOf(run)).toMatchObject({ saves });
      expect(contentsOf(inReplica(bench, WORK))).toStrictEqual(before);
    }
    renameSync(inReplica(bench, WORK), inReplica(bench, INBOX, ".Mine"));
    await expectMadeAnew(bench, await bench.sync(), WORK, BELOW);
  });

  test("another mailbox of ours, which was renamed to its name, goes home first", async () => {
    using bench = await twinnedBench();
    remove(bench, WORK);
    renameSync(inReplica(bench, BELOW), inReplica(bench, WORK));
    const run = await bench.sync();
    expect(told(run)).toHaveLength(2);
    expect(summaryOf(run)).toMatchObject({ saves: 3, mailboxesRenamed: 1 });
    await expectMadeAnew(bench, run, "");
  });

  test("one with its own mail, numbered anew, is compared as at first contact: nothing is sent", async () => {
    using bench = await twinnedBench();
    const list = inReplica(bench, WORK, "dovecot-uidlist");
    writeFileSync(list, readFileSync(list, "latin1").replace(/V\d+ (N\d+) G\w+/, `V7 $1 G${"e".repeat(32)}`));
    const run = await bench.sync();
    expect(told(run)).toMatchObject([["", expect.stringMatching(/comparing as at first contact$/)]]);
    expect(summaryOf(run)).toMatchObject({ bodiesBytes: 0 });
    await expectMadeAnew(bench, run, "");
  });
});

describe("while something of it is in the log that was not applied", () => {
  const refused = (run: TwinRun) => eventsOf(run, "problem").map(({ code }) => code);

  /** Mail for a mailbox with a damaged uidlist is refused; then it is removed. */
  async function refusingBench(...others: readonly string[]): Promise<Bench> {
    const bench = await twinnedBench();
    for (const path of [WORK, ...others]) appendFileSync(inReplica(bench, path, "dovecot-uidlist"), "no record\n");
    for (const [index, path] of [WORK, ...others].entries()) {
      addMessage(join(bench.source, path), { seed: 60 + index });
      addMessage(join(bench.source, path), { seed: 80 + index });
    }
    expect(refused(await bench.sync())).toStrictEqual([WORK, ...others].map(() => "uidlist-damaged"));
    return bench;
  }

  test("that is dropped, and so is what was refused of it", async () => {
    using bench = await refusingBench();
    addMessage(join(bench.source, INBOX), { seed: 65 });
    expect(refused(await bench.sync())).toHaveLength(1); // what was refused lies before the cursor now.
    addMessage(join(bench.source, WORK), { seed: 66 });
    remove(bench, WORK);
    const run = await bench.sync();
    expect(told(run)).toStrictEqual([wordsOf(WORK)]);
    await expectMadeAnew(bench, run, "");
  });

  test("that of another mailbox stays refused, and waits no longer than that", async () => {
    using bench = await refusingBench(OTHER);
    remove(bench, WORK);
    expectOneProblem(await bench.sync(), OTHER, "uidlist-damaged");
    expect(rawDifferences(join(bench.source, INBOX), inReplica(bench, INBOX))).toStrictEqual([]);
    const list = inReplica(bench, OTHER, "dovecot-uidlist");
    writeFileSync(list, readFileSync(list, "latin1").replace("no record\n", ""));
    await expectMadeAnew(bench, await bench.sync(), "");
  });
});

describe("whose dovecot-uidlist was damaged and is removed", () => {
  const DAMAGES: readonly (readonly [string, (list: string) => string])[] = [
    ["in a record", (list) => list.replace(/^1 :.*$/m, "zzz zzz")],
    ["in its header", (list) => list.replace(/^3 /, "x ")],
  ];

  describe.each(DAMAGES)("%s", (_, damage) => {
    test.each([0, 1, 2])("after %d runs that refused it: its mail stays, and is not sent again", async (runs) => {
      using bench = await twinnedBench();
      const list = inReplica(bench, WORK, "dovecot-uidlist");
      writeFileSync(list, damage(readFileSync(list, "latin1")));
      addMessage(join(bench.source, WORK), { seed: 60 });
      for (let run = 0; run < runs; run++) expectOneProblem(await bench.sync("--resync"), WORK, "uidlist-damaged");
      rmSync(list);
      const run = await bench.sync();
      expect(told(run)).toMatchObject([
        ["", expect.stringMatching(/\(u1\/Maildir\/\.Work\): comparing as at first contact$/)],
      ]);
      expect(summaryOf(run)).toMatchObject({ toLimbo: 0, reused: 3, renumberedInSource: 0 });
      await expectMadeAnew(bench, run, "");
    });
  });

  test("mail that others delivered there stays, as new mail", async () => {
    using bench = await twinnedBench();
    const list = inReplica(bench, WORK, "dovecot-uidlist");
    writeFileSync(list, readFileSync(list, "latin1").replace(/^1 :.*$/m, "zzz zzz"));
    expectOneProblem(await bench.sync("--resync"), WORK, "uidlist-damaged");
    rmSync(list);
    addFile(inReplica(bench, WORK), { seed: 900 });
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(summaryOf(run)).toMatchObject({ kept: 1, problems: 0 });
    expect(readdirSync(inReplica(bench, WORK, "cur"))).toHaveLength(4);
  });
});

describe("a run that is killed", () => {
  const POINTS = ["capture.examined", "capture.committed", "apply.intent", "apply.effect-recorded"];
  const MORE = ["apply.mailbox-built", "apply.mailbox-moved-in", "apply.effect-recorded:2"];

  function killedAt(bench: Bench, point: string): Promise<TwinRun> {
    const args = ["sync", bench.source, bench.replica, "--json", "--state", bench.state];
    return runTwin(args, { env: { MAILTWIN_CRASH_AT: point } });
  }

  test.each([...POINTS, ...MORE])("at %s is gone on with", async (point) => {
    using bench = await twinnedBench();
    othersAct(bench);
    const [source, other] = [contentsOf(bench.source), contentsOf(inReplica(bench, OTHER))];
    remove(bench, WORK);
    const killed = await killedAt(bench, point);
    expect(killed.signal, JSON.stringify(killed)).toBe("SIGKILL");
    await expectMadeAnew(bench, await bench.sync(), WORK, BELOW);
    expect(contentsOf(bench.source)).toStrictEqual(source);
    expect(contentsOf(inReplica(bench, OTHER))).toStrictEqual(other);
  });

  test("when the source's half of the state had forgotten the mailbox, and nothing else was done", async () => {
    using bench = await twinnedBench();
    remove(bench, WORK);
    {
      using replica = openStateReader(join(bench.state, "replica.db"));
      using source = openStateReader(join(bench.state, "source.db"));
      await using writer = openInlineStateWriter(join(bench.state, "source.db"));
      const gone = replica.mailboxes().filter(({ path }) => path === WORK);
      await logMadeAnew({ reader: source, writer }, gone, 7);
      expect(source.mailboxes().some(({ path }) => path === WORK)).toBe(false);
    }
    const run = await bench.sync();
    expect(told(run)).toStrictEqual([]);
    await expectMadeAnew(bench, run, "");
  });

  test("and somebody makes a mailbox with mail there before the next: named, and nothing of it is touched", async () => {
    using bench = await twinnedBench();
    remove(bench, WORK);
    expect((await killedAt(bench, "apply.effect-recorded")).signal).toBe("SIGKILL");
    makeMailbox(bench.replica, WORK, { messages: 1, seed: 77 });
    expectOneProblem(await bench.sync(), WORK, "mailbox-occupied");
    expect(readdirSync(inReplica(bench, WORK, "cur"))).toHaveLength(1);
  });
});

test("where a file stands in the place of its cur/ that is said, and what else stands there stays as it is", async () => {
  using bench = await twinnedBench();
  const [cur, away] = [inReplica(bench, WORK, "cur"), join(bench.dir, "away")];
  renameSync(cur, away);
  writeFileSync(cur, "x\n");
  const before = contentsOf(inReplica(bench, WORK));
  for (const args of [["--resync"], []]) {
    expectOneProblem(
      await bench.sync(...args),
      WORK,
      "path-refused",
      /: cur in it must be a directory, and is a file: /,
    );
    expect(contentsOf(inReplica(bench, WORK))).toStrictEqual(before);
  }
  rmSync(cur);
  renameSync(away, cur);
  const run = await bench.sync();
  expect(summaryOf(run)).toMatchObject({ bodiesBytes: 0, problems: 0 });
  await expectMadeAnew(bench, run, "");
});

test("one that cannot be looked for, since the directory above it is none, is not taken for gone", async () => {
  using bench = await twinnedBench();
  const away = join(bench.dir, "away");
  renameSync(inReplica(bench, "u1"), away);
  mkdirSync(inReplica(bench, "u1"));
  symlinkSync(join(away, "Maildir"), inReplica(bench, INBOX));
  const run = await bench.sync();
  expect(told(run)).toMatchObject([["", expect.stringContaining("cannot be read")]]);
  expect(run.code).toBe(1);
});
