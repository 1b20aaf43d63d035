/** What a replica that lies, or whoever else may ask the daemon, can make of a restore: nothing that the source has not had. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { hashOfBase } from "../../../../src/apply/limbo-names.js";
import { sha256 } from "../../../../src/base/hash.js";
import type { RawPath } from "../../../../src/base/raw-name.js";
import { FETCHED, fetchInto } from "../../../../src/daemon/reject/fetched-copies.js";
import { fetchedFileName, fetchLimbo, type WantedFile } from "../../../../src/daemon/undelete/fetch-limbo.js";
import { restoreFar } from "../../../../src/daemon/undelete/restore-far.js";
import type { RestoreFlags } from "../../../../src/daemon/undelete/restoring.js";
import { openStateReader } from "../../../../src/log/state-reader.js";
import { type MailboxGuid, parseMailboxGuid } from "../../../../src/maildir/ids.js";
import type { LimboPart, ToldRemoval } from "../../../../src/wire/limbo.js";
import { openControlBench } from "../../../contract/control-bench.js";
import { FakeClock } from "../../../fake-clock.js";
import { type Bench, filledBench } from "../../../live/twin/small-store.js";

const NEVER = new AbortController().signal;
const INBOX = "u1/Maildir";
const DAY = "2026-11-29";
let bench: Bench;
let control: ReturnType<typeof openControlBench>;
let guid: MailboxGuid;
/** Of the messages of u1's INBOX, by UID less 1. */
let messages: readonly { readonly base: string; readonly body: Buffer }[];
/** What the replica has, by row and file. */
let limbo: Map<string, Buffer>;
let rows: ToldRemoval[];
/** Done by somebody else after each fetch. */
let meanwhile: (files: readonly WantedFile[]) => Promise<unknown>;

/** A source that has noted the bytes of its messages, as a daemon has it. */
beforeAll(async () => {
  bench = filledBench();
  expect((await bench.sync()).code).toBe(0);
  cpSync(bench.state, state(), { recursive: true });
}, 60_000);
afterAll(() => bench[Symbol.dispose]());

beforeEach(async () => {
  [limbo, rows, meanwhile] = [new Map(), [], async () => undefined];
  using reader = openStateReader(join(state(), "source.db"));
  guid = parseMailboxGuid(reader.mailboxes().find(({ path }) => path === INBOX)?.guid ?? "");
  const uidlist = readFileSync(join(bench.source, INBOX, "dovecot-uidlist"), "latin1");
  const bases = [...uidlist.matchAll(/^\d+ :(.*)$/gm)].map(([, base = ""]) => base);
  messages = bases.map((base) => ({ base, body: bodyOf(base) }));
  control = openControlBench(new FakeClock());
  await control.open({
    limboPage: async () => ({ rows, more: false }),
    limboFiles: async ({ name }) => ({ files: filesIn(name), more: false }),
    fetchLimbo: async ({ files }) => {
      const fetched = await fetchInto(state(), (scratch) => fetchLimbo({ parts }, files, scratch, NEVER));
      await meanwhile(files);
      return { files: fetched.map((it) => (it.why === undefined ? it : { why: it.why })) as never };
    },
  });
});
afterEach(async () => {
  await control[Symbol.asyncDispose]();
  rmSync(join(bench.source, INBOX, "new"), { recursive: true });
  mkdirSync(join(bench.source, INBOX, "new"));
});

const state = () => join(bench.dir, "daemon/stores/mail");
const fresh = () => readdirSync(join(bench.source, INBOX, "new"));
const keyOf = (name: string, file = "") => `${name} ${file}`;

function bodyOf(base: string): Buffer {
  const cur = join(bench.source, INBOX, "cur");
  return readFileSync(join(cur, readdirSync(cur).find((name) => name.startsWith(base)) ?? ""));
}

function filesIn(name: string) {
  const keys = [...limbo].filter(([key]) => key.startsWith(`${name} `) && key !== keyOf(name));
  return keys.map(([key, { length }]) => ({ file: key.slice(name.length + 1), size: length }));
}

