/** `deletions reject` killed before each single write, and in the middle of it: whatever it left, the next one brings back each message once. */
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../../src/base/clock.js";
import { openNodeDisk } from "../../../../src/base/disk-node.js";
import { rawFromText } from "../../../../src/base/raw-name.js";
import { BackNames } from "../../../../src/capture/brought-back.js";
import { NameOrder } from "../../../../src/daemon/reject/bring-back.js";
import { Copies } from "../../../../src/daemon/reject/copies.js";
import type { HeldMail } from "../../../../src/daemon/reject/held-mail.js";
import { mountPointsOf } from "../../../../src/daemon/reject/make-anew.js";
import { type MessageOutcome, rejectMailbox } from "../../../../src/daemon/reject/reject-mailbox.js";
import { MailboxBaseline } from "../../../../src/log/baseline.js";
import { openStateReader } from "../../../../src/log/state-reader.js";
import { MortalDisk } from "../../../contract/mortal-disk.js";
import { type Bench, makeMailbox, openBench } from "../../../live/twin/small-store.js";

const [INBOX, WORK] = ["u1/Maildir", "u1/Maildir/.Work"] as const;
/** Of somebody else, if we may. */
const OWNER =
  process.getuid?.() === 0 ? { uid: 4242, gid: 4243 } : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

let bench: Bench;
let whole: HeldMail;
let some: HeldMail;

beforeAll(async () => {
  bench = openBench();
  makeMailbox(bench.source, INBOX, { messages: 3 });
  const work = makeMailbox(bench.source, WORK, { messages: 3, seed: 10 });
  writeFileSync(join(work, "dovecot-keywords"), "3 todo\n");
  const [first = ""] = readdirSync(join(work, "cur")).sort();
  renameSync(join(work, "cur", first), join(work, "cur", first.replace(/:2,.*/, ":2,Fd")));
  expect((await bench.sync()).code).toBe(0);
  renameSync(bench.source, join(bench.dir, "before"));
  whole = heldOf(WORK, true);
  some = { ...heldOf(INBOX, false), records: heldOf(INBOX, false).records.slice(0, 2) };
}, 60_000);
afterAll(() => bench[Symbol.dispose]());

/** The INBOX with its last message alone, of somebody else; no folder. */
beforeEach(() => begin());
function begin(): void {
  rmSync(bench.source, { recursive: true, force: true });
  const cur = join(bench.source, INBOX, "cur");
  const before = join(bench.dir, "before", INBOX);
  for (const part of ["cur", "new", "tmp"])
    mkdirSync(join(bench.source, INBOX, part), { recursive: true, mode: 0o750 });
  const last = readdirSync(join(before, "cur")).sort().at(-1) ?? "";
  writeFileSync(join(cur, last), readFileSync(join(before, "cur", last)));
  writeFileSync(join(bench.source, INBOX, "dovecot-uidlist"), readFileSync(join(before, "dovecot-uidlist")));
  own(join(bench.source, "u1"));
}

function own(dir: string): void {
  chown(dir);
  for (const name of readdirSync(dir, { recursive: true, encoding: "utf8" })) chown(join(dir, name));
}

function chown(path: string): void {
  chownSync(path, OWNER.uid, OWNER.gid);
  chmodSync(path, lstatSync(path).isDirectory() ? 0o750 : 0o640);
}

function heldOf(path: string, isWhole: boolean): HeldMail {
  using reader = openStateReader(join(bench.state, "source.db"));
  const row = reader.mailboxes().find((each) => each.path === path);
  if (row === undefined) throw new Error(`${path} is not in the log`);
  const baseline = new MailboxBaseline({ reader, digester: undefined as never }, row);
  const records = baseline.looks().flatMap(({ chunk }) => baseline.records(chunk));
  return { row, isWhole, records, back: new Set() };
}

async function run(held: HeldMail, disk = openNodeDisk()): Promise<MessageOutcome[]> {
  const told: MessageOutcome[] = [];
  using copies = new Copies(bench.replica);
  using copy = copies.open(held.row);
  const root = disk.openRoot(rawFromText(bench.source));
  if (root === undefined) throw new Error("the source is there");
  const names = new BackNames("f".repeat(32));
  const ports = { clock: systemClock, hostname: "testhost", names, order: new NameOrder() };
  try {
    await rejectMailbox(held, { root, source: bench.source, copies, copy, dryRun: false }, ports, (it) =>
      told.push(it),
    );
  } finally {
    root.close();
  }
  return told;
}

