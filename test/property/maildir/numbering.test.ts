import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { dovecotOrder } from "../../../src/maildir/numbering.js";
import { tries } from "../tries.js";

const names = fc.oneof(
  fc
    .tuple(fc.nat({ max: 5 }), fc.nat({ max: 5 }), fc.constantFrom("P1.h", ".h", "P1.h:2,S"))
    .map(([s, m, rest]) => `${s}.M${m}${rest}`),
  fc.tuple(fc.nat({ max: 5 }), fc.constantFrom(".P1.h", "", ".x", ".\xe9")).map(([s, rest]) => `${s}${rest}`),
  fc.string({ unit: fc.constantFrom("a", "5", ".", "M", "\xff"), minLength: 1, maxLength: 6 }),
);

test.prop([fc.uniqueArray(names, { maxLength: 30 }), fc.infiniteStream(fc.nat())], tries())(
  "the order is a permutation that depends on the set of names alone",
  (set, stream) => {
    const keyed = set.map((name) => ({ name, key: stream.next().value ?? 0 }));
    const shuffled = keyed.sort((a, b) => a.key - b.key).map(({ name }) => name);
    const ordered = dovecotOrder(set);
    expect([...ordered].sort()).toEqual([...set].sort());
    expect(dovecotOrder(shuffled)).toEqual(ordered);
  },
);

test.prop([fc.uniqueArray(fc.nat({ max: 2 ** 40 }), { maxLength: 30 })], tries())(
  "full time stamps come in time order",
  (micros) => {
    const stamp = (n: number): string => `${Math.floor(n / 1e6)}.M${n % 1e6}P1.host`;
    const sorted = [...micros].sort((a, b) => a - b);
    expect(dovecotOrder(micros.map(stamp))).toEqual(sorted.map(stamp));
  },
);
