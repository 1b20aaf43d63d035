/** Mailboxes that change places: in all places where they may stand, and killed before each thing that is written. */
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EXCHANGE_CRASH_POINTS } from "../../../src/apply/exchange.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import { type MailboxGuid, parseMailboxGuid } from "../../../src/maildir/ids.js";
import type { Transaction } from "../../../src/txn/transaction.js";
import { FaultDisk } from "../../contract/fault-disk.js";
import { isKilledAfter } from "./killed-after.js";
import { CREATE, DEAD_PID, openReplica, type Replica, save, transaction } from "./replica-fixture.js";

let replica: Replica;
beforeEach(async () => {
  replica = await openReplica({ inMemory: true });
});
afterEach(() => replica.remove());

const guidOf = (name: string): MailboxGuid => parseMailboxGuid(Buffer.from(name.padEnd(16, "x")).toString("hex"));

interface Box {
  readonly name: string;
  readonly path: string;
}

function rename({ name, path }: Box, from: string, displaces?: Box): Transaction {
  const structure = { kind: "rename", from: from as RawPath } as const;
  const other = displaces === undefined ? {} : { displaces: guidOf(displaces.name) };
  const at = { mailbox: guidOf(name), path: path as RawPath, structure: { ...structure, ...other } };
  return transaction([], { ...at, uidNext: 2 });
}

/** One message in each, named after its mailbox. */
function create(boxes: readonly Box[]): void {
  for (const { name, path } of boxes) {
    const at = { mailbox: guidOf(name), path: path as RawPath, structure: CREATE };
    expect(replica.apply(transaction([save(1, `mail-${name}`)], at)).kind).toBe("applied");
  }
}

/** A circle as the log has it: each goes where the next one is. The last one has been displaced there already. */
function circle(boxes: readonly Box[]): Transaction[] {
  return boxes.map((box, index) => {
    const next = boxes[(index + 1) % boxes.length] ?? box;
    const displaces = index === boxes.length - 1 ? undefined : next;
    return rename({ name: box.name, path: next.path }, box.path, displaces);
  });
}

/** Path by name of every whole mailbox: its own mail, and no other's, beside its own uidlist. */
function standing(paths: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const path of paths) {
    if (!existsSync(replica.path(path, "cur"))) continue;
    const names = replica.names(path);
    expect(names, `mail at "${path}"`).toHaveLength(1);
    const name = /^cur\/mail-(\w+):2,/.exec(names[0] ?? "")?.[1] ?? expect.fail(`no mail of ours: ${names.join()}`);
    expect(replica.text(path, "dovecot-uidlist")).toContain(`G${guidOf(name)}\n1 :mail-${name}\n`);
    expect(found[name], "twice").toBeUndefined();
    found[name] = path;
  }
  return found;
}

function inodes(paths: readonly string[]): number[] {
  return paths
    .flatMap((path) => replica.rawNames(path).map((name) => statSync(replica.path(path, "cur", name)).ino))
    .sort();
}

function parked(): string[] {
  const dirs = ["parked", "held"].map((name) => join(replica.scratchRoot, name));
  return dirs.flatMap((dir) => (existsSync(dir) ? readdirSync(dir) : []));
}

const CIRCLES: readonly { readonly what: string; readonly paths: readonly string[]; readonly aside?: string }[] = [
  { what: "two", paths: ["u/.Left", "u/.Right"] },
  { what: "three", paths: ["u/.A", "u/.B", "u/.C"] },
  { what: "two of which one holds a folder", paths: ["Left", "Right"], aside: "Left/Child" },
  { what: "a folder and the one that it is in", paths: ["Outer", "Outer/Inner"] },
  { what: "the store's root and a folder in it", paths: ["", ".Folder"] },
  { what: "an INBOX that holds folders and another's", paths: ["u1", "u2"], aside: "u1/.Sent" },
];

function boxesOf({ paths }: { readonly paths: readonly string[] }): Box[] {
  return paths.map((path, index) => ({ name: `n${index}`, path }));
}

function setUp(it: (typeof CIRCLES)[number]): Box[] {
  const boxes = boxesOf(it);
  create(boxes);
  if (it.aside !== undefined) create([{ name: "aside", path: it.aside }]);
  return boxes;
}

