/** Marks of a mailbox add up: of any span, as they would one by one, and whatever the seed. */
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { openHash } from "../../../src/base/hash.js";
import { StateDigester } from "../../../src/txn/digest.js";
import { MarkedUids } from "../../../src/txn/marked-uids.js";
import { tries } from "../tries.js";
import { mailboxState } from "./arbitraries.js";

const digester = new StateDigester(await openHash());
const half = fc.oneof(fc.constantFrom(0n, 1n, 2n ** 64n - 1n), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
const seeds = fc.oneof(fc.constantFrom(0, 1, 2 ** 32 - 1), fc.nat());

const marked = fc.tuple(
  fc.uniqueArray(fc.integer({ min: 1, max: 600 }), { maxLength: 400 }).map((uids) => uids.sort((a, b) => a - b)),
  fc.array(fc.record({ a: half, b: half }), { minLength: 400, maxLength: 400 }),
  fc.uniqueArray(fc.nat(600), { maxLength: 2 }),
);

test.prop([marked, seeds, fc.nat(601), fc.nat(601)], tries())(
  "the sum of a span is that of its messages, unless one is off",
  ([uids, halves, offs], seed, one, other) => {
    const all = new MarkedUids(seed);
    const [from, below] = [Math.min(one, other), Math.max(one, other)];
    let [sum, a, b, count] = [0n, 0n, 0n, 0];
    for (const [at, uid] of uids.entries()) {
      const pair = halves[at] ?? { a: 0n, b: 0n };
      all.add(uid, pair, offs.includes(uid));
      [a, b] = [BigInt.asUintN(64, a + pair.a), BigInt.asUintN(64, b + pair.b)];
      if (uid < from || uid >= below) continue;
      sum = BigInt.asUintN(48, sum + pair.a + BigInt(seed) * pair.b);
      count += 1;
    }
    const isOff = offs.some((uid) => uids.includes(uid) && uid >= from && uid < below);
    expect(all.sumIn(from, below)).toBe(isOff ? undefined : Number(sum));
    expect([all.count, all.countIn(from, below)]).toStrictEqual([uids.length, count]);
    expect(all.offs).toBe(offs.filter((uid) => uids.includes(uid)).length);
    const digest = Buffer.from(all.digest);
    expect([digest.readBigUInt64LE(0), digest.readBigUInt64LE(8)]).toStrictEqual([a, b]);
  },
);

test.prop([mailboxState, mailboxState, seeds], tries())(
  "states have equal sums where their digests are equal, and nowhere else",
  (one, other, seed) => {
    const [marks, others] = [one, other].map((states) => {
      const all = new MarkedUids(seed);
      for (const state of states) all.add(state.uid, digester.halvesWithFields(state));
      return [Buffer.from(all.digest).toString("hex"), all.sumIn(0, 100)];
    });
    expect(marks?.[1] === others?.[1]).toBe(marks?.[0] === others?.[0]);
  },
);

test.prop([half, half, half, seeds], tries())(
  "what one seed has equal by accident another has not, and the digest tells in any case",
  (a, b, delta, seed) => {
    const by = delta | 1n;
    const other = { a: BigInt.asUintN(64, a - BigInt(seed) * by), b: BigInt.asUintN(64, b + by) };
    const markOf = (of: { a: bigint; b: bigint }, itsSeed: number) => {
      const all = new MarkedUids(itsSeed);
      all.add(7, of);
      return { sum: all.sumIn(0, 8), digest: Buffer.from(all.digest).toString("hex") };
    };
    expect(markOf(other, seed).sum).toBe(markOf({ a, b }, seed).sum);
    const next = (seed + 1) % 2 ** 32;
    expect(markOf(other, next).sum).not.toBe(markOf({ a, b }, next).sum);
    expect(markOf(other, seed).digest).not.toBe(markOf({ a, b }, seed).digest);
  },
);
