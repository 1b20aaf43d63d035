/** Mail of a replica over a link: what comes is what the log knows, whatever is at the other end, and whenever the link is cut. */
import { randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { askOver, serveSums } from "../../../../src/agent/sums-link.js";
import { systemClock } from "../../../../src/base/clock.js";
import { sha256 } from "../../../../src/base/hash.js";
import type { RawPath } from "../../../../src/base/raw-name.js";
import { FETCHED, fetchInto } from "../../../../src/daemon/reject/fetched-copies.js";
import {
  type FetchedMessage,
  fetchedName,
  type MailboxName,
  ReplicaMail,
} from "../../../../src/daemon/reject/replica-mail.js";
import { parseBaseName, parseMailboxGuid, parseUid } from "../../../../src/maildir/ids.js";
import type { AreWritten } from "../../../../src/resync/local-side.js";
import type { ReadSide } from "../../../../src/resync/sums-types.js";
import { openMemoryLink } from "../../../../src/wire/memory-link.js";
import { type MessagePart, PARTS_BYTES_MAX, type PartsOf } from "../../../../src/wire/sums.js";
import { makeMailbox } from "../../../live/twin/small-store.js";
import { storeSide } from "../../resync/store-side.js";

const INBOX = "u1/Maildir" as RawPath;
const ALL: AreWritten = (_, messages) => messages.map(() => true);
let dir = "";
let store = "";
let stop: AbortController;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mtl-mail-"));
  store = join(dir, "replica");
  stop = new AbortController();
});
afterEach(() => {
  stop.abort(new Error("the test is over"));
  rmSync(dir, { recursive: true, force: true });
});

interface Wanted {
  readonly mailbox: MailboxName;
  readonly messages: readonly {
    readonly uid: ReturnType<typeof parseUid>;
    readonly base: ReturnType<typeof parseBaseName>;
    readonly size: number;
  }[];
}

/** What the log of its source has of that mailbox. */
function wantedOf(path: RawPath): Wanted {
  const [header = "", ...records] = readFileSync(join(store, path, "dovecot-uidlist"), "latin1")
    .trimEnd()
    .split("\n");
  const messages = records.map((record) => {
    const [uid = "", base = ""] = record.split(" :");
    return { uid: parseUid(Number(uid)), base: parseBaseName(base), size: statSync(fileOf(path, base)).size };
  });
  return { mailbox: { path, guid: parseMailboxGuid(/G([0-9a-f]{32})/.exec(header)?.[1] ?? "") }, messages };
}

function fileOf(path: string, base: string): string {
  const cur = join(store, path, "cur");
  return join(cur, readdirSync(cur).find((name) => name.startsWith(base)) ?? "");
}

/** Over a link at whose other end that side answers. */
function mailOver(change: Partial<ReadSide> = {}): ReplicaMail {
  const honest = storeSide(store, { areWritten: ALL });
  const side = {
    store: () => honest.store(),
    mailboxes: (after: RawPath | undefined) => honest.mailboxes(after),
    ranges: honest.ranges.bind(honest),
    marks: honest.marks.bind(honest),
    states: honest.states.bind(honest),
    hashes: honest.hashes.bind(honest),
    parts: honest.parts.bind(honest),
    ...change,
  };
  const link = openMemoryLink();
  serveSums(link.replica, side, stop.signal).catch(() => undefined);
  return new ReplicaMail(askOver(link.source, "b", systemClock).side);
}

const honestParts = async (of: PartsOf): Promise<readonly MessagePart[]> => {
  const side = storeSide(store, { areWritten: ALL });
  await side.store();
  return side.parts(of);
};

interface Known {
  readonly sha256: string;
  readonly size: number;
}

async function fetch(
  mail: ReplicaMail,
  { mailbox, messages }: Wanted,
  known?: Known,
): Promise<readonly FetchedMessage[]> {
  return fetchInto(dir, (scratch) =>
    mail.fetch(mailbox, messages, { scratch, known: async (_, names) => names.map(() => known) }, stop.signal),
  );
}