async function parts({ files }: { readonly files: readonly { readonly name: string; readonly file: string }[] }) {
  return files.map(({ name, file }): LimboPart => {
    const bytes = limbo.get(keyOf(name, file));
    return bytes && { size: bytes.length, mtimeS: 1_500_000_000, bytes, sha256: sha256(bytes) };
  });
}

/** A row, as it tells of it; `files`: of a mailbox that went as a whole. */
function tell(
  row: { uid?: number; base?: string; day?: string },
  body: Buffer | Readonly<Record<string, Buffer>>,
): void {
  const { uid = 0, base = "", day = DAY } = row;
  const isMessage = Buffer.isBuffer(body);
  const name = `${day}/${guid}.${isMessage ? `${uid}.${hashOfBase(base)}` : "mailbox"}`;
  const entries = isMessage ? [["", body] as const] : Object.entries(body);
  for (const [file, bytes] of entries) limbo.set(keyOf(name, file), bytes);
  const [size, cause] = isMessage ? [body.length, "expunge"] : [0, "delete"];
  const more = { removedMs: rows.length + 1, isThere: true };
  rows.push({ name, mailbox: guid, path: INBOX as RawPath, uid, base, size, cause, ...more });
}

async function restore(flags: RestoreFlags = { user: "u1", all: true }) {
  const config = join(bench.dir, "mailtwin.toml");
  const tables = [
    `state_dir = "${join(bench.dir, "daemon")}"\n[listen]\nunix = ["${join(bench.dir, "s")}"]`,
    `[store.mail]\npath = "${bench.source}"\n[store.mail.replica.b]\npeer = "b"\n[peer.b]\nmay_read = ["mail"]`,
  ];
  writeFileSync(config, tables.join("\n"), { mode: 0o600 });
  let out = "";
  const output = {
    out: (text: string) => {
      out += text;
    },
    err: () => undefined,
  } as never;
  const all = { config, replica: "b", control: control.place.path, json: true, ...flags };
  const code = await restoreFar(undefined, undefined, all, output);
  const lines = out.split("\n").filter((line) => line !== "");
  const reports = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, reports };
}

const message = (uid: number) => messages[uid - 1] ?? { base: "", body: Buffer.alloc(0) };
const forged = (uid: number) => Buffer.from(message(uid).body).reverse();

test("what the source has sent comes back, of messages and of a mailbox that went as a whole", async () => {
  tell({ uid: 1, base: message(1).base }, message(1).body);
  tell({}, { [`cur/${message(2).base}:2,S`]: message(2).body });
  const { code, reports } = await restore();
  expect([code, reports.map(({ event }) => event)]).toEqual([0, ["restored", "restored"]]);
  const back = fresh().map((name) => readFileSync(join(bench.source, INBOX, "new", name), "latin1"));
  expect(back.sort()).toEqual([1, 2].map((uid) => message(uid).body.toString("latin1")).sort());
  expect(existsSync(join(state(), FETCHED))).toBe(false);
});

describe("other bytes than the source has noted are refused", () => {
  test.each<[string, () => void]>([
    ["of a message", () => tell({ uid: 1, base: message(1).base }, forged(1))],
    ["of a UID, under a base name that was never there", () => tell({ uid: 1, base: "other" }, forged(1))],
    ["of a UID, without a base name", () => tell({ uid: 1 }, forged(1))],
    ["of a base name, under a UID that was never there", () => tell({ uid: 99, base: message(1).base }, forged(1))],
    ["of a base name, without a UID", () => tell({ uid: 0, base: message(1).base }, forged(1))],
    ["of a message, with those of another one", () => tell({ uid: 1, base: message(2).base }, message(2).body)],
    ["in a mailbox that went as a whole", () => tell({}, { [`cur/${message(1).base}:2,S`]: forged(1) })],
  ])("%s", async (_what, say) => {
    say();
    const { code, reports } = await restore();
    expect([code, fresh()]).toEqual([1, []]);
    expect(reports).toMatchObject([{ event: "not-restored", words: expect.stringMatching(/the source had/) }]);
  });

  test("and of what nothing is noted it comes back as it is", async () => {
    tell({ uid: 99, base: "never.seen" }, Buffer.from("new to the source"));
    tell({}, { "new/never.read": Buffer.from("that as well") });
    expect((await restore()).code).toBe(0);
    expect(fresh()).toHaveLength(2);
  });
});

