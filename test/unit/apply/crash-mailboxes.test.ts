/**
 * Mailboxes that are made, moved and removed, killed before each single thing that is written: at no moment would a Dovecot that
 * looks there number mail anew, and the transaction that comes again ends as if nothing had been, with every file in the limbo
 * known.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import type { Structure, Transaction } from "../../../src/txn/transaction.js";
import { FaultDisk } from "../../contract/fault-disk.js";
import { insist, isKilledAfter, isKilledAgainAfter } from "./killed-after.js";
import {
  DEAD_PID,
  expunge,
  GUID,
  marks,
  OTHER_GUID,
  openReplica,
  type Replica,
  save,
  transaction,
  OWNER as US,
} from "./replica-fixture.js";

let replica: Replica;
beforeEach(async () => {
  replica = await openReplica({ inMemory: true });
});
afterEach(() => replica.remove());

/** Of somebody else, if we may. */
const OWNER = process.getuid?.() === 0 ? { uid: 4242, gid: 4243, mode: 0o750 } : { ...US, mode: 0o750 };
const CREATE: Structure = { kind: "create", owner: OWNER, parents: [OWNER], maildirFolder: true };
const TWO = [save(1, "one"), save(2, "two", { letters: "S", keywords: ["k"] })];
/** Of all pairs of writes to be killed before so many are passed over; each write of either run is in many that are not. */
const STRIDE = Number(process.env["KILL_STRIDE"] ?? 3);
const TWICE_MS_MAX = 120_000;
const THIRD_GUID = "00112233445566778899aabbccddeeff";

interface Scenario {
  readonly what: string;
  readonly prepare: () => void;
  readonly txn: Transaction;
}

const at = (path: string, structure: Structure | undefined, changes = [] as Transaction["changes"]): Transaction =>
  transaction(changes, {
    path: path as RawPath,
    structure,
    fileOwner: { ...OWNER, mode: 0o640 },
    uidNext: changes.some((it) => it.kind === "save" && it.message.uid === 3) ? 4 : 3,
  });
const rename = (from: string): Structure => ({ kind: "rename", from: from as RawPath });
const make = (path: string): void => {
  expect(replica.apply(at(path, CREATE, TWO)).kind).toBe("applied");
};
const makeOther = (path: string): void => {
  const other = { mailbox: OTHER_GUID, path: path as RawPath, structure: CREATE };
  expect(replica.apply(transaction([save(1, "other")], other)).kind).toBe("applied");
};
/** As Dovecot makes one when a client asks for it. */
const login = (path: string): void => {
  for (const name of ["cur", "new", "tmp"]) mkdirSync(replica.path(path, name), { recursive: true });
  writeFileSync(replica.path(path, "dovecot-uidlist"), `3 V1234 N1 G${THIRD_GUID}\n`);
};

const SCENARIOS: readonly Scenario[] = [
  { what: "made with its parents", prepare: () => undefined, txn: at("deep/er/box", CREATE, TWO) },
  { what: "made where folders stand", prepare: () => makeOther("box/child"), txn: at("box", CREATE, TWO) },
  {
    what: "made where a new/ stands",
    prepare: () => void mkdirSync(replica.path("box/new"), { recursive: true }),
    txn: at("box", CREATE, TWO),
  },
  {
    what: "made again where its cur/ is gone",
    prepare: () => [make("box"), rmSync(replica.path("box/cur"), { recursive: true })],
    txn: at("box", CREATE, TWO),
  },
  { what: "takes an empty one over", prepare: () => login("box"), txn: at("box", CREATE, TWO) },
  {
    what: "renamed, its parents empty then",
    prepare: () => make("u/up/er/box"),
    txn: at("u/to", rename("u/up/er/box")),
  },
  {
    what: "renamed to where folders stand",
    prepare: () => [make("box"), makeOther("to/child")],
    txn: at("to", rename("box"), [save(3, "three")]),
  },
  {
    what: "renamed over an empty one",
    prepare: () => [make("box"), login("to")],
    txn: at("to", rename("box")),
  },
  { what: "renamed into itself", prepare: () => make("box"), txn: at("box/in", rename("box")) },
  { what: "the store's root, renamed", prepare: () => make(""), txn: at(".box", rename("")) },
  { what: "deleted", prepare: () => make("box"), txn: at("box", { kind: "delete" }) },
  {
    what: "deleted from around a folder",
    prepare: () => [make("box"), makeOther("box/child")],
    txn: at("box", { kind: "delete" }),
  },
  { what: "the store's root, deleted", prepare: () => make(""), txn: at("", { kind: "delete" }) },
  {
    what: "mail comes, and tmp/ is not there",
    prepare: () => [make("box"), rmdirSync(replica.path("box/tmp"))],
    txn: at("box", undefined, [save(3, "three")]),
  },
  {
    what: "its mail replaced",
    prepare: () => [make("box"), writeFileSync(replica.path("box/cur/three:2,"), "of another program")],
    txn: at("box", undefined, [save(3, "three")]),
  },
  {
    what: "a second file of its mail",
    prepare: () => [make("box"), writeFileSync(replica.path("box/cur/one:2,F"), "of another program")],
    txn: at("box", undefined, [marks(1, "one", {}, { flags: 1 })]),
  },
  { what: "its mail expunged", prepare: () => make("box"), txn: at("box", undefined, [expunge(1, "one")]) },
];