describe.each(CIRCLES)("$what", (it) => {
  const all = [...it.paths, ...(it.aside === undefined ? [] : [it.aside])];
  const goal = Object.fromEntries(boxesOf(it).map(({ name }, at) => [name, it.paths[(at + 1) % it.paths.length]]));
  const expected = it.aside === undefined ? goal : { ...goal, aside: it.aside };

  test("change places: the same files, and who is where is recorded", () => {
    const boxes = setUp(it);
    const files = inodes(all);
    for (const txn of circle(boxes)) {
      expect(replica.apply(txn, () => expect.fail("a body was asked for"))).toMatchObject({ kind: "applied" });
      for (const row of replica.state.mailboxes.values()) {
        expect(replica.text(row.path, "dovecot-uidlist"), `what is recorded at ${row.path}`).toContain(row.guid);
      }
    }
    expect(standing(all)).toEqual(expected);
    expect(inodes(all)).toEqual(files);
    expect(parked()).toEqual([]);
    const after = replica.picture();
    replica.open();
    expect(replica.apply(circle(boxes).at(-1) ?? expect.fail()).kind).toBe("applied");
    expect(replica.picture()).toBe(after);
  });

  test("killed before anything that is written, they are all back at the next start, and then change places", async () => {
    let survived = false;
    for (let writes = 0; !survived; writes++) {
      replica.remove();
      replica = await openReplica({ inMemory: true });
      const boxes = setUp(it);
      const files = inodes(all);
      survived = true;
      for (const txn of circle(boxes)) {
        if (survived && !isKilledAfter(replica, writes, txn)) continue;
        survived = false;
        replica.open({ laterMs: 10_000 });
        replica.store.recover();
        expect(Object.keys(standing(all)).sort(), `killed after ${writes} writes`).toEqual(
          Object.keys(expected).sort(),
        );
        expect(parked()).toEqual([]);
        insist(txn);
      }
      expect(standing(all)).toEqual(expected);
      expect(inodes(all)).toEqual(files);
      expect(leftovers()).toEqual([]);
    }
  });
});

function insist(txn: Transaction): void {
  for (let attempt = 1; attempt <= 6; attempt++) {
    if (replica.apply(txn).kind === "applied") return;
    replica.open({ laterMs: 10_000 * (attempt + 1) });
  }
  expect(replica.apply(txn)).toMatchObject({ kind: "applied" });
}

function leftovers(): string[] {
  return replica
    .picture()
    .split("\n")
    .filter((line) => /\.lock |\.tmp |mailtwin/.test(line.replace(replica.root, "")));
}

test.each(EXCHANGE_CRASH_POINTS)("killed at %s: both are in the store at the next start", (point) => {
  const boxes = boxesOf({ paths: ["Left", "Right"] });
  create(boxes);
  const [txn = expect.fail()] = circle(boxes);
  const crashPoint = (name: string): void => {
    if (name === point) throw new Error("killed here");
  };
  replica.open({ crashPoint, pid: DEAD_PID });
  expect(() => replica.apply(txn)).toThrow("killed here");
  replica.open({ laterMs: 10_000 });
  replica.store.recover();
  expect(Object.keys(standing(["Left", "Right"]))).toHaveLength(2);
  insist(txn);
  expect(standing(["Left", "Right"])).toEqual({ n0: "Right", n1: "Left" });
});

test.each(["Left", "Right"])(
  "killed, and a link stands at %s: the other one is in the store at the next start",
  (path) => {
    const boxes = boxesOf({ paths: ["Left", "Right"] });
    create(boxes);
    const [txn = expect.fail()] = circle(boxes);
    const crashPoint = (name: string): void => {
      if (name === "apply.mover-out") throw new Error("killed here");
    };
    replica.open({ crashPoint, pid: DEAD_PID });
    expect(() => replica.apply(txn)).toThrow("killed here");
    symlinkSync(replica.scratchRoot, replica.path(path));
    replica.open({ laterMs: 10_000 });
    replica.store.recover();
    expect(standing(["Left", "Right"])).toEqual(path === "Left" ? { n1: "Right" } : { n0: "Left" });
  },
);

