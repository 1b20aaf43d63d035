/** A comparison by sums finds what a naive comparison finds, for any two stores; and it ends, whatever the other side says. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { MailtwinError } from "../../../src/base/errors.js";
import { openHash } from "../../../src/base/hash.js";
import { isRawPath, type RawPath } from "../../../src/base/raw-name.js";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import { compareStores } from "../../../src/resync/compare-stores.js";
import type { SummedSide } from "../../../src/resync/sums-types.js";
import { StateDigester } from "../../../src/txn/digest.js";
import type { MessageState } from "../../../src/txn/message-state.js";
import { type MemoryMailbox, memorySide } from "../../unit/resync/memory-side.js";
import { tries } from "../tries.js";

const digester = new StateDigester(await openHash());
const signal = new AbortController().signal;

/** UIDs near each other, at the ends of chunks, and far away. */
const uids = fc.uniqueArray(
  fc.oneof(
    fc.integer({ min: 1, max: 400 }),
    fc.constantFrom(127, 128, 129, 255, 256, 2047, 2048, 32_768),
    fc.integer({ min: 1, max: 2 ** 31 }),
  ),
  { maxLength: 60 },
);

function stateOf(uid: number, variant: number): MessageState {
  return {
    ...{ uid: parseUid(uid), base: parseBaseName(`m${uid}.${variant === 3 ? "other" : "host"}`) },
    ...{ flags: variant === 1 ? 16 : 0, keywords: variant === 2 ? ["$Junk"] : [], odd: "", tail: "" },
    ...{ size: 100 + (variant === 4 ? 1 : 0), mtimeS: 1_700_000_000, fields: "" },
  };
}

/** Of a UID: on which sides it is, and in which variant. 0 is what both have. */
const fate = fc.record({ side: fc.constantFrom("both", "both", "both", "a", "b"), variant: fc.nat(4) });

interface Twin {
  readonly a: MemoryMailbox;
  readonly b: MemoryMailbox;
  readonly differing: ReadonlySet<number>;
}

function twins(guid: number): fc.Arbitrary<Twin> {
  return fc.tuple(uids, fc.array(fate, { minLength: 60, maxLength: 60 })).map(([all, fates]) => {
    const sorted = all.toSorted((x, y) => x - y);
    const [a, b]: [MessageState[], MessageState[]] = [[], []];
    const differing = new Set<number>();
    for (const [index, uid] of sorted.entries()) {
      const { side, variant } = fates[index] ?? { side: "both", variant: 0 };
      if (side !== "b") a.push(stateOf(uid, 0));
      if (side !== "a") b.push(stateOf(uid, side === "both" ? variant : 0));
      if (side !== "both" || variant !== 0) differing.add(uid);
    }
    const path = pathOf(guid);
    const uidNext = 2 ** 31 + 1;
    return { a: { path, guid, states: a, uidNext }, b: { path, guid, states: b, uidNext }, differing };
  });
}

function pathOf(guid: number): RawPath {
  const path = `.M${guid}`;
  if (!isRawPath(path)) throw new RangeError(path);
  return path;
}

const stores = fc.tuple(twins(1), twins(2), twins(3));

describe("a comparison by sums", () => {
  test.prop([stores], tries())("finds exactly the messages that differ", async (pairs) => {
    const sides = {
      a: memorySide(
        digester,
        pairs.map(({ a }) => a),
      ),
      b: memorySide(
        digester,
        pairs.map(({ b }) => b),
      ),
    };
    const { differences } = await compareStores(sides, signal);
    const found = new Map(differences.map(({ path, findings }) => [path, findings]));
    for (const { a, differing } of pairs) {
      const findings = found.get(a.path) ?? [];
      expect(findings.map((it) => (it.kind === "message" ? it.uid : it.kind))).toStrictEqual(
        [...differing].sort((x, y) => x - y),
      );
    }
  });

  test.prop([stores], tries())("asks for nothing but the sum where stores are equal", async (pairs) => {
    const questions: Record<string, number> = {};
    const own = pairs.map(({ a }) => a);
    const sides = { a: memorySide(digester, own), b: memorySide(digester, own, questions) };
    expect((await compareStores(sides, signal)).differences).toStrictEqual([]);
    expect(questions).toStrictEqual({ store: 1 });
  });

  test.prop(
    [stores, fc.infiniteStream(fc.nat(6)), fc.infiniteStream(fc.integer({ min: 0, max: 2 ** 32 }))],
    tries(200),
  )("ends, in a result or a refusal, whatever the other side says", async (pairs, choices, numbers) => {
    const honest = memorySide(
      digester,
      pairs.map(({ b }) => b),
    );
    const sides = {
      a: memorySide(
        digester,
        pairs.map(({ a }) => a),
      ),
      b: lying(honest, choices, numbers),
    };
    try {
      await compareStores(sides, signal);
    } catch (error) {
      expect(error).toBeInstanceOf(MailtwinError);
      expect(error).toMatchObject({ code: "compared-confused" });
    }
  });
});

/** Says what is right, or something near it: other counts and digests, marks twice, backwards, of UIDs that nobody asked for. */
function lying(honest: SummedSide, choices: Iterator<number>, numbers: Iterator<number>): SummedSide {
  const lies = () => choices.next().value === 0;
  const number = () => numbers.next().value as number;
  return {
    ...honest,
    async ranges(of, it) {
      const told = await honest.ranges(of, it);
      const others = told.map((sum) => (lies() ? { ...sum, count: number() } : sum));
      return lies() ? others.slice(1) : others;
    },
    async marks(of, it) {
      const told = await honest.marks(of, it);
      if (lies()) return told.toReversed();
      if (lies()) return [...told, ...told];
      const others = told.map((mark) => (lies() ? { ...mark, mark: BigInt(number()) } : mark));
      const stray = parseUid(1 + (number() % 2 ** 31));
      return lies() ? [...others, { uid: stray, mark: 1n }].sort((x, y) => x.uid - y.uid) : others;
    },
    async states(of, it) {
      const told = await honest.states(of, it);
      return lies() ? told.slice(1) : told;
    },
  };
}
