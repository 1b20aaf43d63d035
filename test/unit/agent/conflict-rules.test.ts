/** What a refusal means, case by case. */
import { describe, expect, test } from "vitest";
import { conflictOf, floorOf, isInVain, isLastWord, wordsOfConflict } from "../../../src/agent/conflict-rules.js";
import { parseUid } from "../../../src/maildir/ids.js";
import { path } from "./pair.js";

const PASSED = { code: "uid-passed", words: "UID 5 was passed", path: path("a"), firstUid: 5, replicaNext: 9 };

describe("conflictOf", () => {
  test("UIDs that were passed or are bound otherwise are a conflict", () => {
    expect(conflictOf(PASSED, 1)).toStrictEqual({ kind: "uid-passed", from: 5, replicaNext: 9 });
    expect(conflictOf({ ...PASSED, code: "uid-bound-otherwise", replicaNext: 0 }, 4)).toStrictEqual({
      kind: "uid-bound-otherwise",
      from: 5,
      replicaNext: 0,
    });
  });

  test("anything else, a fifth refusal, and a UID that is none are not", () => {
    expect(conflictOf({ ...PASSED, code: "mailbox-missing" }, 1)).toBeUndefined();
    expect(conflictOf(PASSED, 5)).toBeUndefined();
    for (const firstUid of [0, -1, 2 ** 32]) expect(conflictOf({ ...PASSED, firstUid }, 1)).toBeUndefined();
  });
});

test("foreign mail moves above what either side has given out", () => {
  const conflict = { kind: "uid-passed", from: parseUid(5), replicaNext: 9 } as const;
  expect([floorOf(conflict, 4), floorOf(conflict, 20)]).toStrictEqual([9, 20]);
});

test("room is in vain only where a bound UID turned out to be no foreign mail's", () => {
  const conflict = { kind: "uid-bound-otherwise", from: parseUid(5), replicaNext: 0 } as const;
  expect([isInVain(conflict, 0), isInVain(conflict, 1)]).toStrictEqual([true, false]);
  expect(isInVain({ ...conflict, kind: "uid-passed" }, 0)).toBe(false);
});

test("a replica's last words", () => {
  expect(["given-up", "mailbox-held", "uid-passed"].map((code) => isLastWord({ code }))).toStrictEqual([
    true,
    true,
    false,
  ]);
});

test("a conflict in words", () => {
  const conflict = { kind: "uid-passed", from: parseUid(5), replicaNext: 9 } as const;
  expect(wordsOfConflict(conflict, PASSED, 2)).toBe(
    "UID 5 was passed: 2 foreign messages and the source's messages from UID 5 on get new UIDs",
  );
});
