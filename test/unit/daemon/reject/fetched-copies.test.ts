/** Mail that is fetched some at a time: a cut leaves what is back, the next call goes on; and whose a directory is to be that is made anew. */
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../../src/base/clock.js";
import { openNodeDisk } from "../../../../src/base/disk-node.js";
import { MailtwinError } from "../../../../src/base/errors.js";
import { type RawPath, rawFromText } from "../../../../src/base/raw-name.js";
import { BackNames } from "../../../../src/capture/brought-back.js";
import { NameOrder } from "../../../../src/daemon/reject/bring-back.js";
import { openDaemonFetcher } from "../../../../src/daemon/reject/daemon-fetcher.js";
import { FETCHED, FetchedCopies, type Fetcher, fetchInto } from "../../../../src/daemon/reject/fetched-copies.js";
import type { HeldMail } from "../../../../src/daemon/reject/held-mail.js";
import { type MessageOutcome, rejectMailbox } from "../../../../src/daemon/reject/reject-mailbox.js";
import { fetchedName } from "../../../../src/daemon/reject/replica-mail.js";
import { MailboxBaseline } from "../../../../src/log/baseline.js";
import { openStateReader } from "../../../../src/log/state-reader.js";
import type { MailboxGuid } from "../../../../src/maildir/ids.js";
import { wireError } from "../../../../src/wire/errors.js";
import { openControlBench } from "../../../contract/control-bench.js";
import { FakeClock } from "../../../fake-clock.js";
import { type Bench, makeMailbox, openBench } from "../../../live/twin/small-store.js";

const [INBOX, WORK] = ["u1/Maildir", "u1/Maildir/.Work"] as const;
const MESSAGES = 9;
let bench: Bench;
let held: HeldMail;

beforeEach(async () => {
  bench = openBench();
  makeMailbox(bench.source, INBOX, { messages: 1 });
  makeMailbox(bench.source, WORK, { messages: MESSAGES, seed: 10 });
  expect((await bench.sync()).code).toBe(0);
  using reader = openStateReader(join(bench.state, "source.db"));
  const row = reader.mailboxes().find(({ path }) => path === WORK);
  if (row === undefined) throw new Error("the log has the folder");
  const baseline = new MailboxBaseline({ reader, digester: undefined as never }, row);
  const records = baseline.looks().flatMap(({ chunk }) => baseline.records(chunk));
  held = { row, isWhole: true, records, back: new Set() };
  rmSync(join(bench.source, WORK), { recursive: true });
}, 60_000);
afterEach(() => bench[Symbol.dispose]());

/** Two messages at a time, and `calls` calls before the link is cut. */
function fetcherOf(calls = Number.POSITIVE_INFINITY): Fetcher {
  let left = calls;
  const cur = join(bench.replica, WORK, "cur");
  return {
    whyLacking: async (_, records) => records.map(() => undefined),
    async fetch({ guid }, records) {
      left -= 1;
      if (left < 0) throw wireError("link-closed", "comparing with b: it closed the link");
      return records.slice(0, 2).map(({ uid, base }) => {
        const name = readdirSync(cur).find((each) => each.startsWith(base)) ?? "";
        mkdirSync(join(bench.state, FETCHED), { recursive: true, mode: 0o700 });
        writeFileSync(join(bench.state, FETCHED, fetchedName(guid, uid)), readFileSync(join(cur, name)), {
          mode: 0o600,
        });
        return { uid, why: uid === 4 ? "it is damaged" : undefined };
      });
    },
  };
}

async function run(fetcher: Fetcher): Promise<{ readonly told: MessageOutcome[]; readonly error: unknown }> {
  const told: MessageOutcome[] = [];
  const root = openNodeDisk().openRoot(rawFromText(bench.source));
  if (root === undefined) throw new Error("the source stands");
  try {
    using copies = new FetchedCopies(fetcher, root, bench.state);
    using copy = copies.open(held.row);
    const ports = { clock: systemClock, hostname: "h", names: new BackNames("a".repeat(32)), order: new NameOrder() };
    const parts = { root, source: bench.source, copies, copy, dryRun: false };
    const error = await rejectMailbox(held, parts, ports, (outcome) => told.push(outcome)).catch((e: unknown) => e);
    return { told, error };
  } finally {
    root.close();
  }
}

const events = (told: readonly MessageOutcome[]) => told.map(({ uid, event }) => `${uid} ${event}`);
const uidsBack = () =>
  readdirSync(join(bench.source, WORK, "cur"))
    .concat(readdirSync(join(bench.source, WORK, "new")))
    .map((name) => Number(/B(\d+)H/.exec(name)?.[1]))
    .sort();

test("a link that is cut leaves what came back, and the next call goes on with the rest", async () => {
  const first = await run(fetcherOf(2));
  expect(events(first.told)).toEqual(["1 restored", "2 restored", "3 restored", "4 not-restored"]);
  expect(first.error).toMatchObject({ code: "link-closed" });
  expect(uidsBack()).toEqual([1, 2, 3]);
  const second = await run(fetcherOf());
  expect(second.error).toBeUndefined();
  expect(events(second.told)).toEqual([
    ...["1 already-restored", "2 already-restored", "3 already-restored", "4 not-restored"],
    ...["5 restored", "6 restored", "7 restored", "8 restored", "9 restored"],
  ]);
  expect(uidsBack()).toEqual([1, 2, 3, 5, 6, 7, 8, 9]);
  expect(readdirSync(bench.state)).not.toContain(FETCHED);
});

test("what nobody fetches any more is told, though there is no file of it", async () => {
  const why = "it is not held back any more";
  const { told, error } = await run({
    whyLacking: async (_, records) => records.map(() => undefined),
    fetch: async (_, records) => records.slice(0, 1).map(({ uid }) => ({ uid, why })),
  });
  expect(error).toBeUndefined();
  expect(told).toEqual(held.records.map(({ uid }) => ({ uid, event: "not-restored", words: why })));
});

