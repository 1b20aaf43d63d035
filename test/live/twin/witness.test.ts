/** The witness tested by itself: it finds each broken promise, and none where all were kept. */
import { describe, expect, test } from "vitest";
import { type Look, Witness } from "./witness.js";

function look(uidNext: number, messages: Readonly<Record<number, string>>, uidValidity = 7): Look {
  const entries = Object.entries(messages).map(([uid, id]) => [Number(uid), id] as const);
  return { uidNext, uidValidity, messages: new Map(entries) };
}

describe("a witness of UIDs", () => {
  test("has nothing to say against arrivals and expunges", () => {
    const witness = new Witness();
    witness.note("INBOX", look(3, { 1: "a", 2: "b" }));
    witness.note("INBOX", look(5, { 2: "b", 4: "c" }));
    witness.note("Other", look(2, { 1: "x" }));
    witness.note("INBOX", look(6, { 5: "a" }));
    expect(witness.contradictions).toEqual([]);
    expect(witness.looks).toBe(4);
  });

  const broken: readonly (readonly [string, Look, RegExp])[] = [
    ["a UID that names another message", look(3, { 1: "a", 2: "z" }), /UID 2 named b, now z/],
    ["a UID below the UIDNEXT that was told", look(6, { 1: "a", 3: "c" }), /UID 3 appeared after UIDNEXT 5/],
    ["a UIDNEXT that went back", look(4, { 1: "a" }), /UIDNEXT 5 became 4/],
    ["another UIDVALIDITY", look(5, { 1: "a" }, 8), /UIDVALIDITY 7 became 8/],
    ["a message that was gone", look(5, { 4: "d" }), /UID 4 was gone and is back/],
    ["a UID not below UIDNEXT", look(5, { 5: "e" }), /UID 5 with UIDNEXT 5/],
  ];

  test.each(broken)("finds %s", (_, bad, words) => {
    const witness = new Witness();
    witness.note("INBOX", look(5, { 1: "a", 2: "b", 4: "d" }));
    witness.note("INBOX", look(5, { 1: "a", 2: "b" }));
    witness.note("INBOX", bad);
    expect(witness.contradictions.join("\n")).toMatch(words);
  });
});
