import { createHash } from "node:crypto";
import { appendFileSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { startWorker } from "../../../src/base/worker-rpc.js";
import { BodyReader } from "../../../src/capture/body-reader.js";
import { BODY_SMALL_BYTES_MAX, type BodyMethods } from "../../../src/capture/body-types.js";
import { parseBaseName, parseMailboxGuid, parseUid } from "../../../src/maildir/ids.js";
import { openBusyDisk } from "./busy-disk.js";
import { CaptureBench, rawPath } from "./capture-bench.js";
import { type FakeMailbox, openFakeStore } from "./fake-dovecot.js";

function openReader(): { reader: BodyReader; inbox: FakeMailbox } {
  const store = openFakeStore();
  return { reader: new BodyReader({ disk: openNodeDisk(), storeRoot: store.root }), inbox: store.create("alice") };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

const PATH = rawPath("alice");
const NOBODY = parseMailboxGuid("f".repeat(32));

function largeRequest(base: string) {
  return { mailbox: NOBODY, mailboxPath: PATH, uid: parseUid(1), base: parseBaseName(base) };
}

describe("many small bodies", () => {
  test("are found where the baseline saw them, in new/, without flags, or by a listing", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    const texts = ["hinted", "in new", "no flags", "listed"];
    const bases = [":2,S", "", ":2,", ":2,T"].map((info, index) => inbox.deliver({ info, body: texts[index] ?? "" }));
    bench.settle(inbox);
    inbox.setInfo(bases[3] ?? "", ":2,FS");
    const place = { disk: openNodeDisk(), storeRoot: bench.store.root };
    const mailbox = parseMailboxGuid(inbox.guid);
    const items = bases.map((base, index) => ({
      index: index + 7,
      uid: parseUid(index + 1),
      base: parseBaseName(base),
      sizeBytes: 8,
    }));
    for (const reader of [new BodyReader(place, bench.model.reader), new BodyReader(place)]) {
      expect(reader.readMany({ mailbox, mailboxPath: PATH, items, bytesMax: 1000 })).toEqual(
        texts.map((text, index) => ({
          index: index + 7,
          kind: "body",
          bytes: new TextEncoder().encode(text),
          sha256: sha256(text),
        })),
      );
    }
  });

  test("of mail that came a moment ago are found in new/ without a question, and elsewhere like any other", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    const bases = ["", ":2,S"].map((info) => parseBaseName(inbox.deliver({ info, body: "12345678" })));
    bench.settle(inbox);
    const asked: string[] = [];
    const state: ConstructorParameters<typeof BodyReader>[1] = {
      mailboxByGuid: (guid) => {
        asked.push("row");
        return bench.model.reader.mailboxByGuid(guid);
      },
      chunk: (...of) => {
        asked.push("chunk");
        return bench.model.reader.chunk(...of);
      },
    };
    const reader = new BodyReader({ disk: openNodeDisk(), storeRoot: bench.store.root }, state);
    const read = (n: number) => {
      const item = {
        index: n,
        uid: parseUid(n + 1),
        base: bases[n] ?? parseBaseName("none"),
        sizeBytes: 8,
        isFresh: true,
      };
      const request = { mailbox: parseMailboxGuid(inbox.guid), mailboxPath: PATH, items: [item], bytesMax: 1000 };
      return reader.readMany(request).map(({ kind }) => kind);
    };
    expect([read(0), asked.length]).toStrictEqual([["body"], 0]);
    expect([read(1), asked]).toStrictEqual([["body"], ["row", "chunk"]]);
  });

  test("of new mail are read where it is, without a listing; the others are left out", () => {
    const { reader, inbox } = openReader();
    const bases = ["", ":2,", ":2,S", ""].map((info) => inbox.deliver({ info, body: "12345678" }));
    inbox.expunge(bases[3] ?? "");
    symlinkSync("/etc/hostname", join(inbox.dir, "new", "9.link"));
    const grown = inbox.deliver({ body: "123456789" });
    const items = [...bases, "9.link", grown].map((base, index) => {
      return { index, uid: parseUid(index + 1), base: parseBaseName(base), sizeBytes: 8, isFresh: true };
    });
    const read = reader.readFresh({ mailboxPath: PATH, items });
    expect(read.map(({ uid, sha256: hash, bytes }) => [uid, hash, bytes.length])).toStrictEqual(
      [1, 2].map((uid) => [uid, sha256("12345678"), 8]),
    );
    expect(reader.readFresh({ mailboxPath: rawPath("nobody"), items })).toStrictEqual([]);
  });

  test("gone, large, linked and left for later are outcomes of that one body", () => {
    const { reader, inbox } = openReader();
    const gone = inbox.deliver();
    inbox.expunge(gone);
    const large = inbox.deliver({ info: ":2,", body: "x".repeat(BODY_SMALL_BYTES_MAX + 1) });
    const small = inbox.deliver({ info: ":2,", body: "12345678" });
    const next = inbox.deliver({ info: ":2,", body: "12345678" });
    symlinkSync("/etc/hostname", join(inbox.dir, "cur", "9.link:2,"));
    const items = [gone, large, "9.link", small, next].map((base, index) => ({
      index,
      uid: parseUid(index + 1),
      base: parseBaseName(base),
      sizeBytes: 8,
    }));
    expect(reader.readMany({ mailbox: NOBODY, mailboxPath: PATH, items, bytesMax: 10 })).toMatchObject([
      { kind: "gone" },
      { kind: "large", sizeBytes: BODY_SMALL_BYTES_MAX + 1 },
      { kind: "problem", problem: { code: "ELOOP" } },
      { kind: "body" },
      { kind: "later" },
    ]);
    const elsewhere = { mailbox: NOBODY, mailboxPath: rawPath("nobody"), items: items.slice(3), bytesMax: 10 };
    expect(reader.readMany(elsewhere)).toEqual([
      { index: 3, kind: "gone" },
      { index: 4, kind: "gone" },
    ]);
  });

  test("of a mailbox that is deleted at that moment are gone, and no failure, whenever that is", () => {
    for (const when of ["before it is listed", "while it is listed"]) {
      const store = openFakeStore();
      const busy = openBusyDisk();
      const reader = new BodyReader({ disk: busy.disk, storeRoot: store.root });
      const inbox = store.create("alice");
      const bases = [":2,FS", ":2,"].map((info) => inbox.deliver({ info, body: "12345678" }));
      const items = bases.map((base, index) => ({
        ...{ index, uid: parseUid(index + 1), base: parseBaseName(base), sizeBytes: 8 },
      }));
      const remove = () => rmSync(inbox.dir, { recursive: true });
      if (when === "while it is listed") busy.interrupt(remove, () => false);
      else busy.afterOpen(remove);
      const request = { mailbox: NOBODY, mailboxPath: PATH, items, bytesMax: 100 };
      expect([when, reader.readMany(request)]).toEqual([when, items.map(({ index }) => ({ index, kind: "gone" }))]);
    }
  });
});

