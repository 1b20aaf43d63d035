/** A stream that travels compressed: what it costs, and what becomes of streams that are cut or are none. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { openCompressed } from "../../../src/wire/compressed.js";
import { wireError } from "../../../src/wire/errors.js";
import { encodeFrame, type Frame } from "../../../src/wire/frames.js";
import type { Link } from "../../../src/wire/link.js";
import { encodeMessage } from "../../../src/wire/message-codec.js";
import type { BodyPart } from "../../../src/wire/messages.js";
import { openStreamLink } from "../../../src/wire/stream-link.js";
import { openSocketPair } from "../../contract/socket-pair.js";
import { until } from "../../live/lab/until.js";

const part = (payload: Uint8Array): BodyPart => {
  return { kind: "body-part", id: 1, index: 0, offset: 0, last: false, sha256: new Uint8Array(0), payload };
};

const framesOf = (...frames: Frame[]) => deflateRawSync(Buffer.concat(frames.flatMap(encodeFrame)));
const partFrame = (bytes: number): Frame => ({ kind: "message", parcel: encodeMessage(part(randomBytes(bytes))) });

describe("a compressed stream", () => {
  let raw: Socket;
  let peer: Socket;
  let stream: Duplex;
  let link: Link;
  const { signal } = new AbortController();

  beforeEach(async () => {
    [raw, peer] = await openSocketPair();
    peer.on("error", () => undefined);
    stream = openCompressed(raw, systemClock);
    link = openStreamLink({ stream, clock: systemClock, peer: "mail-b" });
  });

  const next = () => link.messages(signal)[Symbol.asyncIterator]().next();

  test("mails that are like those before them cost little; shared memory is read too", async () => {
    const other = openStreamLink({ stream: openCompressed(peer, systemClock), clock: systemClock, peer: "mail-a" });
    const reading = other.messages(signal)[Symbol.asyncIterator]();
    const mail = new Uint8Array(new SharedArrayBuffer(6_064), 64);
    mail.set(Buffer.from(randomBytes(4_500).toString("base64")).subarray(0, 6_000));
    const costs: number[] = [];
    for (let i = 0; i < 3; i++) {
      const before = raw.bytesWritten;
      await link.send(part(mail.slice()), signal);
      const { value } = await reading.next();
      expect(Buffer.from(value?.kind === "body-part" ? value.payload : [])).toStrictEqual(Buffer.from(mail));
      costs.push(raw.bytesWritten - before);
    }
    expect(costs[0]).toBeLessThan(5_500);
    expect(Math.max(...costs.slice(1))).toBeLessThan(400);
    link.close();
    other.close();
  });

  test("what came before a cut arrives, then the cut is told", async () => {
    const sent = framesOf(partFrame(500), partFrame(500));
    peer.end(sent.subarray(0, sent.length - 100));
    const reading = link.messages(signal)[Symbol.asyncIterator]();
    expect((await reading.next()).value).toMatchObject({ kind: "body-part" });
    await expect(reading.next()).rejects.toMatchObject({ code: "link-closed" });
    await until("the connection to be closed", () => raw.destroyed);
  });

  test("what is not compressed ends it", async () => {
    peer.write(Buffer.from("\xff\xff\xff\xff220 mail.example.org ESMTP\r\n", "latin1"));
    await expect(next()).rejects.toMatchObject({
      code: "wire-invalid",
      message: expect.stringMatching(/^unpacking what the other end sends: /),
    });
    await until("the connection to be closed", () => raw.destroyed);
  });

  test("a few bytes that would be gigabytes are not unpacked beyond the first frame that is none", async () => {
    const bomb = deflateRawSync(Buffer.alloc(256 * 1024 * 1024));
    let unpacked = 0;
    stream.on("data", (bytes: Buffer) => {
      unpacked += bytes.length;
    });
    peer.write(bomb);
    await expect(next()).rejects.toMatchObject({
      code: "wire-invalid",
      message: expect.stringContaining("its kind, 0"),
    });
    await until("the connection to be closed", () => raw.destroyed);
    expect(bomb.length).toBeLessThan(1024 * 1024);
    expect(unpacked).toBeLessThanOrEqual(64 * 1024);
  });

  test("one that ends while the level is changed ends nothing else", async () => {
    let isArmed = false;
    const onJudged = (): void => void stream.destroy();
    const clock = {
      monotonicMs: () => {
        if (isArmed) process.nextTick(onJudged); // by when the change is under way.
        return 0;
      },
    };
    peer.resume();
    const stream = openCompressed(raw, clock);
    const closed = new Promise<void>((resolve) => stream.once("close", resolve));
    isArmed = true;
    stream.write(Buffer.alloc(5 * 1024 * 1024)); // next to nothing on the line, which is not asked for its time before it is judged.
    await closed;
    await until("the connection to be closed", () => raw.destroyed);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  });

  test("a connection that is lost is told", async () => {
    const reading = next();
    peer.destroy();
    await expect(reading).rejects.toMatchObject({ code: "link-closed" });
  });
});

/** One end of a line, as the test plays it. `take`: what becomes of a piece that is written. */
function openLine(take: (bytes: Buffer, done: () => void) => void, allowHalfOpen = true, room = 1): Duplex {
  return new Duplex({
    ...{ allowHalfOpen, writableHighWaterMark: room, read: () => undefined },
    write: (bytes: Buffer, _encoding, done) => take(bytes, done),
  });
}

