/** Files of a limbo over a link: they come whole, with their dates, or not at all, whatever is at the other end; and pages come to an end. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LimboSide } from "../../../../src/agent/limbo-side.js";
import { RemoteLimbo } from "../../../../src/agent/remote-limbo.js";
import { askOver, serveSums } from "../../../../src/agent/sums-link.js";
import { hashOfBase } from "../../../../src/apply/limbo-names.js";
import { systemClock } from "../../../../src/base/clock.js";
import { sha256 } from "../../../../src/base/hash.js";
import type { RawPath } from "../../../../src/base/raw-name.js";
import { filesOf, rowsOf } from "../../../../src/daemon/undelete/far-limbo.js";
import { fetchedFileName, fetchLimbo, type WantedFile } from "../../../../src/daemon/undelete/fetch-limbo.js";
import { parseMailboxGuid } from "../../../../src/maildir/ids.js";
import type { LimboPage, LimboPart, ToldRemoval } from "../../../../src/wire/limbo.js";
import { openMemoryLink } from "../../../../src/wire/memory-link.js";
import { PARTS_BYTES_MAX } from "../../../../src/wire/sums.js";
import { storeSide } from "../../resync/store-side.js";

const GUID = parseMailboxGuid("0123456789abcdef0123456789abcdef");
const MAILBOX = `2026-11-29/${GUID}.mailbox`;
let dir = "";
let stop: AbortController;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mtl-fetched-"));
  stop = new AbortController();
});
afterEach(() => {
  stop.abort(new Error("the test is over"));
  rmSync(dir, { recursive: true });
});

/** What is in the limbo, by the file's name in that mailbox. */
type Files = Readonly<Record<string, Uint8Array>>;

const NO_LIMBO: LimboSide = {
  page: async () => ({ rows: [], more: false }),
  files: async () => ({ files: [], more: false }),
  parts: async () => [],
};

/** Over a link at whose other end that answers. */
function limboOver(side: Partial<LimboSide>): RemoteLimbo {
  const link = openMemoryLink();
  serveSums(link.replica, storeSide(dir), stop.signal, { ...NO_LIMBO, ...side }).catch(() => undefined);
  return new RemoteLimbo(askOver(link.source, "b", systemClock).asker);
}

function partsOf(files: Files): LimboSide["parts"] {
  return async ({ files: asked, offset }) => {
    const parts: LimboPart[] = [];
    let left = PARTS_BYTES_MAX;
    for (const { file } of asked) {
      const whole = files[file];
      if (whole === undefined) {
        parts.push(undefined);
        continue;
      }
      const from = parts.length === 0 ? offset : 0;
      const bytes = whole.subarray(from, from + left);
      const isEnd = from + bytes.length === whole.length;
      parts.push({ size: whole.length, mtimeS: 1_500_000_000, bytes, sha256: isEnd ? sha256(whole) : Buffer.alloc(0) });
      left -= bytes.length;
      if (left === 0) break;
    }
    return parts;
  };
}

const wantedOf = (files: Files): WantedFile[] =>
  Object.entries(files).map(([file, bytes]) => ({ name: MAILBOX, file, size: bytes.length }));
const nameOf = (file: string) => fetchedFileName({ name: MAILBOX, file });
const fetched = () => readdirSync(dir).sort();

test("all of them, some at a time, in files that only this user can read, with their dates", async () => {
  const files: Files = {
    "cur/1": Buffer.from("a\nb\r\nc\n"),
    "cur/2": Buffer.from(""),
    "cur/3": randomBytes(2 * PARTS_BYTES_MAX + 5),
    "new/4": randomBytes(3 * PARTS_BYTES_MAX),
    "new/5": randomBytes(10),
  };
  const wanted = wantedOf(files);
  const limbo = limboOver({ parts: partsOf(files) });
  const turns: number[] = [];
  for (let at = 0; at < wanted.length; ) {
    const left = wanted.slice(at);
    const done = await fetchLimbo(limbo, left, dir, stop.signal);
    for (const [index, it] of done.entries()) {
      const bytes = files[left[index]?.file ?? ""] ?? Buffer.alloc(0);
      const lfs = [...bytes].filter((byte, i) => byte === 10 && bytes[i - 1] !== 13).length;
      expect(it).toEqual({
        ...{ why: undefined, sha256: sha256(bytes).toString("hex"), virtualSize: bytes.length + lfs },
      });
      const path = join(dir, nameOf(left[index]?.file ?? ""));
      expect(readFileSync(path).equals(bytes)).toBe(true);
      expect([statSync(path).mode & 0o777, statSync(path).mtimeMs]).toEqual([0o600, 1_500_000_000_000]);
    }
    turns.push(done.length);
    at += done.length;
  }
  expect(turns.length).toBeGreaterThan(1);
});