describe("a large body", () => {
  test("is read in parts, survives its expunge, and is hashed if it was read in order", () => {
    const { reader, inbox } = openReader();
    const body = Buffer.alloc(3_000_000, "abcdefg").toString();
    const base = inbox.deliver({ info: ":2,RS", body });
    const opened = reader.openLarge(largeRequest(base));
    if (opened.kind !== "open") throw new Error("not opened");
    expect(opened.sizeBytes).toBe(3_000_000);
    unlinkSync(join(inbox.dir, "cur", `${base}:2,RS`));
    const { handle } = opened;
    const parts = [0, 1_000_000, 500_000, 2_000_000, 3_000_000].map((offset) =>
      reader.readPart({ handle, offset, length: 1_000_000 }),
    );
    expect(parts.map(({ length }) => length)).toEqual([1_000_000, 1_000_000, 1_000_000, 1_000_000, 0]);
    expect(Buffer.from(parts[3] ?? []).toString()).toBe(body.slice(2_000_000));
    expect(reader.closeLarge({ handle })).toEqual({ sha256: sha256(body), readBytes: 3_000_000 });
    expect(reader.openLarge(largeRequest(base))).toEqual({ kind: "gone" });
  });

  test("that changes its length, or was not read whole, has no digest", () => {
    const { reader, inbox } = openReader();
    const base = inbox.deliver({ info: ":2,", body: "0123456789" });
    const file = join(inbox.dir, "cur", `${base}:2,`);
    const open = (): number => {
      const opened = reader.openLarge(largeRequest(base));
      if (opened.kind !== "open") throw new Error("not opened");
      return opened.handle;
    };
    const [grown, skipped, cut] = [open(), open(), open()];
    reader.readPart({ handle: skipped, offset: 5, length: 5 });
    expect(reader.closeLarge({ handle: skipped })).toEqual({ readBytes: 0 });
    reader.readPart({ handle: grown, offset: 0, length: 10 });
    appendFileSync(file, "more");
    expect(reader.closeLarge({ handle: grown })).toEqual({ readBytes: 10 });
    truncateSync(file, 4);
    expect(() => reader.readPart({ handle: cut, offset: 0, length: 10 })).toThrow(/no longer has 10 bytes/);
    reader.closeLarge({ handle: cut });
  });
});

test("the worker moves bodies to its caller", async () => {
  const store = openFakeStore();
  const inbox = store.create("alice");
  const base = parseBaseName(inbox.deliver({ info: ":2,S", body: "across" }));
  const url = new URL("../../../dist/capture/body-worker.js", import.meta.url);
  await using worker = startWorker<BodyMethods>({ url, name: "body" });
  await worker.call("open", { storeRoot: store.root });
  const items = [{ index: 0, uid: parseUid(1), base, sizeBytes: 6 }];
  const reads = await worker.call("readMany", { mailbox: NOBODY, mailboxPath: PATH, items, bytesMax: 10 });
  expect(reads).toEqual([
    { index: 0, kind: "body", bytes: new TextEncoder().encode("across"), sha256: sha256("across") },
  ]);
  writeFileSync(join(inbox.dir, "cur", `${base}:2,S`), "rewritten in place");
  const opened = await worker.call("openLarge", largeRequest(base));
  if (opened.kind !== "open") throw new Error("not opened");
  const part = await worker.call("readPart", { handle: opened.handle, offset: 0, length: 100 });
  expect(new TextDecoder().decode(part)).toBe("rewritten in place");
  expect(await worker.call("closeLarge", { handle: opened.handle })).toMatchObject({
    sha256: sha256("rewritten in place"),
  });
});