describe("not as the log has it", () => {
  const boxes = boxesOf({ paths: ["Left", "Right"] });

  test("the other one is gone: a plain rename", () => {
    create(boxes);
    const [txn = expect.fail()] = circle(boxes);
    const removal = transaction([], { mailbox: guidOf("n1"), path: "Right" as RawPath, uidNext: 2 });
    replica.apply({ ...removal, structure: { kind: "delete" } });
    expect(replica.apply(txn).kind).toBe("applied");
    expect(standing(["Left", "Right"])).toEqual({ n0: "Right" });
  });

  test("one that is not ours is in the way, with mail: refused, and all stay", () => {
    create(boxes);
    for (const dir of ["cur", "new", "tmp"]) mkdirSync(replica.path("Third", dir), { recursive: true });
    writeFileSync(replica.path("Third/dovecot-uidlist"), `3 V1 N2 G${guidOf("theirs")}\n1 :theirs\n`);
    writeFileSync(replica.path("Third/cur/theirs:2,"), "their mail");
    const before = replica.picture();
    const txn = rename({ name: "n0", path: "Third" }, "Left", { name: "n1", path: "Right" });
    expect(replica.apply(txn)).toMatchObject({ kind: "diverged", divergence: { kind: "mailbox-occupied" } });
    expect(replica.picture()).toBe(before);
  });

  test.each(["with mail", "empty"])(
    "a third one of ours, %s, is in the way of a plain rename: they change places",
    (how) => {
      create(boxes);
      const third = { name: "third", path: "Third" };
      const at = { mailbox: guidOf(third.name), path: third.path as RawPath, structure: CREATE, uidNext: 2 };
      replica.apply(transaction(how === "empty" ? [] : [save(1, "mail-third")], at));
      const files = inodes(["Left", "Right", "Third"]);
      const txn = rename({ name: "n0", path: "Third" }, "Left");
      expect(replica.apply(txn)).toMatchObject({ kind: "applied", effect: { limbo: [] } });
      expect(replica.text("Left/dovecot-uidlist")).toContain(guidOf("third"));
      for (const row of replica.state.mailboxes.values())
        expect(replica.text(row.path, "dovecot-uidlist"), `what is recorded at ${row.path}`).toContain(row.guid);
      // Its own rename finds it there, also in another run.
      replica.open();
      replica.store.recover();
      expect(replica.apply(rename({ name: "third", path: "Fourth" }, "Elsewhere")).kind).toBe("applied");
      expect(replica.text("Fourth/dovecot-uidlist")).toContain(guidOf("third"));
      expect(replica.names("Third")).toEqual(["cur/mail-n0:2,"]);
      expect(inodes(["Third", "Right", "Fourth"])).toEqual(files);
      expect([existsSync(replica.path("Left")), parked()]).toEqual([false, []]);
    },
  );

  test("an empty one of ours is in the way of one that is to be made: it does not become that one", () => {
    const at = { mailbox: guidOf("n0"), path: "Left" as RawPath, structure: CREATE };
    replica.apply(transaction([], at));
    const before = replica.picture();
    const comer = { ...at, mailbox: guidOf("comer") };
    expect(replica.apply(transaction([save(1, "mail-comer")], comer))).toMatchObject({
      divergence: { kind: "mailbox-occupied" },
    });
    expect(replica.picture()).toBe(before);
    expect(replica.apply(rename({ name: "n0", path: "Right" }, "Left")).kind).toBe("applied");
    expect(replica.apply(transaction([save(1, "mail-comer")], comer)).kind).toBe("applied");
  });

  test("an empty one of ours whose uidlist is damaged is in the way: it is still ours, and stays", () => {
    create(boxes);
    const at = { mailbox: guidOf("third"), path: "Third" as RawPath, structure: CREATE, uidNext: 2 };
    replica.apply(transaction([], at));
    writeFileSync(replica.path("Third/dovecot-uidlist"), "garbage\n", { flag: "a" });
    const before = replica.picture();
    const occupied = { kind: "diverged", divergence: { kind: "mailbox-occupied" } };
    expect(replica.apply(rename({ name: "n0", path: "Third" }, "Left"))).toMatchObject(occupied);
    expect(replica.apply(transaction([], { ...at, mailbox: guidOf("comer") }))).toMatchObject({ kind: "diverged" });
    expect(replica.picture()).toBe(before);
  });

  test("the uidlist of the one that moves is damaged: both wait until it is mended", () => {
    create(boxes);
    const txns = circle(boxes);
    const sound = replica.text("Left/dovecot-uidlist");
    writeFileSync(replica.path("Left/dovecot-uidlist"), `${sound}1 :again\n\n`);
    const before = replica.picture();
    const refusals = txns.map((txn) => replica.apply(txn));
    expect(refusals).toMatchObject([
      { divergence: { kind: "uidlist-damaged" } },
      { divergence: { kind: "mailbox-occupied" } },
    ]);
    expect(replica.picture()).toBe(before);
    writeFileSync(replica.path("Left/dovecot-uidlist"), sound);
    for (const txn of txns) expect(replica.apply(txn).kind).toBe("applied");
    expect(standing(["Left", "Right"])).toEqual({ n0: "Right", n1: "Left" });
  });

  test.each(CIRCLES)("$what: one cannot be written to: refused, and all stay", (it) => {
    const [txn = expect.fail()] = circle(setUp(it));
    const before = replica.picture();
    const disk = new FaultDisk(openNodeDisk());
    replica.open({ disk });
    let refusals = 0;
    for (let nth = 1; refusals < nth; nth++) {
      const hasFailed = disk.inject({ operation: "rename", nth, error: "EACCES" });
      const key = replica.nextKey();
      expect(replica.stage(key, txn).kind).toBe("staged");
      const outcome = replica.execute(key);
      disk.clearFaults();
      if (!hasFailed()) {
        expect(outcome.kind).toBe("applied");
        break;
      }
      refusals += 1;
      // What follows the exchange is another matter: the lock's rename, for one.
      if (outcome.kind === "applied") break;
      expect(outcome).toMatchObject({ kind: "diverged", divergence: { kind: "mailbox-denied" } });
      expect(replica.picture(), `rename ${nth}`).toBe(before);
    }
    expect(refusals).toBeGreaterThanOrEqual(4);
  });

  test("Dovecot holds a lock: nothing is done until it lets go", () => {
    create(boxes);
    const before = replica.picture();
    const [txn = expect.fail()] = circle(boxes);
    replica.open({ pid: DEAD_PID + 1 });
    for (const path of ["Left", "Right"]) {
      writeFileSync(replica.path(path, "dovecot-uidlist.lock"), `${process.pid}:replica.test`);
      expect(replica.apply(txn)).toMatchObject({ kind: "busy" });
      unlinkSync(replica.path(path, "dovecot-uidlist.lock"));
      expect(replica.picture()).toBe(before);
    }
    expect(replica.apply(txn).kind).toBe("applied");
  });

  describe("Dovecot makes a mailbox at a name for the time that nobody is there", () => {
    const intrude = (name: string): void => {
      if (name !== "apply.mover-out") return;
      for (const dir of ["cur", "new", "tmp"]) mkdirSync(replica.path("Right", dir), { recursive: true });
      writeFileSync(replica.path("Right/dovecot-uidlist"), `3 V1 N2 G${guidOf("intruder")}\n1 :theirs\n`);
    };

    test("an empty one gives way", () => {
      create(boxes);
      const [txn = expect.fail()] = circle(boxes);
      replica.open({ crashPoint: intrude });
      expect(replica.apply(txn).kind).toBe("applied");
      expect(standing(["Left", "Right"])).toEqual({ n0: "Right", n1: "Left" });
      expect(parked()).toEqual([]);
    });

    test("one with mail is left alone, and who belongs there waits outside until it is gone", () => {
      create(boxes);
      const [txn = expect.fail(), other = expect.fail()] = circle(boxes);
      const theirs = replica.path("Right/cur/theirs:2,");
      const crashPoint = (name: string): void => {
        intrude(name);
        if (name === "apply.mover-out") writeFileSync(theirs, "their mail");
      };
      replica.open({ crashPoint });
      expect(replica.apply(txn)).toMatchObject({ divergence: { kind: "mailbox-occupied" } });
      expect(existsSync(theirs)).toBe(true);
      expect(standing(["Left"])).toEqual({ n1: "Left" });
      expect(replica.apply(other).kind).toBe("applied");
      replica.open();
      replica.store.recover();
      expect(replica.apply(txn)).toMatchObject({ kind: "diverged" });
      unlinkSync(theirs);
      expect(replica.apply(txn).kind).toBe("applied");
      expect(standing(["Left", "Right"])).toEqual({ n0: "Right", n1: "Left" });
    });
  });
});

