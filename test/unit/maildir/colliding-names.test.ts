/** Base names that somebody has chosen so that all have one hash: each is found, and no other. */
import { expect, test } from "vitest";
import { bytesOf, HEADER, uidlistOf } from "./uidlist-bytes.js";

const [C1, C2, ADDED] = [0xcc9e2d51, 0x1b873593, 0xe6546b64];
const BEGIN = "1700000000.M1P1.";
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** Long enough for all probes that are made, several times. */
const COLLIDING = 1000;

/** Of an odd number, modulo 2^32. */
function inverse(odd: number): number {
  let it = odd;
  for (let i = 0; i < 5; i++) it = Math.imul(it, 2 - Math.imul(odd, it));
  return it;
}
const rotated = (it: number, by: number): number => (it << by) | (it >>> (32 - by));
const scramble = (word: number): number => Math.imul(rotated(Math.imul(word, C1), 15), C2);
const unscramble = (it: number): number => Math.imul(rotated(Math.imul(it, inverse(C2)), 17), inverse(C1));
const mix = (hash: number, word: number): number => (Math.imul(rotated(hash ^ scramble(word), 13), 5) + ADDED) | 0;

function hashOf(name: string): number {
  const bytes = Buffer.from(name, "latin1");
  let hash = bytes.length;
  for (let at = 0; at < bytes.length; at += 4) hash = mix(hash, bytes.readInt32LE(at));
  return hash;
}

/** The last of two words of four letters is chosen so that the first one has no effect. */
function* collidingNames(): Generator<string> {
  const wanted = hashOf(`${BEGIN}abcdefgh`);
  const before = rotated(Math.imul(wanted - ADDED, inverse(5)), 19);
  const begun = [...BEGIN.matchAll(/.{4}/g)].reduce((hash, [word]) => mix(hash, Buffer.from(word).readInt32LE(0)), 24);
  for (const a of ALPHABET)
    for (const b of ALPHABET)
      for (const c of ALPHABET)
        for (const d of ALPHABET) {
          const last = Buffer.alloc(4);
          last.writeInt32LE(unscramble(before ^ mix(begun, Buffer.from(a + b + c + d).readInt32LE(0))));
          if (last.every((byte) => byte > 0x20 && byte !== 0x2f && byte !== 0x3a))
            yield BEGIN + a + b + c + d + last.toString("latin1");
        }
}

function take(count: number): { readonly names: readonly string[]; readonly other: string } {
  const names: string[] = [];
  for (const name of collidingNames()) {
    if (names.length === count) return { names, other: name };
    names.push(name);
  }
  throw new Error("there are not so many");
}

test("each of them is found, alone and among others, before and after the index has grown", () => {
  const { names, other } = take(COLLIDING);
  expect(new Set(names.map(hashOf))).toStrictEqual(new Set([hashOf(other)]));
  const uidlist = uidlistOf(HEADER, ...names.map((name, at) => `${at + 1} :${name}`));
  const all = () => names.map((name) => uidlist.indexOfBase(name));
  expect(all()).toStrictEqual(names.map((_, at) => at));
  expect([uidlist.indexOfBase(other), uidlist.indexOfName(`${names[700]}:2,S`, 24)]).toStrictEqual([-1, 700]);

  const honest = Array.from({ length: 3 * COLLIDING }, (_, at) => `1700000000.M${at}P1.host`);
  uidlist.extend(bytesOf(...honest.map((name, at) => `${COLLIDING + at + 1} :${name}`)));
  expect(all()).toStrictEqual(names.map((_, at) => at));
  expect(honest.map((name) => uidlist.indexOfBase(name))).toStrictEqual(honest.map((_, at) => COLLIDING + at));
  expect(uidlist.indexOfBase(other)).toBe(-1);
});

test("of two records of one such name the later counts, wherever the earlier is", () => {
  const { names } = take(COLLIDING);
  const uidlist = uidlistOf(HEADER, ...names.map((name, at) => `${at + 1} :${name}`));
  expect(uidlist.isShadowed(0)).toBe(false);
  const again = names.toReversed();
  uidlist.extend(bytesOf(...again.map((name, at) => `${COLLIDING + at + 1} :${name}`)));
  expect(again.map((name) => uidlist.indexOfBase(name))).toStrictEqual(again.map((_, at) => COLLIDING + at));
  expect(names.filter((_, at) => !uidlist.isShadowed(at))).toStrictEqual([]);
  expect(names.filter((_, at) => uidlist.isShadowed(COLLIDING + at))).toStrictEqual([]);
});
