/** Laws of the digest: no order, and incremental equals computed anew. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { openHash } from "../../../src/base/hash.js";
import {
  addDigest,
  DIGEST_BYTES,
  emptyDigest,
  StateDigester,
  sameDigest,
  subtractDigest,
} from "../../../src/txn/digest.js";
import { tries } from "../tries.js";
import { mailboxState } from "./arbitraries.js";

const digester = new StateDigester(await openHash());

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

  test.prop([mailboxState, mailboxState], tries())("equal exactly for equal states", (a, b) => {
    // Fields of the record other than G do not count.
    const plain = (states: typeof a): string => JSON.stringify(states.map((state) => ({ ...state, fields: "" })));
    const [left, right] = [a, b].map((states) => states.map((state) => ({ ...state, fields: "" }))) as [
      typeof a,
      typeof b,
    ];
    expect(sameDigest(digester.sumOf(left), digester.sumOf(right))).toBe(plain(a) === plain(b));
  });

  test("nothing has the empty digest", () => {
    expect(digester.sumOf([])).toStrictEqual(emptyDigest());
    expect(emptyDigest()).toHaveLength(DIGEST_BYTES);
  });
});
