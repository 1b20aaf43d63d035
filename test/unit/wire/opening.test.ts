/** What is said between the greeting and the link, and what a stranger can do there. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { fc } from "@fast-check/vitest";
import { beforeEach, describe, expect, test } from "vitest";
import { MailtwinError } from "../../../src/base/errors.js";
import { wireError } from "../../../src/wire/errors.js";
import { OpenedSchema, OpeningSchema } from "../../../src/wire/gen/opening_pb.js";
import { askToOpen, letOpen, type Opening, readOpening, refuseToOpen } from "../../../src/wire/opening.js";
import { openSocketPair } from "../../contract/socket-pair.js";
import { FakeClock } from "../../fake-clock.js";

const STORE: Opening = {
  role: "source",
  peer: "a",
  logId: "cd".repeat(16),
  target: { kind: "store", store: "mail" },
  root: { mode: 0o750, uid: 5000, gid: 5000 },
  lineage: ["cd".repeat(16), "01".repeat(16)],
};
const DIRECTORY: Opening = {
  role: "source",
  peer: "",
  logId: "",
  ...{ root: undefined, lineage: ["cd".repeat(16)] },
  target: {
    kind: "path",
    path: "/srv/m\xe4il",
    foreign: "keep",
    live: true,
    sourceId: "ab".repeat(16),
  },
};

const { signal } = new AbortController();
let clock: FakeClock;
let dialler: Socket;
let listener: Socket;
const end = (stream: Socket) => ({ stream, clock, peer: "mail-b" });
const framed = (bytes: Uint8Array) => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

async function readAll(socket: Socket, count: number): Promise<Buffer> {
  for (;;) {
    const bytes = socket.read(count) as Buffer | null;
    if (bytes !== null) return bytes;
    await once(socket, "readable");
  }
}

beforeEach(async () => {
  clock = new FakeClock();
  [dialler, listener] = await openSocketPair();
  for (const socket of [dialler, listener]) socket.on("error", () => undefined);
});

describe("an opening", () => {
  test.each([STORE, DIRECTORY])("comes as it was said, and leaves what follows in the stream", async (opening) => {
    const asked = askToOpen(end(dialler), opening, signal);
    expect(await readOpening(end(listener), signal)).toStrictEqual(opening);
    const source = { root: { mode: 0o700, uid: 1, gid: 2 }, logId: "ef".repeat(16), lineage: ["23".repeat(16)] };
    letOpen(end(listener), source);
    listener.write("frames");
    expect(await asked).toStrictEqual(source);
    expect((await readAll(dialler, 6)).toString()).toBe("frames");
  });

  test("that is refused is told why, with the code, the hint and the exit code of the other end", async () => {
    const asked = askToOpen(end(dialler), STORE, signal);
    await readOpening(end(listener), signal);
    refuseToOpen(end(listener), wireError("link-refused", 'no store "mail"'));
    const error = await asked.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(MailtwinError);
    expect(error).toMatchObject({ code: "link-refused", exitCode: 77 });
    expect((error as Error).message).toBe('opening a link with mail-b: it says: no store "mail"');
  });

  test("the words of a hostile end are shown escaped and cut, its code only if it looks like one", async () => {
    const asked = askToOpen(end(dialler), STORE, signal);
    const words = `\u001b[31m${"x".repeat(9_000)}`;
    const refusal = { code: "Evil\ncode", message: words, hint: "\u0007", disposition: "?", exitCode: 4_000_000 };
    listener.write(framed(toBinary(OpenedSchema, create(OpenedSchema, { refusal }))));
    const error = (await asked.catch((reason: unknown) => reason)) as MailtwinError;
    expect(error.code).toBe("link-refused");
    expect(error.exitCode).toBe(76);
    expect(error.message.length).toBeLessThan(2_100);
    expect(`${error.message}${error.hint}`).not.toMatch(/\p{Cc}/u);
  });
});

describe("an answer", () => {
  const answer = (fields: Parameters<typeof create<typeof OpenedSchema>>[1]) =>
    listener.write(framed(toBinary(OpenedSchema, create(OpenedSchema, fields))));

  test("of a release that tells no lineage is one", async () => {
    const asked = askToOpen(end(dialler), { ...STORE, role: "replica" }, signal);
    answer({ logId: "ef".repeat(16) });
    expect(await asked).toStrictEqual({ root: undefined, logId: "ef".repeat(16), lineage: [] });
  });

  test.each([
    ["a lineage of what is no identity", { lineage: ["../x"] }],
    ["a long lineage", { lineage: Array<string>(17).fill("ab".repeat(16)) }],
    ["a log that is none", { logId: "x" }],
  ])("with %s is refused", async (_what, fields) => {
    const asked = askToOpen(end(dialler), { ...STORE, role: "replica" }, signal);
    answer(fields);
    await expect(asked).rejects.toMatchObject({ code: "wire-invalid" });
  });
});

describe("what is no opening", () => {
  const pb = (fields: Parameters<typeof create<typeof OpeningSchema>>[1]) =>
    framed(toBinary(OpeningSchema, create(OpeningSchema, fields)));
  const path = { path: Buffer.from("/x"), foreign: "keep", live: false, sourceId: "ab".repeat(16) };
  const root = { mode: 0o700, uid: 0, gid: 0 };

  test.each([
    ["a length above the limit", Buffer.from([0xff, 0xff])],
    ["bytes that are no message", framed(Buffer.from("mail\xff\xff", "latin1"))],
    ["no role", pb({ peer: "a", target: { case: "store", value: "mail" } })],
    ["another role", pb({ role: "root", target: { case: "store", value: "mail" } })],
    ["no target", pb({ role: "source" })],
    ["a long name", pb({ role: "source", peer: "x".repeat(65), target: { case: "store", value: "mail" } })],
    ["a long store", pb({ role: "source", target: { case: "store", value: "x".repeat(65) } })],
    ["an empty path", pb({ role: "source", target: { case: "path", value: { ...path, path: Buffer.alloc(0) } } })],
    [
      "a path with NUL",
      pb({ role: "source", target: { case: "path", value: { ...path, path: Buffer.from("/a\0b") } } }),
    ],
    [
      "an unknown wish for foreign mail",
      pb({ role: "source", target: { case: "path", value: { ...path, foreign: "eat" } } }),
    ],
    [
      "a source without an identity",
      pb({ role: "source", target: { case: "path", value: { ...path, sourceId: "../x" } } }),
    ],
    [
      "a lineage of what is no identity",
      pb({ role: "source", target: { case: "path", value: path }, lineage: ["../x"] }),
    ],
    [
      "a long lineage",
      pb({ role: "source", target: { case: "store", value: "mail" }, lineage: Array(17).fill("ab".repeat(16)) }),
    ],
    [
      "a mode that is none",
      pb({ role: "source", root: { ...root, mode: 0o10000 }, target: { case: "path", value: path } }),
    ],
    [
      "the owner -1",
      pb({ role: "source", root: { ...root, uid: 0xffff_ffff }, target: { case: "path", value: path } }),
    ],
  ])("%s is refused, and the stream destroyed", async (_what, bytes) => {
    dialler.write(bytes);
    await expect(readOpening(end(listener), signal)).rejects.toMatchObject({ code: "wire-invalid" });
    expect(listener.destroyed).toBe(true);
  });

  test("any bytes end in an opening or an error, and within the limit", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const [mine, theirs] = await openSocketPair();
        for (const socket of [mine, theirs]) socket.on("error", () => undefined);
        theirs.end(bytes);
        const read = readOpening({ stream: mine, clock, peer: "x" }, signal);
        const outcome = await read.catch((error: unknown) => (error as MailtwinError).code);
        expect(["wire-invalid", "link-closed", "object"]).toContain(typeof outcome === "object" ? "object" : outcome);
        mine.destroy();
      }),
      { numRuns: 40 },
    );
  });
});

test("who says nothing is waited for a while, and no longer", async () => {
  const read = readOpening(end(listener), signal);
  const failed = expect(read).rejects.toMatchObject({ code: "link-closed" });
  await clock.advance(15_001);
  await failed;
  expect(clock.timerCount).toBe(0);
});

test("who hangs up in the middle is told of as such", async () => {
  dialler.end(Buffer.from([0, 50, 1, 2]));
  await expect(readOpening(end(listener), signal)).rejects.toMatchObject({ code: "link-closed" });
});