/** UIDs; of each file the name says which mailbox it is of. */
const fetched = (): (string | undefined)[] =>
  readdirSync(join(dir, FETCHED))
    .map((name) => /^[0-9a-f]{32}\.(\d+)$/.exec(name)?.[1])
    .sort((a, b) => Number(a) - Number(b));

test("all of a mailbox, some at a time, in files that only this user can read", async () => {
  makeMailbox(store, INBOX, { messages: 600, bytes: 40 });
  const wanted = wantedOf(INBOX);
  const [first, , third] = wanted.messages;
  writeFileSync(fileOf(INBOX, first?.base ?? ""), "");
  writeFileSync(fileOf(INBOX, third?.base ?? ""), randomBytes(3 * PARTS_BYTES_MAX + 7));
  const { mailbox, messages } = wantedOf(INBOX);
  const mail = mailOver();
  expect(await mail.whyLacking(mailbox, messages, stop.signal)).toEqual(messages.map(() => undefined));
  const turns: number[] = [];
  for (let at = 0; at < messages.length; ) {
    const some = await fetch(mail, { mailbox, messages: messages.slice(at) });
    expect(some).toEqual(messages.slice(at, at + some.length).map(({ uid }) => ({ uid, why: undefined })));
    expect(fetched()).toEqual(some.map(({ uid }) => String(uid)));
    for (const { uid, base } of messages.slice(at, at + some.length)) {
      const file = join(dir, FETCHED, fetchedName(mailbox.guid, uid));
      expect(readFileSync(file).equals(readFileSync(fileOf(INBOX, base)))).toBe(true);
      expect(statSync(file).mode & 0o777).toBe(0o600);
    }
    at += some.length;
    turns.push(some.length);
  }
  expect(turns.length).toBeGreaterThan(1);
  expect(statSync(join(dir, FETCHED)).mode & 0o777).toBe(0o700);
});

test("a message that is another one now, or of another size, or gone, is named and not fetched; the others are", async () => {
  makeMailbox(store, INBOX, { messages: 4 });
  const { mailbox, messages } = wantedOf(INBOX);
  const [one, two, three, four] = messages as [
    Wanted["messages"][0],
    Wanted["messages"][0],
    Wanted["messages"][0],
    Wanted["messages"][0],
  ];
  rmSync(fileOf(INBOX, two.base));
  const wanted = { mailbox, messages: [{ ...one, base: four.base }, two, { ...three, size: three.size + 1 }, four] };
  const nowhere = "it is not on the replica, or was not written there by replication";
  const whys = [nowhere, nowhere, `its file on the replica is not one of ${three.size + 1} bytes`, undefined];
  const mail = mailOver();
  expect(await mail.whyLacking(mailbox, wanted.messages, stop.signal)).toEqual(whys);
  expect(await fetch(mail, wanted)).toEqual(messages.map(({ uid }, index) => ({ uid, why: whys[index] })));
  expect(fetched()).toEqual(["4"]);
});

test("bytes that are not those that the source had are not kept", async () => {
  makeMailbox(store, INBOX, { messages: 1 });
  const wanted = wantedOf(INBOX);
  const body = readFileSync(fileOf(INBOX, wanted.messages[0]?.base ?? ""));
  const known = { sha256: sha256(body).toString("hex"), size: body.length };
  expect(await fetch(mailOver(), wanted, known)).toEqual([{ uid: 1, why: undefined }]);
  writeFileSync(fileOf(INBOX, wanted.messages[0]?.base ?? ""), body.reverse());
  const why = "its bytes on the replica are not those that the source had";
  expect(await fetch(mailOver(), wanted, known)).toEqual([{ uid: 1, why }]);
  expect(fetched()).toEqual([]);
});

