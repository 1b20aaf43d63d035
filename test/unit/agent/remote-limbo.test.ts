/** A replica that tells of its limbo what cannot be is not believed: rows and files ascend, names are those of their rows, bytes have hashes. */
import { describe, expect, test } from "vitest";
import { RemoteLimbo } from "../../../src/agent/remote-limbo.js";
import { hashOfBase } from "../../../src/apply/limbo-names.js";
import type { LimboAnswer, LimboPart, ToldRemoval } from "../../../src/wire/limbo.js";
import type { Ask } from "../../../src/wire/messages.js";
import { PARTS_BYTES_MAX } from "../../../src/wire/sums.js";
import { guid, path } from "./pair.js";

const NEVER = new AbortController().signal;
const A = guid("a");
const name = (uid: number, base = `b${uid}`) => `2026-11-29/${A}.${uid}.${hashOfBase(base)}`;
const row = (uid: number, more: Partial<ToldRemoval> = {}): ToldRemoval => ({
  ...{ name: name(uid), mailbox: A, path: path("u1"), uid, base: `b${uid}`, size: 3 },
  ...{ cause: "expunge", removedMs: 1_000 + uid, isThere: true, ...more },
});
const MAILBOX = `2026-11-29/${A}.mailbox`;

function limboThat(answer: LimboAnswer, asked: Ask[] = []): RemoteLimbo {
  return new RemoteLimbo({
    ask: async (ask) => {
      asked.push(ask);
      return answer;
    },
  });
}

const confused = { code: "compared-confused" };
const page = (rows: readonly ToldRemoval[], more = false): LimboAnswer => ({ kind: "limbo-page", rows, more });
const files = (...names: readonly string[]): LimboAnswer => {
  return { kind: "limbo-files", files: names.map((file) => ({ file, size: 1 })), more: false };
};

test("what can be is passed on", async () => {
  const asked: Ask[] = [];
  const rows = [row(1), row(2), row(3, { name: MAILBOX, uid: 0, base: "" }), row(4, { base: "" })];
  const after = { removedMs: 1_000, name: "" };
  expect(await limboThat(page(rows, true), asked).page(after, NEVER)).toEqual({ rows, more: true });
  expect(asked).toEqual([{ kind: "tell-limbo", after }]);
  expect(await limboThat(page([])).page(undefined, NEVER)).toEqual({ rows: [], more: false });
  expect(await limboThat(files("cur/a", "new/a")).files({ name: MAILBOX, after: "" }, NEVER)).toMatchObject({
    more: false,
  });
});

describe("a replica that", () => {
  test.each<[string, readonly ToldRemoval[], boolean]>([
    ["tells of a row twice", [row(1), row(1)], false],
    ["goes back in time", [row(2), row(1)], false],
    ["goes back by name", [row(2, { removedMs: 5_000 }), row(1, { removedMs: 5_000 })], false],
    ["begins before it was asked to", [row(1, { removedMs: 10 })], false],
    ["has pages without end and rows", [], true],
    ["gives a row the name of another mailbox", [row(1, { mailbox: guid("b") })], false],
    ["gives a row the name of another UID", [row(1, { uid: 2, base: "" })], false],
    ["gives a row the name of another message", [row(1, { base: "b2" })], false],
    ["calls a mailbox a message", [row(1, { name: MAILBOX })], false],
  ])("%s is not believed", async (_what, rows, more) => {
    await expect(limboThat(page(rows, more)).page({ removedMs: 20, name: "" }, NEVER)).rejects.toMatchObject(confused);
  });

  test.each<[string, LimboAnswer]>([
    ["tells of a file twice", files("cur/b", "cur/b")],
    ["goes back by name", files("new/a", "cur/b")],
    ["begins before it was asked to", files("cur/a")],
    ["has pages without end and files", { kind: "limbo-files", files: [], more: true }],
    ["answers something else", page([])],
  ])("%s is not believed", async (_what, answer) => {
    await expect(limboThat(answer).files({ name: MAILBOX, after: "cur/a" }, NEVER)).rejects.toMatchObject(confused);
  });

  const part = (size: number, length: number, hash: number): LimboPart => {
    return { size, mtimeS: 7, bytes: new Uint8Array(length), sha256: new Uint8Array(hash) };
  };
  test.each<[string, readonly LimboPart[]]>([
    ["sends nothing", []],
    ["sends more files than were asked for", [undefined, undefined, undefined]],
    ["sends a file in drops", [part(600, 1, 0)]],
    ["sends one in part, and then another", [part(600, 10, 0), part(600, 600, 32)]],
    ["sends more than is left", [part(600, 600, 32)]],
    ["sends the last byte without a hash", [part(600, 500, 0)]],
    ["sends a hash before the last byte", [part(2 * PARTS_BYTES_MAX, PARTS_BYTES_MAX, 32)]],
  ])("%s is not believed", async (_what, parts) => {
    const asked = [MAILBOX, MAILBOX].map((each, at) => ({ name: each, file: `cur/${at}` }));
    const limbo = limboThat({ kind: "limbo-parts", parts });
    await expect(limbo.parts({ files: asked, offset: 100 }, NEVER)).rejects.toMatchObject(confused);
  });

  test("sends what was asked for is believed", async () => {
    const parts = [part(600, 500, 32), part(2 * PARTS_BYTES_MAX, PARTS_BYTES_MAX - 500, 0)];
    const asked = [MAILBOX, MAILBOX].map((each, at) => ({ name: each, file: `cur/${at}` }));
    const limbo = limboThat({ kind: "limbo-parts", parts });
    expect(await limbo.parts({ files: asked, offset: 100 }, NEVER)).toBe(parts);
  });
});
