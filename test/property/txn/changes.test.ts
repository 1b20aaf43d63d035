/** Laws of change: diff, apply, join and split agree on what a list of changes means. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import type { RawPath } from "../../../src/base/raw-name.js";
import { parseBaseName, parseMailboxGuid, parseUid, parseUidValidity } from "../../../src/maildir/ids.js";
import { applyChanges } from "../../../src/txn/apply-changes.js";
import { placedUid } from "../../../src/txn/change-order.js";
import { diffMessages, reusedUids } from "../../../src/txn/diff.js";
import { mergeMarks } from "../../../src/txn/marks.js";
import { TransactionRun } from "../../../src/txn/run.js";
import { headOf, restOf, splitTransaction } from "../../../src/txn/split.js";
import type { Change, SaveChange, Transaction } from "../../../src/txn/transaction.js";
import { save, transaction } from "../../unit/txn/txn-fixtures.js";
import { tries } from "../tries.js";
import { mailboxHistory, mailboxState, marks, messageState, transactions } from "./arbitraries.js";

function ascend(uids: readonly number[]): boolean {
  return uids.every((uid, i) => i === 0 || (uids[i - 1] ?? 0) < uid);
}

const placed = (changes: readonly Change[]): number[] => changes.flatMap((change) => placedUid(change) ?? []);

describe("diffMessages", () => {
  test.prop([mailboxState, mailboxState], tries())("applying the difference gives the other state", (before, after) => {
    expect(applyChanges(before, diffMessages(before, after))).toStrictEqual(after);
  });

  test.prop([mailboxState], tries())("a state does not differ from itself", (state) => {
    expect(diffMessages(state, state)).toStrictEqual([]);
  });

  test.prop([mailboxState, mailboxState], tries())("UIDs that come to be ascend", (before, after) => {
    expect(ascend(placed(diffMessages(before, after)))).toBe(true);
  });

  test.prop([mailboxState, mailboxState], tries())(
    "a UID is both expunged and placed only if it was reused",
    (before, after) => {
      const changes = diffMessages(before, after);
      const expunged = new Set(changes.flatMap((change) => (change.kind === "expunge" ? [change.uid] : [])));
      const reused = reusedUids(before, after).map(({ uid }) => uid);
      expect(placed(changes).filter((uid) => expunged.has(parseUid(uid)))).toStrictEqual(reused);
    },
  );
});

describe("TransactionRun", () => {
  const common = {
    ...{ mailbox: parseMailboxGuid("a".repeat(32)), path: "" as RawPath, uidValidity: parseUidValidity(1) },
    ...{ headerExtra: "", fileOwner: { uid: 0, gid: 0, mode: 0o600 }, capturedMs: 1 },
  };

  test.prop([mailboxHistory], tries())("what is joined has the effect of all, in one transaction", (history) => {
    const [first = [], ...later] = history;
    const each = later.map((state, i): Transaction => {
      const uidNext = Math.max(1, ...state.map(({ uid }) => uid + 1));
      return { ...common, uidNext, changes: diffMessages(history[i] ?? [], state) };
    });
    const [head, ...rest] = each;
    if (head === undefined) return;
    const run = new TransactionRun(head);
    const joined = [head];
    for (const next of rest) {
      if (!run.tryAdd(next)) break;
      joined.push(next);
    }
    const { changes, uidNext, capturedMs } = run.joined;
    expect(applyChanges(first, changes)).toStrictEqual(
      joined.reduce((state, it) => applyChanges(state, it.changes), first),
    );
    expect(uidNext).toBe(Math.max(...joined.map((it) => it.uidNext)));
    expect(capturedMs).toBe(head.capturedMs);
    expect(ascend(placed(changes))).toBe(true);
  });
});

describe("mergeMarks", () => {
  test.prop([marks, marks], tries())("gives the new marks where the old ones are", (before, after) => {
    expect(mergeMarks(before, before, after)).toStrictEqual(after);
  });

  test.prop([marks, marks], tries())("leaves what the change did not touch", (present, same) => {
    expect(mergeMarks(present, same, same)).toStrictEqual(present);
  });
});

const BODIES_MAX = 8 * 1024 * 1024;

const longSaves: fc.Arbitrary<SaveChange[]> = fc
  .tuple(
    fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 0, maxLength: 1700 }),
    messageState(1, parseBaseName("a")),
    fc.array(fc.constantFrom(0, 700, 100_000, BODIES_MAX / 2, BODIES_MAX, BODIES_MAX + 1), {
      minLength: 1,
      maxLength: 5,
    }),
  )
  .map(([gaps, message, sizes]) => {
    let uid = 0;
    return gaps.map((gap, i) => {
      uid += gap;
      return { kind: "save" as const, message: { ...message, uid: parseUid(uid), size: sizes[i % sizes.length] ?? 0 } };
    });
  });

function bodyBytes(changes: readonly Change[]): number {
  return changes.reduce((sum, change) => sum + (change.kind === "save" ? change.message.size : 0), 0);
}

test("what was copied or moved is there already: its bodies do not cut", () => {
  const saves = Array.from({ length: 20 }, (_, i): SaveChange => {
    const origin = { mailbox: parseMailboxGuid("b".repeat(32)), uid: parseUid(i + 1), base: parseBaseName("x") };
    return { ...save(i + 1, { size: BODIES_MAX }), origin };
  });
  const moved = transaction({ changes: saves });
  expect(splitTransaction(moved)).toStrictEqual([moved]);
  const sent = saves.map(({ origin: _, ...rest }): SaveChange => rest);
  expect(splitTransaction({ ...moved, changes: sent })).toHaveLength(20);
});

test.prop([transactions, longSaves, fc.nat(1800)], tries(40))(
  "its head, and then the rest, are the transaction; the head's next UID is in the way of nothing in the rest",
  (whole, saves, at) => {
    const uidNext = Math.max(1, ...placed(saves)) + 7;
    const transaction = { ...whole, changes: saves, uidNext };
    const count = Math.min(at, saves.length);
    const [head, rest] = [headOf(transaction, count), restOf(transaction, count)];
    expect([...head.changes, ...rest.changes]).toStrictEqual(saves);
    expect(rest.uidNext).toBe(uidNext);
    expect(head.uidNext).toBeLessThanOrEqual(Math.min(uidNext, ...placed(rest.changes)));
    expect(head.uidNext).toBeGreaterThan(Math.max(0, ...placed(head.changes)));
    expect(head.structure).toStrictEqual(whole.structure);
    expect(rest.structure).toStrictEqual(count === 0 ? whole.structure : undefined);
  },
);

describe("splitTransaction", () => {
  test.prop([transactions, longSaves, fc.nat(600), fc.integer({ min: 1, max: 9 })], tries(40))(
    "keeps the changes, and no part's next UID is in the way of a later one",
    (whole, saves, marksCount, beyond) => {
      const other: Change = { kind: "expunge", uid: parseUid(1), base: parseBaseName("x") };
      const changes = [...Array.from({ length: marksCount }, () => other), ...saves];
      const uidNext = Math.max(1, ...placed(changes)) + beyond;
      const parts = splitTransaction({ ...whole, changes, uidNext });

      expect(parts.flatMap((part) => part.changes)).toStrictEqual(changes);
      expect(parts.every((part) => part.changes.length <= 512)).toBe(true);
      for (const [i, part] of parts.entries()) {
        const bodies = part.changes.filter((change) => change.kind === "save" && change.message.size > 0).length;
        expect(bodyBytes(part.changes) <= BODIES_MAX || bodies === 1).toBe(true);
        const [next] = parts[i + 1]?.changes ?? []; // no part is shorter than it has to be.
        const isFull = next === undefined || part.changes.length === 512;
        expect(isFull || bodyBytes([...part.changes, next]) > BODIES_MAX).toBe(true);
      }
      expect(parts.at(-1)?.uidNext).toBe(uidNext);
      expect(parts.map((part) => part.structure)).toStrictEqual([
        whole.structure,
        ...parts.slice(1).map(() => undefined),
      ]);
      for (const [i, part] of parts.entries()) {
        expect(part.uidNext).toBeGreaterThan(Math.max(0, ...placed(part.changes)));
        const later = parts.slice(i + 1).flatMap(({ changes: rest }) => placed(rest));
        expect(part.uidNext).toBeLessThanOrEqual(Math.min(uidNext, ...later));
      }
    },
  );
});
