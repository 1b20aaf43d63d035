/**
 * What an owner can put into one mailbox, on either side: in all these cases that mailbox is named with what to do, the others flow,
 * the exit code is 1, nothing is lost, and it goes on when the cause is removed.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { storeLeaks } from "./lab/files.js";
import { startTwin, type TwinRun } from "./lab/mailtwin.js";
import { until } from "./lab/until.js";
import { rawDifferences } from "./twin/raw-compare.js";
import { addMessage, type Bench, eventsOf, expectOneProblem, makeMailbox, openBench } from "./twin/small-store.js";

const ALICE = "alice/Maildir";
const FOLDER = `${ALICE}/.F`;
const BOB = "bob/Maildir";

interface Odd {
  /** Of the mailbox that it is put into. */
  readonly name: string;
  /** What its problem says; undefined where its mail flows all the same. */
  readonly words?: RegExp;
  put(dir: string): void;
  mend(dir: string): void;
}

/** A directory with something in it, in the place of a file. */
function directoryAt(name: string, at: string, words?: RegExp): Odd {
  return {
    name,
    ...(words === undefined ? {} : { words }),
    put: (dir) => mkdirSync(join(dir, at, "x"), { recursive: true }),
    mend: (dir) => rmSync(join(dir, at), { recursive: true }),
  };
}

function fileAt(name: string, at: string, words: RegExp, spoil: (path: string) => void): Odd {
  let before: Buffer | undefined;
  return {
    name,
    words,
    put: (dir) => {
      before = readdirSync(dir).includes(at) ? readFileSync(join(dir, at)) : undefined;
      spoil(join(dir, at));
    },
    mend: (dir) => {
      if (before === undefined) rmSync(join(dir, at));
      else writeFileSync(join(dir, at), before);
    },
  };
}

function stagedDirectories(): Odd {
  const names = Array.from({ length: 160 }, (_, at) => `tmp/mailtwin.${at >> 2}.${at & 3}`); // of transaction and change.
  return {
    name: ".Staged",
    words: /tmp\/mailtwin/,
    put: (dir) => {
      for (const name of names) mkdirSync(join(dir, name, "x"), { recursive: true });
    },
    mend: (dir) => {
      for (const name of names) rmSync(join(dir, name), { recursive: true });
    },
  };
}