describe("a line", () => {
  const { signal } = new AbortController();
  const MIB = 1024 * 1024;
  const PIECE = 64 * 1024;
  const taken: Buffer[] = [];
  const uncaught: unknown[] = [];
  const noteUncaught = (error: unknown) => void uncaught.push(error);

  beforeEach(() => {
    taken.length = 0;
    uncaught.length = 0;
    process.on("uncaughtExceptionMonitor", noteUncaught);
  });

  afterEach(() => void process.off("uncaughtExceptionMonitor", noteUncaught));

  test("that takes nothing for a while is ended behind all that was written", async () => {
    const waiting: (() => void)[] = [];
    const line = openLine((bytes, done) => {
      taken.push(bytes);
      waiting.push(done);
    });
    const bytes = randomBytes(300 * 1024);
    const stream = openCompressed(line, systemClock);
    const finished = once(stream.end(bytes), "finish");
    for (; !line.writableFinished && !line.destroyed; waiting.shift()?.()) await turn();
    await finished;
    expect(line.writableFinished).toBe(true);
    expect(inflateRawSync(Buffer.concat(taken)).equals(bytes)).toBe(true);
    stream.destroy();
  });

  test("that fails is heard out first: the other end may have said why", async () => {
    const line = openLine((_, done) => done());
    const link = openStreamLink({ stream: openCompressed(line, systemClock), clock: systemClock, peer: "b" });
    const reading = link.messages(signal)[Symbol.asyncIterator]();
    await turn();
    line.push(framesOf(partFrame(200_000)));
    await Promise.resolve();
    line.destroy(wireError("remote-ended", "connecting to b: it ended"));
    expect((await reading.next()).value).toMatchObject({ kind: "body-part" });
    await expect(reading.next()).rejects.toMatchObject({ code: "remote-ended" });
  });

  test("that the other end has closed for good is heard out, whatever this end has still to say", async () => {
    const line = openLine((_, done) => done(), false);
    const stream = openCompressed(line, systemClock);
    const link = openStreamLink({ stream, clock: systemClock, peer: "b" });
    const messages = Array.from({ length: 400 }, () => partFrame(2_000));
    line.push(framesOf(...messages, { kind: "end" }));
    line.push(null);
    const saying = (async () => {
      for (;;) await link.send(part(randomBytes(100)), signal);
    })();
    const ended = expect(saying).rejects.toMatchObject({ code: "link-closed" });
    let heard = 0;
    for await (const message of link.messages(signal)) if (message.kind === "body-part") heard += 1;
    expect(heard).toBe(400);
    await ended;
    await until("the stream to be closed", () => stream.destroyed);
  });

  /** Cut for good, and time for whatever follows from that. */
  async function closed(...streams: readonly Duplex[]): Promise<void> {
    await until("all to be closed", () => streams.every((it) => it.closed));
    for (let turns = 0; turns < 20; turns++) await turn();
  }

  test("that is cut while it keeps the stream waiting ends nothing but the stream", async () => {
    const line = openLine(() => undefined);
    const stream = openCompressed(line, { monotonicMs: () => 0 });
    stream.write(randomBytes(5 * MIB), () => undefined);
    for (let turns = 0; turns < 20; turns++) await turn();
    stream.destroy();
    await closed(stream, line);
    expect(uncaught).toStrictEqual([]);
  });

  test("that is cut in the moment from which on it is compressed otherwise ends nothing but the stream", async () => {
    let [asked, cut] = [0, (): void => undefined];
    // Asked at the beginning, and when there are 4 MiB.
    const monotonicMs = () => {
      asked += 1;
      if (asked === 2) process.nextTick(cut);
      return 0;
    };
    const line = openLine((_, done) => done(), true, MIB);
    const stream = openCompressed(line, { monotonicMs });
    cut = () => void stream.destroy();
    stream.write(Buffer.alloc(4 * MIB), () => undefined);
    await closed(stream, line);
    expect([asked, uncaught]).toStrictEqual([2, []]);
  });

  test.each<[string, { waitMs: number; otherMs: number }, boolean]>([
    ["as it is where it comes quickly and is taken at once", { waitMs: 0, otherMs: 2 }, false],
    ["compressed where it comes quickly and is kept waiting", { waitMs: 2, otherMs: 0 }, true],
    ["compressed where it does not come quickly", { waitMs: 0, otherMs: 10 }, true],
  ])("is given what comes after the first 4 MiB %s", async (_how, first, isCompressed) => {
    let [nowMs, pace] = [0, first];
    const line = openLine((bytes, done) => {
      taken.push(bytes);
      void turn().then(() => {
        nowMs += pace.waitMs;
        done();
      });
    });
    const stream = openCompressed(line, { monotonicMs: () => nowMs });
    const all: Buffer[] = [];
    /** How many bytes so many take on the line. */
    const costOf = async (bytes: number): Promise<number> => {
      const before = line.writableLength + taken.reduce((sum, { length }) => sum + length, 0);
      for (let sent = 0; sent < bytes; sent += PIECE) {
        // Half of what is possible, whatever the level: nothing in it is like anything else.
        const piece = Buffer.from(randomBytes(PIECE / 2).toString("hex"), "latin1");
        all.push(piece);
        await new Promise<void>((resolve) => stream.write(piece, () => resolve()));
        // What is written is compressed by then, and waits for the line.
        for (let idle = 0; idle < 3; await turn()) idle = line.writableLength === 0 ? idle + 1 : 0;
        nowMs += pace.otherMs;
      }
      return taken.reduce((sum, { length }) => sum + length, 0) - before;
    };
    expect(await costOf(4 * MIB)).toBeLessThan(0.7 * 4 * MIB);
    const cost = await costOf(MIB);
    expect(cost < 0.7 * MIB).toBe(isCompressed);
    pace = isCompressed ? { waitMs: 0, otherMs: 2 } : { waitMs: 0, otherMs: 10 };
    await costOf(MIB); // is judged by that.
    expect((await costOf(MIB)) < 0.7 * MIB).toBe(!isCompressed);
    const unpacked = inflateRawSync(Buffer.concat(taken), { finishFlush: constants.Z_SYNC_FLUSH });
    expect(unpacked.equals(Buffer.concat(all))).toBe(true);
    stream.destroy();
  });
});