test("the mailbox is found where it stands now, also when it moves meanwhile, but not at another user's", async () => {
  makeMailbox(store, INBOX, { messages: 1 });
  makeMailbox(store, "u1/Maildir/.Work", { messages: 2, seed: 5 });
  const wanted = wantedOf("u1/Maildir/.Work" as RawPath);
  const mail = mailOver();
  expect(await mail.whyLacking(wanted.mailbox, wanted.messages, stop.signal)).toEqual([undefined, undefined]);
  renameSync(join(store, "u1/Maildir/.Work"), join(store, "u1/Maildir/.Moved"));
  expect(await fetch(mail, wanted)).toEqual([
    { uid: 1, why: undefined },
    { uid: 2, why: undefined },
  ]);
  makeMailbox(store, "u2/Maildir", { messages: 1, seed: 9 });
  renameSync(join(store, "u1/Maildir/.Moved"), join(store, "u2/Maildir/.Work"));
  const why = "its mailbox is not on the replica, or cannot be read there";
  expect(await fetch(mail, wanted)).toEqual(wanted.messages.map(({ uid }) => ({ uid, why })));
  expect(await mail.whyLacking(wanted.mailbox, wanted.messages, stop.signal)).toEqual([why, why]);
});

describe("a replica that", () => {
  const part = (size: number, length: number): MessagePart => ({ size, bytes: new Uint8Array(length) });

  test.each<readonly [string, (of: PartsOf) => readonly MessagePart[]]>([
    ["sends nothing", () => []],
    ["sends more messages than were asked for", ({ messages }) => [...messages, 0].map(() => part(600, 600))],
    ["sends a message in drops", () => [part(600, 1)]],
    ["sends the first in part, and then another", () => [part(600, 10), part(600, 600)]],
    ["sends more than is left of a message", ({ offset }) => [part(600, 600 - offset + 1)]],
  ])("%s has the link ended, and no file is left", async (_what, parts) => {
    makeMailbox(store, INBOX, { messages: 3 });
    const mail = mailOver({ parts: async (of) => parts(of) });
    await expect(fetch(mail, wantedOf(INBOX))).rejects.toMatchObject({
      code: expect.stringMatching(/^(compared-confused|wire-invalid)$/),
    });
    expect(fetched()).toEqual([]);
  });

  test("has another message each time it is asked for a part is not believed", async () => {
    makeMailbox(store, INBOX, { messages: 1 });
    const base = wantedOf(INBOX).messages[0]?.base ?? "";
    writeFileSync(fileOf(INBOX, base), randomBytes(PARTS_BYTES_MAX + 10));
    const wanted = wantedOf(INBOX);
    const mail = mailOver({
      parts: async (of) => {
        const parts = await honestParts(of);
        writeFileSync(fileOf(INBOX, base), randomBytes(PARTS_BYTES_MAX + 10));
        return parts;
      },
    });
    expect(await fetch(mail, wanted)).toEqual([{ uid: 1, why: "it changed on the replica while it was read" }]);
    expect(fetched()).toEqual([]);
  });

  test("says that a message has no end is asked for no more of it than one answer", async () => {
    makeMailbox(store, INBOX, { messages: 2 });
    const offsets: number[] = [];
    const mail = mailOver({
      parts: async ({ offset }) => {
        offsets.push(offset);
        return [part(2 ** 50, PARTS_BYTES_MAX)];
      },
    });
    const why = "its file on the replica is not one of 600 bytes";
    const { mailbox, messages } = wantedOf(INBOX);
    expect(await fetch(mail, { mailbox, messages: messages.map((it) => ({ ...it, size: 600 })) })).toEqual([
      { uid: 1, why },
      { uid: 2, why },
    ]);
    expect(offsets).toEqual([0, 0]);
  });

  test("goes away in the middle of a message leaves what came whole before", async () => {
    makeMailbox(store, INBOX, { messages: 2 });
    writeFileSync(fileOf(INBOX, wantedOf(INBOX).messages[1]?.base ?? ""), randomBytes(2 * PARTS_BYTES_MAX));
    const wanted = wantedOf(INBOX);
    const copy = join(dir, "copy");
    cpSync(store, copy, { recursive: true });
    let answers = 0;
    const mail = mailOver({
      parts: async (of) => {
        answers += 1;
        if (answers > 1) stop.abort(new Error("cut"));
        return honestParts(of);
      },
    });
    await expect(fetch(mail, wanted)).rejects.toThrow();
    stop = new AbortController();
    expect(await fetch(mailOver(), wanted)).toEqual(wanted.messages.map(({ uid }) => ({ uid, why: undefined })));
    expect(readFileSync(join(dir, FETCHED, fetchedName(wanted.mailbox.guid, 2))).length).toBe(2 * PARTS_BYTES_MAX);
  });
});
