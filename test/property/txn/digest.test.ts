/** Laws of the digest: no order, and incremental equals computed anew. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { openHash } from "../../../src/base/hash.js";
import type { BaseName } from "../../../src/maildir/ids.js";
import { messageGuid } from "../../../src/txn/diff.js";
import {
  addDigest,
  DIGEST_BYTES,
  emptyDigest,
  StateDigester,
  sameDigest,
  subtractDigest,
} from "../../../src/txn/digest.js";
import type { MessageState } from "../../../src/txn/message-state.js";
import { tries } from "../tries.js";
import { mailboxState, messageState } from "./arbitraries.js";

const digester = new StateDigester(await openHash());

const FIELDS = ["flags", "keywords", "odd", "tail", "size", "mtimeS", "fields"] as const;

/** All that a client of Dovecot can see of them. */
function said(states: readonly MessageState[]): string {
  const others = (fields: string) => fields.split(" ").filter((it) => it !== "" && !/^(?:[SW]|G.)/.test(it));
  return JSON.stringify(states.map((it) => ({ ...it, guid: messageGuid(it), fields: others(it.fields) })));
}

describe("StateDigester", () => {
  test.prop([mailboxState], tries())("does not depend on the order", (states) => {
    expect(sameDigest(digester.sumOf(states.toReversed()), digester.sumOf(states))).toBe(true);
  });

  test.prop([mailboxState, fc.nat()], tries())(
    "adding and taking away one message equals computing anew",
    (states, pick) => {
      fc.pre(states.length > 0);
      const at = pick % states.length;
      const one = states.slice(at, at + 1);
      const others = states.filter((_, i) => i !== at);
      const whole = digester.sumOf(states);
      expect(addDigest(digester.sumOf(others), digester.sumOf(one))).toStrictEqual(whole);
      expect(subtractDigest(whole, digester.sumOf(one))).toStrictEqual(digester.sumOf(others));
    },
  );

  test.prop([mailboxState, mailboxState], tries())(
    "equal exactly for states that differ in nothing but caches",
    (a, b) => {
      expect(sameDigest(digester.sumOf(a), digester.sumOf(b))).toBe(said(a) === said(b));
    },
  );

  test.prop([messageState(7, "a" as BaseName), messageState(7, "a" as BaseName), fc.constantFrom(...FIELDS)], tries())(
    "one field that differs is enough",
    (one, other, field) => {
      const changed = { ...one, [field]: other[field] };
      expect(sameDigest(digester.digestOf(changed), digester.digestOf(one))).toBe(said([changed]) === said([one]));
    },
  );

  test.each([
    ["P12:3", "P12:4"],
    ["P1", ""],
    ["O1", "O2"],
    ["P1 O2", "P1"],
    ["Ga P1", "Ga"],
    ["Ga", "Gb"],
    ["Ga", "Ga Gb"],
    ["P1", "O1"],
    ["S3 P1", "S3"],
    ["X1", ""],
  ])("the record's fields %j and %j differ", (one, other) => {
    const [state] = fc.sample(messageState(7, "a" as BaseName), { numRuns: 1, seed: 1 });
    if (state === undefined) throw new Error("one was asked for");
    const digestOf = (fields: string) => digester.digestOf({ ...state, fields });
    expect(sameDigest(digestOf(one), digestOf(other))).toBe(false);
    expect(digestOf(`S309 W323 ${one}`)).toStrictEqual(digestOf(one));
    expect(digestOf(`${other} W5`.trim())).toStrictEqual(digestOf(other));
  });

  test("a GUID that is the base name says nothing", () => {
    const [state] = fc.sample(messageState(7, "a" as BaseName), { numRuns: 1, seed: 2 });
    if (state === undefined) throw new Error("one was asked for");
    expect(digester.digestOf({ ...state, fields: "Ga" })).toStrictEqual(digester.digestOf({ ...state, fields: "S3" }));
  });

  test("nothing has the empty digest", () => {
    expect(digester.sumOf([])).toStrictEqual(emptyDigest());
    expect(emptyDigest()).toHaveLength(DIGEST_BYTES);
  });
});