describe("somebody else who has mail fetched into that directory", () => {
  const other = { name: `${DAY}/${"f".repeat(32)}.mailbox`, file: "cur/1" };

  test("has no file of his restored in the place of another one", async () => {
    tell({ uid: 1, base: message(1).base }, message(1).body);
    limbo.set(keyOf(other.name, other.file), forged(1));
    const size = forged(1).length;
    meanwhile = () => fetchInto(state(), (to) => fetchLimbo({ parts }, [{ ...other, size }], to, NEVER));
    const { code, reports } = await restore();
    expect([code, fresh()]).toEqual([1, []]);
    expect(reports).toMatchObject([{ event: "not-restored", words: expect.stringMatching(/state directory/) }]);
  });

  test("nor one of that name with other bytes, from another replica", async () => {
    tell({ uid: 99, base: "never.seen" }, Buffer.from("as it was told"));
    meanwhile = async ([wanted]) => {
      const file = join(state(), FETCHED, fetchedFileName(wanted as WantedFile));
      expect(existsSync(file)).toBe(true);
      writeFileSync(file, "and not as now");
    };
    const { code, reports } = await restore();
    expect([code, fresh(), readdirSync(join(bench.source, INBOX, "tmp"))]).toEqual([1, [], []]);
    expect(reports).toMatchObject([{ event: "not-restored", words: expect.stringMatching(/state directory/) }]);
  });
});

test("where it tells of nothing, that is what people are told", async () => {
  await expect(restore()).rejects.toMatchObject({
    code: "not-in-limbo",
    message: expect.stringMatching(/of what this source has sent nothing has gone to the limbo there/),
  });
});

describe("a message", () => {
  const events = async () => (await restore()).reports.map(({ event }) => event);

  test("is back once, on whichever day and with whatever else it was removed", async () => {
    tell({ uid: 1, base: message(1).base, day: "2026-11-28" }, message(1).body);
    expect(await events()).toEqual(["restored"]);
    rows = []; // another replica, which has removed it later.
    tell({ uid: 1, base: message(1).base }, message(1).body);
    expect(await events()).toEqual(["already-restored"]);
    rows = [];
    tell({ day: "2026-11-30" }, { [`cur/${message(1).base}:2,`]: message(1).body });
    expect(await events()).toEqual(["already-restored"]);
    expect(fresh()).toHaveLength(1);
  });

  test("that is in one limbo twice is back once", async () => {
    tell({ uid: 1, base: message(1).base, day: "2026-11-28" }, message(1).body);
    tell({ uid: 7, base: message(1).base }, message(1).body);
    tell({}, { [`new/${message(1).base}`]: message(1).body });
    expect(await events()).toEqual(["restored", "already-restored", "already-restored"]);
    expect(fresh()).toHaveLength(1);
  });

  test("of which a damaged file was replaced is that which came last", async () => {
    tell({ uid: 99, base: "never.seen", day: "2026-11-28" }, Buffer.from("damaged"));
    tell({ uid: 99, base: "never.seen" }, Buffer.from("mended!"));
    expect(await events()).toEqual(["restored", "already-restored"]);
    const [file = ""] = fresh();
    expect(readFileSync(join(bench.source, INBOX, "new", file), "utf8")).toBe("mended!");
  });

  test("that is deleted again comes back to who asks again", async () => {
    tell({ uid: 1, base: message(1).base }, message(1).body);
    expect(await events()).toEqual(["restored"]);
    for (const name of fresh()) unlinkSync(join(bench.source, INBOX, "new", name));
    expect(await events()).toEqual(["restored"]);
  });
});
