/** What bodies were when they were first read: the first word stays, of that message alone, whatever the file was before. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { KnownBodies, type NotedBody } from "../../../src/log/known-bodies.js";
import { parseBaseName, parseMailboxGuid, parseUid } from "../../../src/maildir/ids.js";

const [ONE, OTHER] = [parseMailboxGuid("1".repeat(32)), parseMailboxGuid("2".repeat(32))];
const hashOf = (digit: string) => digit.repeat(64);

let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mtl-known-"));
  path = join(dir, "source-bodies.db");
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function body(uid: number, digit: string, parts: Partial<NotedBody> = {}): NotedBody {
  const base = parseBaseName(`17.M${uid}.mx,S=5`);
  return { mailbox: ONE, uid: parseUid(uid), base, size: 2 ** 33 + uid, sha256: hashOf(digit), ...parts };
}

const nameOf = ({ uid, base }: NotedBody) => ({ uid, base });
const wordOf = ({ sha256, size }: NotedBody) => ({ sha256, size });

test("what was noted is known, by mailbox, UID and base name, after a restart too", () => {
  const bodies = [1, 127, 128, 300].map((uid) => body(uid, "a"));
  {
    using known = new KnownBodies(path);
    known.note(bodies);
    known.note([body(128, "c", { mailbox: OTHER })]);
  }
  using known = new KnownBodies(path);
  expect(known.read(ONE, bodies.map(nameOf))).toStrictEqual(bodies.map(wordOf));
  expect(known.read(OTHER, [nameOf(body(128, "c")), nameOf(body(1, "a"))])).toStrictEqual([
    wordOf(body(128, "c")),
    undefined,
  ]);
  expect(known.read(ONE, [{ uid: parseUid(1), base: parseBaseName("another") }])).toStrictEqual([undefined]);
});

test("the first word stays, unless another is to stand instead; one of another message takes its place", () => {
  using known = new KnownBodies(path);
  const first = body(5, "a");
  known.note([first]);
  known.note([body(5, "b")]);
  expect(known.read(ONE, [nameOf(first)])).toStrictEqual([wordOf(first)]);
  known.note([body(5, "b")], { instead: true });
  expect(known.read(ONE, [nameOf(first)])).toStrictEqual([wordOf(body(5, "b"))]);
  const next = body(5, "c", { base: parseBaseName("next") });
  known.note([next]);
  expect(known.read(ONE, [nameOf(first), nameOf(next)])).toStrictEqual([undefined, wordOf(next)]);
});

test("what was noted is known by UID alone, and by base name alone, with each word that a name has", () => {
  using known = new KnownBodies(path);
  const base = parseBaseName("17.M9.mx");
  const bodies = [body(1, "a"), body(9, "b", { base }), body(130, "c", { base }), body(300, "d")];
  known.note([...bodies, body(1, "e", { mailbox: OTHER, base })]);
  expect([1, 9, 130].map((uid) => known.underUid(ONE, parseUid(uid)))).toStrictEqual(bodies.slice(0, 3).map(wordOf));
  expect([known.underUid(ONE, parseUid(2)), known.underUid(OTHER, parseUid(300))]).toStrictEqual([
    undefined,
    undefined,
  ]);
  const byBase = known.byBase(ONE);
  expect(byBase(base)).toStrictEqual(bodies.slice(1, 3).map(wordOf));
  expect(byBase(bodies[3]?.base ?? base)).toStrictEqual([wordOf(body(300, "d"))]);
  expect(byBase(parseBaseName("another"))).toStrictEqual([]);
  using nothing = new KnownBodies(undefined);
  expect([nothing.underUid(ONE, parseUid(1)), nothing.byBase(ONE)(base)]).toStrictEqual([undefined, []]);
});

test("of a copy is known what was known of what it was made of, also where that is a copy, and if it has that size", () => {
  using known = new KnownBodies(path);
  const first = body(5, "a");
  const copyOf = (of: NotedBody, uid: number, size = of.size) => {
    const { mailbox, uid: from, base } = of;
    const copy = body(uid, "a", { mailbox: OTHER, size });
    return { mailbox: OTHER, uid: copy.uid, base: copy.base, size, origin: { mailbox, uid: from, base } };
  };
  known.note([first]);
  const [one, wrong, stranger] = [copyOf(first, 1), copyOf(first, 2, 9), copyOf(body(6, "b"), 3)];
  const again = { ...copyOf(first, 4), origin: { mailbox: OTHER, uid: one.uid, base: one.base } };
  known.noteCopies([one, wrong, stranger, again]);
  const word = wordOf(first);
  expect(known.read(OTHER, [one, wrong, stranger, again])).toStrictEqual([word, undefined, undefined, word]);
  known.note([body(7, "c")]);
  known.noteCopies([{ ...one, size: body(7, "c").size, origin: { mailbox: ONE, ...nameOf(body(7, "c")) } }]);
  expect(known.read(OTHER, [one]), "the first word stays").toStrictEqual([word]);
});

test("mailboxes that are gone are forgotten", () => {
  using known = new KnownBodies(path);
  known.note([body(5, "a"), body(5, "b", { mailbox: OTHER })]);
  known.keepOnly(new Set([OTHER]));
  expect(known.read(ONE, [nameOf(body(5, "a"))])).toStrictEqual([undefined]);
  expect(known.read(OTHER, [nameOf(body(5, "a"))])).toStrictEqual([wordOf(body(5, "b"))]);
});

test("a file that is damaged, or another's, is begun anew; who only reads leaves it as it is", () => {
  writeFileSync(path, "no database at all, but long enough to be read as a header of one ".repeat(4));
  const before = readFileSync(path);
  {
    using known = new KnownBodies(path, "read");
    expect(known.read(ONE, [nameOf(body(5, "a"))])).toStrictEqual([undefined]);
  }
  expect(readFileSync(path)).toStrictEqual(before);
  using known = new KnownBodies(path);
  known.note([body(5, "a")]);
  expect(known.read(ONE, [nameOf(body(5, "a"))])).toStrictEqual([wordOf(body(5, "a"))]);
});

test("where nothing can be kept nothing is known, and nothing fails", () => {
  for (const place of [undefined, join(dir, "missing", "x.db")]) {
    using known = new KnownBodies(place);
    known.note([body(5, "a")]);
    known.keepOnly(new Set());
    expect(known.read(ONE, [nameOf(body(5, "a"))])).toStrictEqual([undefined]);
  }
  expect(existsSync(join(dir, "missing"))).toBe(false);
});
