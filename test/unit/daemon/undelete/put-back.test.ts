/** What names a message for ever, and that putting mail back into any number of mailboxes keeps none of them open. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hashOfBase } from "../../../../src/apply/limbo-names.js";
import { openNodeDisk } from "../../../../src/base/disk-node.js";
import { sha256 } from "../../../../src/base/hash.js";
import { type RawPath, rawFromText } from "../../../../src/base/raw-name.js";
import { PutBackInto, tagOf } from "../../../../src/daemon/undelete/put-back.js";
import type { Removed } from "../../../../src/daemon/undelete/removed-mail.js";
import { type RestoreReport, Restoring } from "../../../../src/daemon/undelete/restoring.js";
import type { MailboxRow } from "../../../../src/log/state-types.js";
import { type MailboxGuid, parseMailboxGuid } from "../../../../src/maildir/ids.js";
import { FakeClock } from "../../../fake-clock.js";

const BASE = "17.M1.mx,S=4,W=5";
let dir = "";

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mtl-put-back-"));
  mkdirSync(join(dir, "limbo"));
  writeFileSync(join(dir, "limbo/file"), "mail");
});
afterEach(() => rmSync(dir, { recursive: true }));

const guid = (n: number): MailboxGuid => parseMailboxGuid(n.toString(16).padStart(32, "0"));
const open = (path: string) => () => openNodeDisk().openRoot(rawFromText(join(dir, path)));
const openFiles = () => readdirSync("/proc/self/fd").length;
const fresh = (path: string) => readdirSync(join(dir, path, "new"));

function mailbox(path: string): string {
  for (const part of ["cur", "new", "tmp"]) mkdirSync(join(dir, path, part), { recursive: true });
  return path;
}

/** As a replica names it that removed it on that day, beside `number` others of that name. */
function row(n: number, { uid = 7, base = BASE, day = "2026-11-29", number = "" } = {}) {
  return { mailbox: guid(n), name: `${day}/${guid(n)}.${uid}.${hashOfBase(base)}${number}` };
}

test("a message is the same on each day, on each replica and in its mailbox; of another mailbox, name or size it is another", () => {
  const tag = tagOf(row(1), 4);
  expect(tag).toMatch(/^[0-9a-f]{24}$/);
  const whole = { mailbox: guid(1), name: `2026-12-01/${guid(1)}.mailbox-2` };
  const same = [tagOf(row(1, { day: "2026-11-30" }), 4), tagOf(row(1, { number: "-1" }), 4), tagOf(whole, 4, BASE)];
  expect([...same, tagOf(row(1, { uid: 9 }), 4)]).toEqual([tag, tag, tag, tag]);
  const others = [tagOf(row(2), 4), tagOf(row(1, { base: "other" }), 4), tagOf(row(1), 5), tagOf(whole, 4, "other")];
  expect(new Set([tag, ...others]).size).toBe(4); // the last is that of the message of that name.
});

test("what is judged to be other than it should be leaves nothing, and is judged by what was written", () => {
  const into = new PutBackInto(open(mailbox("box")), { clock: new FakeClock(), hostname: "mx" });
  const from = openNodeDisk().openRoot(rawFromText(join(dir, "limbo")));
  const judged: unknown[] = [];
  const file = { dir: from as never, name: "file", tag: tagOf(row(1), 4), base: BASE };
  const whyNot = (copied: unknown) => {
    judged.push(copied);
    expect(fresh("box")).toEqual([]);
    return "it is another one";
  };
  expect(into.put({ ...file, whyNot })).toEqual({ kind: "refused", why: "it is another one" });
  expect(judged).toEqual([{ sha256: sha256(Buffer.from("mail")).toString("hex"), size: 4 }]);
  expect([fresh("box"), readdirSync(join(dir, "box/tmp"))]).toEqual([[], []]);
  expect(into.put(file)).toMatchObject({ kind: "restored" });
  const [name = ""] = fresh("box");
  expect([name.replace(/^.*?,/, ""), readFileSync(join(dir, "box/new", name), "utf8")]).toEqual(["S=4,W=5", "mail"]);
  expect(into.put(file)).toEqual({ kind: "already", name });
  from?.close();
});

test("a mailbox that another one has taken the place of is looked at anew, and one that has gone is told", () => {
  const into = new PutBackInto(open(mailbox("box")), { clock: new FakeClock(), hostname: "mx" });
  const from = openNodeDisk().openRoot(rawFromText(join(dir, "limbo")));
  const file = { dir: from as never, name: "file", tag: tagOf(row(1), 4), base: BASE };
  expect(into.put(file)).toMatchObject({ kind: "restored" });
  renameSync(join(dir, "box"), join(dir, "elsewhere"));
  expect(into.put(file)).toEqual({ kind: "away" });
  mailbox("box");
  expect(into.put(file)).toMatchObject({ kind: "restored" });
  expect([fresh("box"), fresh("elsewhere")].map(({ length }) => length)).toEqual([1, 1]);
  from?.close();
});

test("of hundreds of mailboxes none stays open, also where one cannot be written to", () => {
  const paths = Array.from({ length: 300 }, (_, n) => mailbox(`store/u${n}`));
  rmSync(join(dir, paths[5] ?? "", "new"), { recursive: true });
  symlinkSync(dir, join(dir, paths[5] ?? "", "new"));
  const reports: RestoreReport[] = [];
  const known = paths.map((_, n) => ({ guid: guid(n), path: `u${n}` }) as MailboxRow);
  const restoring = new Restoring({ source: join(dir, "store"), known }, {}, (report) => reports.push(report));
  const from = openNodeDisk().openRoot(rawFromText(join(dir, "limbo")));
  const before = openFiles();
  for (const [n] of paths.entries()) {
    const removed = { row: { ...row(n), path: `u${n}` as RawPath, uid: 7 }, isMailbox: false } as Removed;
    const into = restoring.intoFor(removed);
    if (into === undefined) continue;
    const file = { dir: from as never, name: "file", from: removed.row.name, tag: tagOf(row(n), 4), base: BASE };
    restoring.trying(removed, () => restoring.put(removed, file, into));
  }
  expect(openFiles()).toBe(before);
  expect(reports.filter(({ event }) => event === "restored")).toHaveLength(299);
  expect(reports[5]).toMatchObject({ event: "not-restored", words: expect.stringMatching(/ELOOP|ENOTDIR/) });
  from?.close();
});

test("mail of one mailbox under two of its names is back once", () => {
  mailbox("store/u1");
  const reports: RestoreReport[] = [];
  const known = [{ guid: guid(1), path: "u1" } as MailboxRow];
  const restoring = new Restoring({ source: join(dir, "store"), known }, {}, (report) => reports.push(report));
  const from = openNodeDisk().openRoot(rawFromText(join(dir, "limbo")));
  const all = ["u1", "u1/.Old"].map((path) => {
    return { row: { ...row(1), path: path as RawPath, uid: 7 }, isMailbox: false } as Removed;
  });
  const intos = all.map((removed) => restoring.intoFor(removed));
  for (const [at, removed] of all.entries()) {
    const file = { dir: from as never, name: "file", from: removed.row.name, tag: tagOf(row(1), 4), base: BASE };
    restoring.put(removed, file, intos[at] as never);
  }
  expect([reports.map(({ event }) => event), fresh("store/u1").length]).toEqual([["restored", "already-restored"], 1]);
  from?.close();
});
