/**
 * What may stand in a mailbox and is no message: a pipe, a device, a socket, a link, a directory, with and without a record in
 * dovecot-uidlist; control files that are no files; and names as long as the file system allows. None of it is followed,
 * waited for or changed; it is named with its mailbox, and the rest flows, of that mailbox too.
 */
import { execFileSync } from "node:child_process";
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
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { storeLeaks } from "./lab/files.js";
import { contentsOf } from "./twin/contents.js";
import { rawDifferences } from "./twin/raw-compare.js";
import { type Bench, expectOneProblem, filledBench, makeMailbox, summaryOf } from "./twin/small-store.js";

const IS_ROOT = process.getuid?.() === 0;
const WORK = "u1/Maildir/.Work";
const BASE = "1700000000.odd";
const BODY = "Subject: x\n\nx\n";
const NAME_BYTES_MAX = 255;

interface Oddity {
  readonly name: string;
  make(path: string): undefined | Promise<Disposable>;
}

const ODDITIES: readonly Oddity[] = [
  { name: "a FIFO", make: (path) => void execFileSync("mkfifo", [path]) },
  { name: "a socket", make: listenAt },
  { name: "a link to a file", make: (path) => void symlinkSync("/etc/passwd", path) },
  { name: "a link that leads nowhere", make: (path) => void symlinkSync("nowhere", path) },
  { name: "an empty directory", make: (path) => void mkdirSync(path) },
  { name: "a directory with a file", make: (path) => void makeFilledDirectory(path) },
  ...(IS_ROOT ? [{ name: "a device", make: (path: string) => void execFileSync("mknod", [path, "c", "1", "5"]) }] : []),
];

describe.each(ODDITIES)("$name in the place of a message", ({ make }) => {
  test.each([
    ["cur", `${BASE}:2,S`, true],
    ["new", BASE, true],
    ["cur", `${BASE}:2,S`, false],
    ["new", BASE, false],
  ] as const)("in %s/ as %s, with a record: %j", async (part, file, isRecorded) => {
    using bench = filledBench();
    const path = join(bench.source, WORK, part, file);
    using _made = await make(path);
    if (isRecorded) appendFileSync(join(bench.source, WORK, "dovecot-uidlist"), `4 :${BASE}\n`);
    const before = contentsOf(bench.source);
    const run = await bench.sync();
    expect(contentsOf(bench.source)).toEqual(before);
    expectOneProblem(run, WORK, "message-not-a-file", WORK, `${part}/${file} is no regular file`);
    expect(summaryOf(run)).toMatchObject({ mailboxes: 3, messages: 9, saves: 9 });
    expect(readdirSync(join(bench.replica, WORK, "cur"))).toHaveLength(3);
    expect(storeLeaks(bench.replica)).toEqual([]);
    // As the hint says: a regular file with that name.
    rmSync(path, { recursive: true });
    writeFileSync(path, BODY, { mode: 0o600 });
    await expectAllFlow(bench, 10);
  });
});

describe.each([
  ["dovecot-uidlist", "a FIFO", "EINVAL"],
  ["dovecot-uidlist", "an empty directory", "EISDIR"],
  ["dovecot-keywords", "a FIFO", "EINVAL"],
  ["dovecot-keywords", "an empty directory", "EISDIR"],
] as const)("%s that is %s", (file, kind, code) => {
  test("keeps that mailbox from being read, and is named", async () => {
    using bench = filledBench();
    const path = join(bench.source, WORK, file);
    const good = file === "dovecot-uidlist" ? readFileSync(path) : undefined;
    rmSync(path, { force: true });
    await ODDITIES.find(({ name }) => name === kind)?.make(path);
    const before = contentsOf(bench.source);
    const run = await bench.sync();
    expect(contentsOf(bench.source)).toEqual(before);
    expectOneProblem(run, WORK, code, path);
    expect(readdirSync(join(bench.replica, "u1/Maildir/cur"))).toHaveLength(4);
    expect(readdirSync(join(bench.replica, "u2/Maildir/cur"))).toHaveLength(2);
    rmSync(path, { recursive: true });
    if (good !== undefined) writeFileSync(path, good, { mode: 0o600 });
    await expectAllFlow(bench, 9);
  });
});