test("one that is gone, or has another size than was said, is named and not fetched; the others are", async () => {
  const files: Files = { "cur/1": Buffer.from("one"), "cur/2": Buffer.from("two"), "cur/3": Buffer.from("three") };
  const wanted = [...wantedOf(files), { name: MAILBOX, file: "cur/9", size: 4 }];
  const told = wanted.map((it) => (it.file === "cur/2" ? { ...it, size: 4 } : it));
  const done = await fetchLimbo(limboOver({ parts: partsOf(files) }), told, dir, stop.signal);
  expect(done.map(({ why }) => why)).toEqual([
    undefined,
    "its file in the limbo is not one of 4 bytes",
    undefined,
    "its file is gone from the limbo",
  ]);
  expect(fetched()).toEqual([nameOf("cur/1"), nameOf("cur/3")].sort());
});

describe("a replica that", () => {
  test("sends other bytes than those of its hash is not believed, and nothing of them stays", async () => {
    const files: Files = { "cur/1": randomBytes(PARTS_BYTES_MAX + 10), "cur/2": Buffer.from("two") };
    const parts: LimboSide["parts"] = async (of, signal) => {
      const honest = await partsOf(files)(of, signal);
      return honest.map((part) => (part === undefined ? part : { ...part, bytes: part.bytes.map((byte) => byte ^ 1) }));
    };
    const done = await fetchLimbo(limboOver({ parts }), wantedOf(files), dir, stop.signal);
    const why = "it changed in the limbo while it was read";
    expect(done).toEqual([{ why }, { why }]);
    expect(fetched()).toEqual([]);
  });

  test("says that a file has no end is asked for no more of it than one answer", async () => {
    const offsets: number[] = [];
    const parts: LimboSide["parts"] = async ({ offset }) => {
      offsets.push(offset);
      const bytes = new Uint8Array(PARTS_BYTES_MAX);
      return [{ size: 2 ** 50, mtimeS: 7, bytes, sha256: new Uint8Array(0) }];
    };
    const wanted = [{ name: MAILBOX, file: "cur/1", size: 3 }];
    const [done] = await fetchLimbo(limboOver({ parts }), wanted, dir, stop.signal);
    expect([done?.why, offsets, fetched()]).toEqual(["its file in the limbo is not one of 3 bytes", [0], []]);
  });

  test("says that a file is larger than mail can be is not asked for it", async () => {
    const asked: unknown[] = [];
    const files: Files = { "cur/1": Buffer.from("one"), "cur/3": Buffer.from("three") };
    const parts: LimboSide["parts"] = async (of, signal) => {
      asked.push(of.files.map(({ file }) => file));
      return partsOf(files)(of, signal);
    };
    const vast = { name: MAILBOX, file: "cur/2", size: 4 * 1024 ** 3 + 1 };
    const [one, three] = wantedOf(files);
    const done = await fetchLimbo(limboOver({ parts }), [one, vast, three] as never, dir, stop.signal);
    expect(done.map(({ why }) => why)).toEqual([undefined, "it is said to have 4294967297 bytes", undefined]);
    expect(asked).toEqual([["cur/1"], ["cur/3"]]);
    expect(fetched()).toEqual([nameOf("cur/1"), nameOf("cur/3")].sort());
  });

  test.each<[string, readonly LimboPart[]]>([
    ["sends nothing", []],
    ["sends a file in drops", [{ size: 3, mtimeS: 7, bytes: new Uint8Array(1), sha256: new Uint8Array(0) }]],
  ])("%s has the link ended, and no file is left", async (_what, parts) => {
    const wanted = [{ name: MAILBOX, file: "cur/1", size: 3 }];
    const limbo = limboOver({ parts: async () => parts });
    await expect(fetchLimbo(limbo, wanted, dir, stop.signal)).rejects.toMatchObject({ code: "compared-confused" });
    expect(fetched()).toEqual([]);
  });

  test("goes away in the middle of a file leaves nothing that counts as one", async () => {
    const files: Files = { "cur/1": randomBytes(2 * PARTS_BYTES_MAX) };
    const parts: LimboSide["parts"] = async (of, signal) => {
      if (of.offset > 0) stop.abort(new Error("cut"));
      return partsOf(files)(of, signal);
    };
    await expect(fetchLimbo(limboOver({ parts }), wantedOf(files), dir, stop.signal)).rejects.toThrow();
  });

  const row = (uid: number, removedMs: number): ToldRemoval => ({
    name: `2026-11-29/${GUID}.${uid}.${hashOfBase("b")}`,
    ...{ mailbox: GUID, path: "u1" as RawPath, uid, base: "b", size: 1, cause: "expunge", removedMs, isThere: true },
  });
  const pages = (page: (count: number) => LimboPage) => {
    let count = 0;
    return limboOver({ page: async () => page(count++) });
  };
  const rows = (limbo: RemoteLimbo) => rowsOf({ page: (after) => limbo.page(after, stop.signal) }, undefined);

  test("tells the same page for ever has the link ended at the second one", async () => {
    await expect(rows(pages(() => ({ rows: [row(1, 5)], more: true })))).rejects.toMatchObject({
      code: "compared-confused",
    });
  });

  test("tells of rows without end is believed up to a limit", async () => {
    let told = 0;
    const page = async (): Promise<LimboPage> => {
      return { rows: Array.from({ length: 10 }, () => row(1, ++told)), more: true };
    };
    await expect(rowsOf({ page }, undefined, 95)).rejects.toMatchObject({ code: "compared-confused" });
    expect(told).toBe(100);
  });

  test("tells of rows whose paths have no end is believed up to a limit", async () => {
    const path = "x/".repeat(2_000).slice(0, -1) as RawPath;
    let told = 0;
    const page = async (): Promise<LimboPage> => {
      return { rows: Array.from({ length: 5_000 }, () => ({ ...row(1, ++told), path })), more: true };
    };
    await expect(rowsOf({ page }, undefined)).rejects.toMatchObject({ code: "compared-confused" });
    expect(told).toBeLessThan(100_000);
  });

  test("tells of files without end is believed up to a limit", async () => {
    let told = 0;
    const limbo = {
      files: async () => {
        const all = Array.from({ length: 10 }, () => ({ file: `cur/${String(++told).padStart(9, "0")}`, size: 1 }));
        return { files: all, more: true };
      },
    };
    const read = async () => {
      let count = 0;
      for await (const _ of filesOf(limbo, MAILBOX, { left: 95 })) count += 1;
      return count;
    };
    await expect(read()).rejects.toMatchObject({ code: "compared-confused" });
    expect(told).toBe(100);
  });

  test("tells of mailboxes without end is believed up to a limit of all their files", async () => {
    const files = Array.from({ length: 40 }, (_, at) => ({ file: `cur/${10 + at}`, size: 1 }));
    const limbo = { files: async () => ({ files, more: false }) };
    const budget = { left: 100 };
    const read = async () => {
      let count = 0;
      for await (const _ of filesOf(limbo, MAILBOX, budget)) count += 1;
      return count;
    };
    expect([await read(), await read()]).toEqual([40, 40]);
    await expect(read()).rejects.toMatchObject({ code: "compared-confused" });
  });

  test("what was asked for since a time begins there", async () => {
    const asked: unknown[] = [];
    const page = async (after: unknown): Promise<LimboPage> => {
      asked.push(after);
      return asked.length === 1 ? { rows: [row(1, 70)], more: true } : { rows: [row(2, 71)], more: false };
    };
    expect((await rowsOf({ page }, 69.5)).map(({ uid }) => uid)).toEqual([1, 2]);
    expect(asked).toMatchObject([{ removedMs: 69, name: "" }, { removedMs: 70 }]);
  });
});
