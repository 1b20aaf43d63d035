/** Which bodies are read next: turn after turn each message once, whatever the limits are, and what comes meanwhile ahead of the place, too. */
import { fc, test as property } from "@fast-check/vitest";
import { expect, test } from "vitest";
import { endOf, nextTurn } from "../../../../src/daemon/scrub/next-turn.js";
import type { ScrubPlace } from "../../../../src/daemon/scrub/scrub-state.js";
import { encodeChunk } from "../../../../src/log/baseline-chunk.js";
import type { MailboxRow } from "../../../../src/log/state-types.js";
import { type MailboxGuid, parseUid } from "../../../../src/maildir/ids.js";
import { chunkOf } from "../../../../src/txn/chunks.js";
import { tries } from "../../../property/tries.js";
import { digester, guid, mailboxRow, record } from "../../log/state-fixtures.js";

/** By mailbox number the UIDs that the log has; a message is as large as its UID. */
type Store = Readonly<Record<number, readonly number[]>>;

function readerOf(store: Store) {
  const rowById = new Map(Object.keys(store).map((id) => [Number(id), mailboxRow(Number(id))]));
  const uidsIn = (id: number, chunk: number) => (store[id] ?? []).filter((uid) => chunkOf(uid) === chunk);
  return {
    mailboxByGuid: (of: MailboxGuid): MailboxRow | undefined => [...rowById.values()].find((row) => row.guid === of),
    looks: (id: number) =>
      [...new Set((store[id] ?? []).map(chunkOf))].map((chunk) => ({ chunk, count: 1, lookA: 0, lookB: 0 })),
    chunk: (mailboxId: number, chunk: number) => {
      const records = uidsIn(mailboxId, chunk).map((uid) => record(uid));
      return encodeChunk({ mailboxId, chunk, records, keywordIndexByName: new Map(), digester }).bytes;
    },
  };
}

const guidsOf = (store: Store) => Object.keys(store).map((id) => guid(Number(id)));

function readAll(store: Store, limits: Parameters<typeof nextTurn>[3], from?: ScrubPlace) {
  const turns: (readonly [number, readonly number[]])[] = [];
  for (let at = from; ; ) {
    const turn = nextTurn(readerOf(store), guidsOf(store), at, limits);
    if (turn === undefined) return turns;
    const uids = turn.messages.map(({ uid }) => uid);
    turns.push([turn.row.id, uids]);
    at = { guid: turn.row.guid, uid: uids.at(-1) ?? parseUid(1) };
  }
}

test("mailboxes follow each other, messages too; a turn is of one mailbox, within its limits, and has at least one", () => {
  const store = { 1: [1, 2, 130], 2: [], 3: [7, 900] };
  const limits = { messagesMax: 2, bytesMax: 100 };
  expect(readAll(store, limits)).toEqual([
    [1, [1, 2]],
    [1, [130]],
    [3, [7]],
    [3, [900]],
  ]);
});

test("from a place on: what is below it waits for the next round, what came above it does not", () => {
  const limits = { messagesMax: 10, bytesMax: 10_000 };
  const at = { guid: guid(2), uid: parseUid(5) };
  expect(readAll({ 1: [1], 2: [4, 5, 6, 300], 3: [1] }, limits, at)).toEqual([
    [2, [6, 300]],
    [3, [1]],
  ]);
  expect(readAll({ 1: [1], 3: [1] }, limits, at), "its mailbox is gone").toEqual([[3, [1]]]);
  expect(readAll({ 2: [6], 3: [1] }, limits, endOf(guid(2))), "its mailbox is passed over").toEqual([[3, [1]]]);
});

const uids = fc
  .uniqueArray(fc.integer({ min: 1, max: 600 }), { maxLength: 30 })
  .map((all) => all.sort((a, b) => a - b));

property.prop(
  [fc.array(uids, { maxLength: 4 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 2_000 })],
  tries(60),
)("each message has one turn", (mailboxes, messagesMax, bytesMax) => {
  const store: Store = Object.fromEntries(mailboxes.map((own, index) => [index + 1, own]));
  const turns = readAll(store, { messagesMax, bytesMax });
  for (const [id, own] of Object.entries(store))
    expect(turns.filter(([of]) => of === Number(id)).flatMap(([, read]) => read)).toEqual(own);
  for (const [, read] of turns) {
    expect(read.length).toBeLessThanOrEqual(messagesMax);
    if (read.length > 1) expect(read.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(bytesMax);
  }
});