describe.each(SCENARIOS)("$what", ({ prepare, txn }) => {
  test.each([
    ["before", false],
    ["in the middle of", true],
  ])("killed %s anything that is written, it ends as if nothing had been", async (_, torn) => {
    prepare();
    insist(replica, txn);
    const goal = contents();
    expectLimboKnown();
    let kills = 0;
    for (let survived = false; !survived; kills++) {
      replica.remove();
      replica = await openReplica({ inMemory: true });
      prepare();
      survived = !isKilledAfter(replica, kills, txn, { torn });
      expect(strayMail(), `killed after ${kills} writes`).toEqual([]);
      expectNothingInDovecotsWay();
      insist(replica, txn);
      expect(contents(), `killed after ${kills} writes`).toEqual(goal);
      expectLimboKnown(`killed after ${kills} writes`);
      expectNothingOutside();
    }
    expect(kills).toBeGreaterThan(5);
  });

  test(
    "killed twice, it ends so as well",
    async () => {
      prepare();
      insist(replica, txn);
      const goal = [contents(), limboMail()];
      let kills = 0;
      const startAnew = async (first: number): Promise<boolean> => {
        replica.remove();
        replica = await openReplica({ inMemory: true });
        prepare();
        return isKilledAfter(replica, first, txn);
      };
      for (let first = 0; await startAnew(first); first++) {
        for (let second = first % STRIDE; isKilledAgainAfter(replica, second, txn); second += STRIDE) {
          const when = `killed after ${first} and after ${second} writes`;
          expect(strayMail(), when).toEqual([]);
          insist(replica, txn);
          expect([contents(), limboMail()], when).toEqual(goal);
          expectLimboKnown(when);
          expectNothingOutside();
          kills += 1;
          await startAnew(first);
        }
      }
      expect(kills).toBeGreaterThan(20);
    },
    TWICE_MS_MAX,
  );

  test("a rename that the system refuses is taken back, or has done all", async () => {
    for (let nth = 1; ; nth++) {
      replica.remove();
      replica = await openReplica({ inMemory: true });
      prepare();
      const disk = new FaultDisk(openNodeDisk());
      replica.open({ disk });
      const hasFailed = disk.inject({ operation: "rename", nth, error: "EACCES" });
      try {
        replica.apply(txn);
      } catch (error) {
        if (!hasFailed()) throw error;
      }
      disk.clearFaults();
      expect(strayMail(), `rename ${nth}`).toEqual([]);
      if (!hasFailed()) break;
      insist(replica, txn);
      expectLimboKnown();
      expectNothingOutside();
    }
  });
});

/** What a Dovecot under the mail's own user could not write to, under a name that it uses; its lock is overridden by it. */
function expectNothingInDovecotsWay(): void {
  const names = readdirSync(replica.storeRoot, { recursive: true, encoding: "latin1" });
  expect(names.filter((name) => name.endsWith("dovecot-uidlist.tmp"))).toEqual([]);
}

/** Every name in the store with its owner and mode; of files with contents. */
function contents(): string[] {
  const entries = readdirSync(replica.storeRoot, { recursive: true, withFileTypes: true });
  return entries
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const shown = path.slice(replica.storeRoot.length);
      const { mode, uid, gid } = statSync(path);
      const whose = `${(mode & 0o7777).toString(8)} ${uid}:${gid}`;
      return entry.isFile() ? `${shown} ${whose} ${readFileSync(path, "latin1")}` : `${shown}/ ${whose}`;
    })
    .sort();
}

test("a mailbox that was taken out part by part comes back as a directory with its own owner and mode", () => {
  make("box");
  makeOther("to/child");
  const crashPoint = (name: string): void => {
    if (name === "apply.parts-out") throw new Error("killed");
  };
  replica.open({ crashPoint, pid: DEAD_PID });
  expect(() => replica.apply(at("to", rename("box")))).toThrow("killed");
  rmSync(replica.path("box"), { recursive: true }); // what it was taken out of; by somebody else.
  replica.open({ laterMs: 10_000 });
  replica.recover();
  expect(readdirSync(replica.path("box/cur"))).toHaveLength(2);
  const { uid, gid, mode } = statSync(replica.path("box"));
  expect({ uid, gid, mode: mode & 0o7777 }).toEqual(OWNER);
});

/** Mail where Dovecot would find it, without the uidlist of one of our mailboxes beside it. */
function strayMail(): string[] {
  const entries = readdirSync(replica.storeRoot, { recursive: true, withFileTypes: true });
  const dirs = new Set(
    entries
      .filter((entry) => entry.isFile() && /\/(cur|new)$/.test(entry.parentPath) && !entry.name.startsWith("."))
      .map((entry) => join(entry.parentPath, "..")),
  );
  const isOurs = (dir: string): boolean => {
    const uidlist = join(dir, "dovecot-uidlist");
    return existsSync(uidlist) && [GUID, OTHER_GUID].some((guid) => readFileSync(uidlist, "latin1").includes(guid));
  };
  return [...dirs].filter((dir) => !isOurs(dir));
}

/** Mail in the limbo, by what it says. */
function limboMail(): string[] {
  const root = join(replica.scratchRoot, "limbo");
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/^(?:dovecot|maildirfolder)/.test(entry.name))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .sort();
}

/** What lies in the limbo has one row each, and no row lacks its file. */
function expectLimboKnown(when = "in the end"): void {
  const root = join(replica.scratchRoot, "limbo");
  const days = existsSync(root) ? readdirSync(root) : [];
  const there = days.flatMap((day) => readdirSync(join(root, day)).map((name) => `${day}/${name}`));
  expect(replica.state.limbo.map(({ name }) => name).sort(), when).toEqual(there.sort());
  const inside = readdirSync(replica.scratchRoot, { recursive: true, withFileTypes: true });
  expect(inside.filter(({ name }) => name.endsWith(".lock"))).toEqual([]);
}

function expectNothingOutside(): void {
  const areas = ["parked", "held", "build"].map((name) => join(replica.scratchRoot, name));
  expect(areas.flatMap((area) => (existsSync(area) ? readdirSync(area) : []))).toEqual([]);
}
