/** What a refusal means, case by case. */
import { describe, expect, test } from "vitest";
import {
  conflictOf,
  floorOf,
  isInVain,
  isLastWord,
  uidsToLeave,
  whyTooHigh,
  wordsOfConflict,
} from "../../../src/agent/conflict-rules.js";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import { NO_MARKS } from "../../../src/txn/message-state.js";
import type { Change } from "../../../src/txn/transaction.js";
import { path } from "./pair.js";

const PASSED = { code: "uid-passed", words: "UID 5 was passed", path: path("a"), uids: [5, 7], replicaNext: 9 };
const CONFLICT = { kind: "uid-passed", uids: [parseUid(5), parseUid(7)], replicaNext: parseUid(9) } as const;

/** Saves messages with these UIDs. */
function saving(...uids: readonly number[]): { readonly changes: readonly Change[] } {
  const changes = uids.map((uid): Change => {
    const base = parseBaseName(`b${uid}`);
    return { kind: "save", message: { uid: parseUid(uid), base, ...NO_MARKS, size: 3, mtimeS: 7, fields: "" } };
  });
  return { changes };
}

describe("conflictOf", () => {
  test("UIDs that were passed or are bound otherwise are a conflict", () => {
    expect(conflictOf(saving(5, 6, 7), PASSED, 1)).toStrictEqual(CONFLICT);
    const bound = { ...PASSED, code: "uid-bound-otherwise" };
    expect(conflictOf(saving(5, 6, 7), bound, 4)).toStrictEqual({ ...CONFLICT, kind: "uid-bound-otherwise" });
  });

  test("of UIDs that the transaction does not name the replica has no say", () => {
    expect(conflictOf(saving(7, 8), PASSED, 1)).toMatchObject({ uids: [7] });
    expect(conflictOf(saving(6, 8), PASSED, 1)).toBeUndefined();
  });

  test("anything else, a fifth refusal, and a UID that is none are not", () => {
    expect(conflictOf(saving(5), { ...PASSED, code: "mailbox-missing" }, 1)).toBeUndefined();
    expect(conflictOf(saving(5), PASSED, 5)).toBeUndefined();
    for (const replicaNext of [0, -1, 2 ** 32]) {
      expect(conflictOf(saving(5), { ...PASSED, replicaNext }, 1)).toBeUndefined();
    }
  });
});

test("what the source gives new UIDs to: what was refused, and what was passed while room was made", () => {
  expect(uidsToLeave(saving(5, 6, 7, 8, 9, 11, 12), CONFLICT, 12)).toStrictEqual([5, 7, 9, 11]);
  expect(uidsToLeave(saving(5, 6, 7, 8, 9, 11, 12), CONFLICT, 9)).toStrictEqual([5, 7]);
});

test("foreign mail moves above what either side has given out", () => {
  expect([floorOf(CONFLICT, 4), floorOf(CONFLICT, 20)]).toStrictEqual([9, 20]);
});

describe("how far a replica may bring the source's UIDs", () => {
  const isTooHigh = (replicaNext: number, sourceNext: number) =>
    whyTooHigh("doing", replicaNext, sourceNext) !== undefined;

  test("is bounded at once, and in all", () => {
    expect([isTooHigh(500 + 2 ** 20, 500), isTooHigh(501 + 2 ** 20, 500)]).toStrictEqual([false, true]);
    expect([isTooHigh(2 ** 31, 2 ** 31 - 9), isTooHigh(2 ** 31 + 1, 2 ** 31 - 9)]).toStrictEqual([false, true]);
    expect([isTooHigh(2 ** 31 + 5, 2 ** 31 + 5), isTooHigh(2 ** 31 + 6, 2 ** 31 + 5)]).toStrictEqual([false, true]);
  });

  test("and told", () => {
    expect(whyTooHigh('giving messages of the mailbox "user/a" new UIDs', 4_000_000_000, 5)).toStrictEqual({
      code: "uids-too-high",
      words:
        'giving messages of the mailbox "user/a" new UIDs: the replica says that its next UID is 4000000000, the source\'s is 5, and it is raised to 1048581 at most',
    });
  });
});

test("room is in vain only where a bound UID turned out to be no foreign mail's", () => {
  const conflict = { ...CONFLICT, kind: "uid-bound-otherwise" } as const;
  expect([isInVain(conflict, 0), isInVain(conflict, 1)]).toStrictEqual([true, false]);
  expect(isInVain(CONFLICT, 0)).toBe(false);
});

test("a replica's last words", () => {
  expect(["given-up", "mailbox-held", "uid-passed"].map((code) => isLastWord({ code }))).toStrictEqual([
    true,
    true,
    false,
  ]);
});

test.each([
  [2, 3, "2 messages of the replica and 3 messages of the source get new UIDs"],
  [1, 1, "1 message of the replica and 1 message of the source get new UIDs"],
  [0, 1, "1 message of the source gets a new UID"],
  [1, 0, "1 message of the replica gets a new UID"],
])("a conflict in words: %i and %i", (moved, left, words) => {
  expect(wordsOfConflict(PASSED, { moved, left })).toBe(`UID 5 was passed: ${words}`);
});