test("a state directory in which nothing can be made is an operating failure, and nothing is asked for", async () => {
  const failed = fetchInto(join(bench.state, "nowhere"), () => Promise.reject(new TypeError("it is not asked")));
  await expect(failed).rejects.toThrow(MailtwinError);
  await expect(failed).rejects.toMatchObject({ code: "ENOENT", hint: expect.stringMatching(/./) });
});

test("mail of another mailbox that was fetched into the same place meanwhile is not taken for it", async () => {
  const { fetch, whyLacking } = fetcherOf();
  const other = "0".repeat(32) as MailboxGuid;
  const { told, error } = await run({
    whyLacking,
    fetch: (mailbox, records) => fetch({ ...mailbox, guid: other }, records),
  });
  expect(error).toBeUndefined();
  expect(new Set(told.map(({ event }) => event))).toEqual(new Set(["not-restored"]));
  expect(told).toHaveLength(MESSAGES);
  expect(uidsBack()).toEqual([]);
});

describe.runIf(process.getuid?.() === 0)("a directory directly below the store", () => {
  const work = "u3/Maildir/.Work" as RawPath;

  function copies(): FetchedCopies {
    const root = openNodeDisk().openRoot(rawFromText(bench.source));
    if (root === undefined) throw new Error("the source stands");
    return new FetchedCopies(fetcherOf(), root, bench.state);
  }

  const own = (uid: number, gid: number, ...names: readonly string[]) => {
    for (const name of names) chownSync(join(bench.source, name), uid, gid);
  };

  test("is like all others, if those and the store are one owner's; it has no right that one of them lacks", () => {
    mkdirSync(join(bench.source, "u2"));
    mkdirSync(join(bench.source, ".mailtwin"));
    own(4242, 4243, ".", "u1", "u2");
    chmodSync(join(bench.source, "u1"), 0o750);
    chmodSync(join(bench.source, "u2"), 0o2705);
    expect(copies().whyOwnerless(work)).toBeUndefined();
    expect(copies().stat("u3" as RawPath)).toMatchObject({ uid: 4242, gid: 4243, mode: 0o700 });
    expect(copies().stat("u3/Maildir" as RawPath)).toBeUndefined();
  });

  test("is like all others, if those are one owner's and more than one", () => {
    mkdirSync(join(bench.source, "u2"));
    own(4242, 4242, "u1", "u2");
    expect(copies().stat("u3" as RawPath)).toMatchObject({ uid: 4242, gid: 4242 });
  });

  test("is made by nobody who would have to guess whose it is", () => {
    mkdirSync(join(bench.source, "u2"));
    for (const [uid, gid] of [
      [4242, 0],
      [0, 4242],
    ] as const) {
      own(uid, gid, "u1");
      expect(copies().whyOwnerless(work)).toMatch(/whose it was is not known here/);
      expect(copies().whyOwnerless(INBOX as RawPath), "it stands").toBeUndefined();
    }
    rmSync(join(bench.source, "u2"), { recursive: true });
    own(4242, 4242, "u1");
    expect(copies().whyOwnerless(work), "one other alone").toMatch(/whose it was is not known here/);
    rmSync(join(bench.source, "u1"), { recursive: true });
    expect(copies().whyOwnerless(work), "none").toMatch(/whose it was is not known here/);
  });

  test("is the store's owner's, where all of it is one user's", () => {
    rmSync(join(bench.source, "u1"), { recursive: true });
    makeMailbox(bench.source, ".", { messages: 1 });
    own(4242, 4243, ".");
    expect(copies().whyOwnerless(".Work" as RawPath)).toBeUndefined();
    expect(copies().stat(".Work" as RawPath)).toMatchObject({
      uid: 4242,
      gid: 4243,
      mode: statSync(bench.source).mode & 0o7777,
    });
  });
});

describe("a daemon that is asked", () => {
  const target = { store: "mail", replica: "c" };

  test("tells of the messages that it was asked for, page by page, or is not believed", async () => {
    await using control = openControlBench(new FakeClock());
    await control.open();
    const fetcher = await openDaemonFetcher(control.place, target);
    const records = Array.from({ length: 300 }, (_, i) => ({
      ...held.records[0],
      uid: i + 1,
    })) as unknown as HeldMail["records"];
    expect(await fetcher.whyLacking(held.row, records)).toEqual(records.map(() => undefined));
    expect(await fetcher.fetch(held.row, records)).toHaveLength(256);
    expect(control.asked.map((call) => (call as [string, { uids: number[] }])[1].uids.length)).toEqual([
      0, 256, 44, 256,
    ]);
  });

  test.each<readonly [string, readonly { readonly uid: number; readonly why?: string }[]]>([
    ["none", []],
    ["another one", [{ uid: 7 }]],
    ["more", [{ uid: 1 }, { uid: 2 }, { uid: 3 }]],
  ])("and tells of %s is not believed", async (_what, messages) => {
    await using control = openControlBench(new FakeClock());
    await control.open({ fetchHeld: async ({ uids }) => ({ messages: uids.length === 0 ? [] : messages }) });
    const fetcher = await openDaemonFetcher(control.place, target);
    await expect(fetcher.fetch(held.row, held.records.slice(0, 2))).rejects.toMatchObject({ code: "control-invalid" });
  });

  test("and does not run is told, with what helps", async () => {
    await using control = openControlBench(new FakeClock());
    await expect(openDaemonFetcher(control.place, target)).rejects.toMatchObject({
      code: "daemon-not-running",
      message: expect.stringContaining("--from DIR names a copy"),
    });
  });
});