/** What the owner of a replica's mailboxes may put there. */
const ODD: readonly Odd[] = [
  directoryAt(".Lock", "dovecot-uidlist.lock", /a directory stands in the lock's place/),
  directoryAt(".KeywordsTemp", "dovecot-keywords.tmp"), // in nobody's way while no keyword is new.
  directoryAt(".Stale", "dovecot-uidlist.stale-12.lock"),
  directoryAt(".NewLock", "dovecot-uidlist.new-0123456789abcdef.lock"),
  directoryAt(".UidlistTemp", "dovecot-uidlist.tmp"),
  directoryAt(".Nudge", "cur/.mailtwin-nudge"),
  stagedDirectories(),
  fileAt(".Keywords", "dovecot-keywords", /dovecot-keywords.*bytes/, (path) =>
    writeFileSync(path, `0 ${"k".repeat(100_000)}\n`),
  ),
  fileAt(".Huge", "dovecot-uidlist", /dovecot-uidlist.*bytes/, (path) => truncateSync(path, 600 * 1024 * 1024)),
];

const BAD = ODD.filter(({ words }) => words !== undefined);

function pathOf({ name }: Odd): string {
  return `${ALICE}/${name}`;
}

function benchWithOdd(): Bench {
  const bench = openBench();
  makeMailbox(bench.source, ALICE, { messages: 2 });
  makeMailbox(bench.source, BOB, { messages: 2, seed: 20 });
  for (const [index, odd] of ODD.entries())
    makeMailbox(bench.source, pathOf(odd), { messages: 2, seed: 100 + 10 * index });
  return bench;
}

/** One more message for every mailbox. */
function addToAll(bench: Bench, seed: number): void {
  for (const path of [ALICE, BOB, ...ODD.map(pathOf)]) addMessage(join(bench.source, path), { seed });
}

function expectBadNamed(run: TwinRun, bad: readonly Odd[]): void {
  expect(run.code, JSON.stringify(run)).toBe(1);
  const problems = eventsOf(run, "problem");
  expect(problems.map(({ path }) => path).sort(), JSON.stringify(problems)).toEqual(bad.map(pathOf).sort());
  for (const { path, message, hint } of problems) {
    expect(message).toMatch(bad.find((odd) => pathOf(odd) === path)?.words ?? /^$/);
    expect(String(hint)).toMatch(/^[A-Z].{20,}[.?]$/s);
  }
}

async function expectAllFlow(bench: Bench): Promise<void> {
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  expect(storeLeaks(bench.replica)).toEqual([]);
}

function namesIn(store: string, path: string): string[] {
  return readdirSync(join(store, path, "cur"))
    .filter((name) => !name.startsWith("."))
    .sort();
}

describe("odd things in many mailboxes of a replica at once", () => {
  test("in a later run: each that is in the way is named, all others flow, and all go on when it is gone", {
    timeout: 240_000,
  }, async () => {
    using bench = benchWithOdd();
    await expectAllFlow(bench);
    for (const odd of ODD) odd.put(join(bench.replica, pathOf(odd)));
    for (const seed of [50, 51]) {
      addToAll(bench, seed);
      expectBadNamed(await bench.sync(), BAD);
      for (const path of [ALICE, BOB, ...ODD.filter((odd) => !BAD.includes(odd)).map(pathOf)])
        expect(namesIn(bench.replica, path), path).toEqual(namesIn(bench.source, path));
      for (const odd of BAD) expect(namesIn(bench.replica, pathOf(odd)), odd.name).toHaveLength(2);
    }
    for (const odd of ODD) odd.mend(join(bench.replica, pathOf(odd)));
    await expectAllFlow(bench);
  });

  test("at first contact with what is there already", { timeout: 240_000 }, async () => {
    using bench = benchWithOdd();
    await expectAllFlow(bench);
    rmSync(bench.state, { recursive: true });
    for (const odd of ODD) odd.put(join(bench.replica, pathOf(odd)));
    addToAll(bench, 50);
    expectBadNamed(await bench.sync(), BAD);
    expect(namesIn(bench.replica, BOB)).toEqual(namesIn(bench.source, BOB));
    for (const odd of ODD) odd.mend(join(bench.replica, pathOf(odd)));
    await expectAllFlow(bench);
  });
});

describe("mail of others in a mailbox of a replica that is odd", () => {
  test("cannot make way at first contact: that mailbox is named, and the others flow", async () => {
    using bench = benchWithFolder();
    await expectAllFlow(bench);
    rmSync(bench.state, { recursive: true });
    const there = join(bench.replica, FOLDER);
    addMessage(there, { seed: 300 });
    for (const path of [FOLDER, BOB]) addMessage(join(bench.source, path), { seed: 50 });
    mkdirSync(join(there, "dovecot-uidlist.lock/x"), { recursive: true });
    const first = await bench.sync("--foreign", "keep");
    expectOneProblem(first, FOLDER, "mailbox-rejected", /a directory stands in the lock/, `mailbox ${FOLDER} cannot`);
    expect(namesIn(bench.replica, BOB)).toEqual(namesIn(bench.source, BOB));
    expect(namesIn(bench.replica, FOLDER)).toHaveLength(3);
    rmSync(join(there, "dovecot-uidlist.lock"), { recursive: true });
    const run = await bench.sync("--foreign", "keep");
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(namesIn(bench.replica, FOLDER)).toHaveLength(4);
  });
});

const IN_ITS_PLACE: readonly (readonly [string, (path: string) => void])[] = [
  ["a file", (path) => writeFileSync(path, "")],
  ["a pipe", (path) => execFileSync("mkfifo", [path])],
];

describe("something else in the place of a mailbox of the source that is known", () => {
  test.each(IN_ITS_PLACE)("%s: named, not taken for deleted, and all flows when it is gone", async (_, put) => {
    using bench = benchWithFolder();
    await expectAllFlow(bench);
    const [folder, aside] = [join(bench.source, FOLDER), join(bench.dir, "aside")];
    renameSync(folder, aside);
    put(folder);
    for (const seed of [50, 51]) {
      addMessage(join(bench.source, BOB), { seed });
      expectOneProblem(await bench.sync(), FOLDER, "ENOTDIR", /\.F/);
      expect(namesIn(bench.replica, BOB)).toEqual(namesIn(bench.source, BOB));
      expect(namesIn(bench.replica, FOLDER)).toHaveLength(2);
    }
    rmSync(folder);
    renameSync(aside, folder);
    addMessage(folder, { seed: 60 });
    await expectAllFlow(bench);
  });

  test("of one that holds others: each of them is named; once it is removed they are gone", async () => {
    using bench = benchWithFolder();
    await expectAllFlow(bench);
    const maildir = join(bench.source, ALICE);
    rmSync(maildir, { recursive: true });
    writeFileSync(maildir, "");
    addMessage(join(bench.source, BOB), { seed: 50 });
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(1);
    expect(eventsOf(run, "problem")).toMatchObject([
      { path: ALICE, code: "ENOTDIR" },
      { path: FOLDER, code: "ENOTDIR" },
    ]);
    expect(namesIn(bench.replica, BOB)).toEqual(namesIn(bench.source, BOB));
    expect(namesIn(bench.replica, FOLDER)).toHaveLength(2);
    rmSync(maildir);
    await expectAllFlow(bench);
  });

  test("while a run is live: the others flow, and it is named at the end", { timeout: 120_000 }, async () => {
    using bench = benchWithFolder();
    await using twin = await startTwin(bench);
    const folder = join(bench.source, FOLDER);
    rmSync(folder, { recursive: true });
    writeFileSync(folder, "");
    await twin.waitFor("the problem", ({ event, path }) => event === "problem" && path === FOLDER);
    addMessage(join(bench.source, BOB), { seed: 82 });
    await twin.waitFor("the others", ({ event, path }) => event === "shipped" && path === BOB);
    expect(await twin.stop()).toEqual({ code: 1, signal: undefined });
    expect(twin.output.events.slice(-2)).toMatchObject([
      { event: "problem", path: FOLDER, code: "ENOTDIR" },
      { event: "summary", problems: 1 },
    ]);
  });
});

/** What the owner of a replica's mailbox may do again and again while a run is live. */
const LOOPS: readonly (readonly [string, string, string])[] = [
  ["removes the lock", "rm -f dovecot-uidlist.lock", ":"],
  ["moves cur/ away and back", "mv cur c2; mv c2 cur", "test -d cur || mv c2 cur"],
  ["puts links over staged files", 'for f in tmp/mailtwin.*; do ln -sf /etc/passwd "$f"; done', "rm -f tmp/*"],
];

describe("an owner on the replica's side who", () => {
  test.each(LOOPS)(
    "%s all the time stops nobody else, and loses nothing",
    { timeout: 180_000 },
    async (_, loop, end) => {
      using bench = benchWithFolder();
      await using twin = await startTwin(bench);
      const cwd = join(bench.replica, FOLDER);
      // Ended by a file, and not by a signal, so that no command of it goes on after it.
      const goesOn = join(bench.dir, "goes-on");
      writeFileSync(goesOn, "");
      const script = `while [ -e "${goesOn}" ]; do ${loop}; done 2>/dev/null`;
      const attack = spawn("sh", ["-c", script], { cwd, stdio: "ignore" });
      try {
        for (let seed = 100; seed < 108; seed++) {
          addMessage(join(bench.source, FOLDER), { seed });
          addMessage(join(bench.source, BOB), { seed: seed + 50 });
          const bobs = namesIn(bench.source, BOB).length;
          await until("the other's mail", () => namesIn(bench.replica, BOB).length === bobs, { deadlineMs: 60_000 });
        }
      } finally {
        const ended = once(attack, "exit");
        rmSync(goesOn);
        await ended;
      }
      execFileSync("sh", ["-c", end], { cwd });
      expect([0, 1]).toContain((await twin.stop()).code); // 1 where its mailbox was given up for that run.
      expect(twin.output.events.filter(({ event }) => event === "error")).toEqual([]);
      const run = await bench.sync();
      expect(run.code, JSON.stringify(run)).toBe(0);
      expect(namesIn(bench.replica, FOLDER)).toEqual(namesIn(bench.source, FOLDER));
      expect(namesIn(bench.replica, BOB)).toEqual(namesIn(bench.source, BOB));
    },
  );
});

function benchWithFolder(): Bench {
  const bench = openBench();
  makeMailbox(bench.source, ALICE, { messages: 2 });
  makeMailbox(bench.source, FOLDER, { messages: 2, seed: 10 });
  makeMailbox(bench.source, BOB, { messages: 2, seed: 20 });
  return bench;
}