describe("a mailbox that is something else", () => {
  describe.each([
    ["cur", "mailbox-without-cur"],
    ["new", "mailbox-is-link"],
  ])("its %s/ is a FIFO", (part, code) => {
    test.each([false, true])("named, and nothing is taken for deleted; twinned before: %j", async (isKnown) => {
      using bench = filledBench();
      if (isKnown) await expectAllFlow(bench, 9);
      const path = join(bench.source, WORK, part);
      const aside = join(bench.dir, "aside");
      renameSync(path, aside);
      execFileSync("mkfifo", [path]);
      const before = [contentsOf(bench.source), contentsOf(join(bench.replica, WORK))];
      const run = await bench.sync();
      expect([contentsOf(bench.source), contentsOf(join(bench.replica, WORK))]).toEqual(before);
      expectOneProblem(run, WORK, code, WORK, new RegExp(`${part}/`));
      expect(readdirSync(join(bench.replica, "u1/Maildir/cur"))).toHaveLength(4);
      expect(readdirSync(join(bench.replica, "u2/Maildir/cur"))).toHaveLength(2);
      rmSync(path);
      renameSync(aside, path);
      await expectAllFlow(bench, 9);
    });
  });

  test("a FIFO in the place of a folder or of a user is no mailbox, for Dovecot neither", async () => {
    using bench = filledBench();
    for (const path of ["u1/Maildir/.Pipe", "u3"]) execFileSync("mkfifo", [join(bench.source, path)]);
    const before = contentsOf(bench.source);
    await expectAllFlow(bench, 9);
    expect(contentsOf(bench.source)).toEqual(before);
    expect(readdirSync(bench.replica).sort()).toEqual(["u1", "u2"]);
  });
});

describe("names of 255 bytes", () => {
  test.each([true, false])("of messages, with records: %j", async (isRecorded) => {
    using bench = filledBench();
    const info = ":2,FS";
    const bases = [longName("1700000001.", NAME_BYTES_MAX - info.length), longName("1700000002.", NAME_BYTES_MAX)];
    const files = [`cur/${bases[0]}${info}`, `new/${bases[1]}`];
    for (const file of files) writeFileSync(join(bench.source, WORK, file), BODY, { mode: 0o600 });
    if (isRecorded) {
      const records = bases.map((base, i) => `${4 + i} :${base}\n`).join("");
      appendFileSync(join(bench.source, WORK, "dovecot-uidlist"), records);
    }
    await expectAllFlow(bench, 11);
    const there = ["cur", "new"].flatMap((part) =>
      readdirSync(join(bench.replica, WORK, part)).map((name) => `${part}/${name}`),
    );
    expect(there).toEqual(expect.arrayContaining(files));
  });

  test("of a folder and of a user", async () => {
    using bench = filledBench();
    for (const path of [`u1/Maildir/${longName(".f", NAME_BYTES_MAX)}`, `${longName("u", NAME_BYTES_MAX)}/Maildir`])
      makeMailbox(bench.source, path, { messages: 2, seed: path.length });
    await expectAllFlow(bench, 13);
  });
});

async function expectAllFlow(bench: Bench, messages: number): Promise<void> {
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(summaryOf(run)).toMatchObject({ messages, problems: 0 });
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  expect(storeLeaks(bench.replica)).toEqual([]);
}

function longName(start: string, bytes: number): string {
  return start.padEnd(bytes, "n");
}

function makeFilledDirectory(path: string): void {
  mkdirSync(path);
  writeFileSync(join(path, "1700000000.inner:2,S"), BODY);
}

/** A socket somebody listens at; closing it removes it, unless that was done before. */
async function listenAt(path: string): Promise<Disposable> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(path, resolve);
  });
  return { [Symbol.dispose]: () => void server.close() };
}