function expectBackOnce(held: HeldMail): void {
  const mailbox = join(bench.source, held.row.path);
  const back = readdirSync(join(mailbox, "cur"))
    .filter((name) => /P\d+B\d+H/.test(name))
    .sort();
  expect(back.map((name) => Number(/B(\d+)H/.exec(name)?.[1])).sort()).toEqual(held.records.map(({ uid }) => uid));
  for (const name of back) {
    const record = held.records.find(({ uid }) => name.includes(`B${uid}H`));
    const path = join(mailbox, "cur", name);
    expect(readFileSync(path)).toEqual(
      readFileSync(join(bench.dir, "before", held.row.path, "cur", `${record?.base}${record?.info}`)),
    );
    const stat = lstatSync(path);
    expect([stat.uid, stat.gid, stat.mode & 0o777, stat.mtimeMs / 1000]).toEqual([
      OWNER.uid,
      OWNER.gid,
      0o640,
      record?.mtimeS,
    ]);
    const letters = record?.keywords.length === 1 ? "a" : "";
    expect(name.replace(/^.*:2,/, "")).toBe(`${record?.info.replace(/^:2,|[a-z]/g, "")}${letters}`);
  }
  expect(readdirSync(join(mailbox, "tmp"))).toEqual([]);
  expect(new Set(readdirSync(mailbox).filter((name) => !name.startsWith(".")))).toEqual(
    new Set(["cur", "new", "tmp", "dovecot-uidlist", ...(held.isWhole ? ["maildirfolder", "dovecot-keywords"] : [])]),
  );
  for (const name of readdirSync(mailbox)) {
    const { uid, gid } = lstatSync(join(mailbox, name));
    expect([name, uid, gid]).toEqual([name, OWNER.uid, OWNER.gid]);
  }
}

describe.each([false, true])("killed (torn: %s)", (torn) => {
  test.each(["whole", "some"] as const)(
    "%s",
    async (which) => {
      const held = which === "whole" ? whole : some;
      let writes = 0;
      for (let died = true; died; writes++) {
        begin();
        const disk = new MortalDisk(writes, { torn });
        await run(held, disk).catch((error: unknown) => {
          if (!disk.isDead) throw error;
        });
        died = disk.isDead;
        rmSync(join(bench.source, held.row.path, "dovecot-uidlist.lock"), { force: true }); // its process is dead: overridden after 2 s.
        const told = await run(held);
        expect(told.map(({ uid }) => uid).sort()).toEqual(held.records.map(({ uid }) => uid));
        expect(new Set(told.map(({ event }) => event))).not.toContain("not-restored");
        expectBackOnce(held);
      }
      expect(writes).toBeGreaterThan(which === "whole" ? 20 : 5);
    },
    120_000,
  );
});

test("never through a link that comes to stand there in the last moment", async () => {
  const elsewhere = join(bench.dir, "elsewhere");
  mkdirSync(elsewhere, { recursive: true });
  symlinkSync(elsewhere, join(bench.source, WORK));
  await expect(run(whole)).rejects.toThrow(/ELOOP/);
  for (const part of ["tmp", "cur"]) {
    begin();
    rmSync(join(bench.source, INBOX, part), { recursive: true });
    symlinkSync(elsewhere, join(bench.source, INBOX, part));
    const told = await run(some).catch((error: Error) => error.message);
    expect(JSON.stringify(told)).toMatch(/ELOOP|not there any more|without a dovecot-uidlist/);
  }
  expect(readdirSync(elsewhere)).toEqual([]);
});

test("a mailbox that Dovecot makes in that moment is left as it is, and gets the mail", async () => {
  makeMailbox(bench.source, WORK, { messages: 1, seed: 77 });
  const uidlist = readFileSync(join(bench.source, WORK, "dovecot-uidlist"));
  const told = await run(whole);
  expect(told.map(({ event, words }) => [event, words])).toEqual(
    Array.from({ length: 3 }, () => ["restored", "another mailbox stands in its place"]),
  );
  expect(readFileSync(join(bench.source, WORK, "dovecot-uidlist"))).toEqual(uidlist);
  expect(readdirSync(join(bench.source, WORK, "cur"))).toHaveLength(4);
});

test("who does not know the log's id cannot make a name of one that is back", () => {
  const [ours, others] = [new BackNames("a".repeat(32)), new BackNames("b".repeat(32))];
  const { guid } = whole.row;
  const parts = { seconds: 1_700_000_000, micros: 7, pid: 12, hostname: "h/o:st", noted: ",S=3,W=4" };
  const name = others.name(guid, 5, parts);
  expect(name).toMatch(/^1700000000\.M000007P12B5H[0-9a-f]{32}\.h_o_st,S=3,W=4$/);
  expect([
    others.uidIn(guid, `${name}:2,S`),
    ours.uidIn(guid, name),
    others.uidIn(guid, name.replace("B5H", "B6H")),
  ]).toEqual([5, undefined, undefined]);
});

test("names are in order beyond a million in a second", () => {
  const order = new NameOrder();
  let last = order.next(5_000);
  for (let i = 0; i < 1_000_000; i++) last = order.next(5_999);
  expect([last, order.next(5_000), order.next(7_000)]).toEqual([
    { seconds: 6, micros: 0 },
    { seconds: 6, micros: 1 },
    { seconds: 7, micros: 0 },
  ]);
});

test("mount points of fstab", () => {
  const fstab = "# x /no\n\nUUID=1 / ext4 defaults\n/dev/sdb1\t/var/vmail/u\\0401/ ext4 noauto\nnone swap swap\n";
  expect(mountPointsOf(fstab)).toEqual(["/", "/var/vmail/u 1"]);
});