test("a mailbox whose directory waits outside, for others' mail is in its place, is not gone: it is not deleted there", () => {
  create([
    { name: "n0", path: "Left" },
    { name: "n1", path: "Right" },
    { name: "inner", path: "Right/Sub" },
  ]);
  const [txn = expect.fail()] = circle([
    { name: "n0", path: "Left" },
    { name: "n1", path: "Right" },
  ]);
  const crashPoint = (name: string): void => {
    if (name === "apply.directories-out") throw new Error("killed");
  };
  replica.open({ crashPoint, pid: DEAD_PID });
  expect(() => replica.apply(txn)).toThrow("killed");
  for (const dir of ["cur", "new", "tmp"]) mkdirSync(replica.path("Right", dir), { recursive: true });
  writeFileSync(replica.path("Right/cur/theirs:2,"), "their mail");
  replica.open({ laterMs: 10_000 });
  replica.recover();
  const held = readdirSync(join(replica.scratchRoot, "held"));
  expect(held).toEqual([guidOf("n1")]);
  for (const name of ["n1", "inner"]) {
    const at = { mailbox: guidOf(name), path: (name === "n1" ? "Right" : "Right/Sub") as RawPath, uidNext: 2 };
    const outcome = replica.apply(transaction([], { ...at, structure: { kind: "delete" } }));
    expect(outcome, name).toMatchObject({ kind: "diverged", divergence: { kind: "mailbox-missing" } });
  }
  unlinkSync(replica.path("Right/cur/theirs:2,"));
  replica.open({ laterMs: 20_000 });
  replica.recover();
  expect(standing(["Left", "Right", "Right/Sub"])).toEqual({ n0: "Left", n1: "Right", inner: "Right/Sub" });
});
