/** What a link over a byte stream does when the stream, or the other end, is not as it should be. */
import type { Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SlabPool } from "../../../src/base/slab-pool.js";
import { OUTSTANDING_BYTES_MAX, WINDOW_BYTES } from "../../../src/wire/flow-window.js";
import { encodeFrame } from "../../../src/wire/frames.js";
import type { Link } from "../../../src/wire/link.js";
import { encodeMessage } from "../../../src/wire/message-codec.js";
import type { BodyPart, Retry, WireMessage } from "../../../src/wire/messages.js";
import { openStreamLink, STREAM_LINK_LIMITS } from "../../../src/wire/stream-link.js";
import { openSocketPair } from "../../contract/socket-pair.js";
import { FakeClock } from "../../fake-clock.js";
import { until } from "../../live/lab/until.js";

const retry = (lsn: number): Retry => ({ kind: "retry", id: lsn, voidBelow: 0, giveUp: false });
const part = (payload: Uint8Array): BodyPart => {
  return { kind: "body-part", id: 1, index: 0, offset: 0, last: false, sha256: new Uint8Array(0), payload };
};
const frameOf = (message: WireMessage): Uint8Array =>
  Buffer.concat(encodeFrame({ kind: "message", parcel: encodeMessage(message) }));

async function readAll(link: Link, signal: AbortSignal): Promise<WireMessage[]> {
  const read: WireMessage[] = [];
  for await (const message of link.messages(signal)) read.push(message);
  return read;
}

describe("a link over a stream", () => {
  let clock: FakeClock;
  let peer: Socket;
  let link: Link;
  let heard: Buffer[];
  const { signal } = new AbortController();

  beforeEach(async () => {
    clock = new FakeClock();
    heard = [];
    const [mine, theirs] = await openSocketPair();
    peer = theirs;
    peer.on("data", (bytes) => heard.push(bytes)).on("error", () => undefined);
    link = openStreamLink({ stream: mine, clock, peer: "mail-b" });
  });

  afterEach(() => {
    link.close();
    peer.destroy();
  });

  const turns = async () => {
    for (let turn = 0; turn < 50; turn++) await setImmediate();
  };

  test("a cut is told, after what came whole before it, to whoever reads, sends and waits", async () => {
    const reading = link.messages(signal)[Symbol.asyncIterator]();
    peer.write(frameOf(retry(1)));
    peer.end(frameOf(retry(2)).subarray(0, 9));
    expect((await reading.next()).value).toStrictEqual(retry(1));
    const cut = {
      code: "link-closed",
      message: expect.stringMatching(/^talking with mail-b: the connection was cut: /),
    };
    await expect(reading.next()).rejects.toMatchObject(cut);
    await expect(link.send(retry(3), signal)).rejects.toMatchObject(cut);
    expect(clock.timerCount).toBe(0);
  });

  test("why it is closed is the last message, also for a reader that waits, and what was sent is before it", async () => {
    const failure = { code: "ENOSPC", message: "m", hint: "h", disposition: "operator", exitCode: 74 };
    const other = openStreamLink({ stream: peer, clock, peer: "mail-a" });
    const reading = readAll(other, signal);
    await link.send(retry(1), signal);
    link.close(failure);
    link.close();
    expect(await reading).toStrictEqual([retry(1), { kind: "farewell", failure }]);
  });

  test.each([
    ["what is no frame", Buffer.from("bash: mailtwin: command not found\n"), "frame"],
    ["a frame with a wrong checksum", Buffer.concat([Buffer.alloc(4), frameOf(retry(1)).subarray(4)]), "checksum"],
    ["credit for what was never sent", Buffer.concat(encodeFrame({ kind: "credit", bytes: 1 })), "more than was sent"],
  ])("%s ends the link, and the stream", async (_, bytes, words) => {
    peer.write(bytes);
    const invalid = { code: "wire-invalid", message: expect.stringContaining(words) };
    await expect(readAll(link, signal)).rejects.toMatchObject(invalid);
    await expect(link.send(retry(1), signal)).rejects.toMatchObject(invalid);
    await until("the stream to be closed", () => peer.destroyed || peer.readableEnded);
    expect(clock.timerCount).toBe(0);
  });

  test("a peer that sends more than its window ends the link; no more than that is held", async () => {
    const frame = frameOf(part(new Uint8Array(1024 * 1024)));
    for (let sent = 0; sent <= OUTSTANDING_BYTES_MAX; sent += frame.length) peer.write(frame);
    await expect(
      (async () => {
        await until("the link to end", () => peer.destroyed || peer.readableEnded);
        return readAll(link, signal);
      })(),
    ).rejects.toMatchObject({ code: "wire-invalid", message: expect.stringContaining("more than it may") });
  });

  test("sends wait at the window's end, whatever the stream would take, until the peer has read", async () => {
    let taken = 0;
    const sending = (async () => {
      for (let i = 0; i < 12; i++) {
        await link.send(part(new Uint8Array(1024 * 1024)), signal);
        taken += 1;
      }
    })();
    await until("the window to be full", () => heard.reduce((sum, { length }) => sum + length, 0) > 3 * 1024 * 1024);
    await turns();
    expect(taken).toBe(3);
    peer.write(Buffer.concat(encodeFrame({ kind: "credit", bytes: WINDOW_BYTES / 2 })));
    await until("more to be taken", () => taken >= 5);
    link.close();
    await expect(sending).rejects.toMatchObject({ code: "link-closed" });
  });

  test("memory that circulates is given back when its bytes are out, and when they are not sent", async () => {
    const pool = new SlabPool({ slabBytes: 1000, slabsMax: 1 });
    const slab = pool.take();
    slab?.fill(7);
    await link.send(part(slab ?? new Uint8Array(0)), signal);
    await until("the slab to be free", () => pool.take() !== undefined);
    await until("the bytes", () => Buffer.concat(heard).includes(Buffer.alloc(1000, 7)));
    const other = new SlabPool({ slabBytes: 10, slabsMax: 1 });
    const unsent = other.take();
    link.close();
    await expect(link.send(part(unsent ?? new Uint8Array(0)), signal)).rejects.toMatchObject({ code: "link-closed" });
    expect(other.take()).toBeDefined();
  });

  test("an end that is silent says that it is alive; one that is unheard of for too long is gone", async () => {
    const reading = readAll(link, signal);
    const gone = expect(reading).rejects.toMatchObject({
      code: "link-closed",
      message: expect.stringContaining("nothing was heard of it for 35 s"),
    });
    const { aliveMs } = STREAM_LINK_LIMITS;
    const alive = Buffer.concat(encodeFrame({ kind: "alive" }));
    for (let beat = 1; beat <= 6; beat++) {
      await clock.advance(aliveMs);
      if (beat <= 5) await until("a sign of life", () => Buffer.concat(heard).length >= beat * alive.length);
      if (beat <= 2) peer.write(alive);
      await turns();
    }
    await gone;
    expect(Buffer.concat(heard)).toStrictEqual(Buffer.concat(Array.from({ length: 5 }, () => alive)));
    expect(clock.timerCount).toBe(0);
  });

  test("an end that dribbles in the middle of a message is gone, whatever signs of life that gives", async () => {
    const reading = readAll(link, signal);
    const gone = expect(reading).rejects.toMatchObject({
      code: "link-closed",
      message:
        "talking with mail-b: the connection was cut: of a message that it had begun it sent no 4096 bytes in 120 s",
    });
    const frame = frameOf(part(new Uint8Array(64 * 1024)));
    const { aliveMs } = STREAM_LINK_LIMITS;
    let at = 0;
    const dribble = async (bytes: number, beats: number) => {
      for (let beat = 0; beat < beats && !peer.destroyed; beat++) {
        peer.write(frame.subarray(at, at + bytes));
        at += bytes;
        await turns();
        await clock.advance(aliveMs);
      }
    };
    await dribble(512, 60); // ten minutes: slow, and it gets on.
    expect(peer.readableEnded).toBe(false);
    await dribble(10, 14);
    await gone;
    expect(clock.timerCount).toBe(0);
  });

  test("a closed link does not wait for an end that never closes", async () => {
    peer.pause();
    link.close();
    await turns();
    await clock.advance(STREAM_LINK_LIMITS.lingerMsMax);
    peer.resume();
    await until("the stream to be gone", () => peer.destroyed || peer.readableEnded);
    expect(clock.timerCount).toBe(0);
  });

  test.each(["before", "after"])(
    "a peer that says that it ends %s this end does, and never closes, is given up",
    async (when) => {
      const [mine, theirs] = await openSocketPair();
      theirs.allowHalfOpen = true;
      theirs.on("data", () => undefined).on("error", () => undefined);
      const own = openStreamLink({ stream: mine, clock, peer: "mail-c" });
      if (when === "after") own.close();
      theirs.write(Buffer.concat(encodeFrame({ kind: "end" })));
      if (when === "before") expect(await readAll(own, signal)).toStrictEqual([]);
      await until("its word has come", () => mine.bytesRead > 0);
      await turns();
      own.close();
      expect(mine.destroyed).toBe(false);
      await clock.advance(STREAM_LINK_LIMITS.lingerMsMax);
      expect(mine.destroyed).toBe(true);
      theirs.destroy();
      link.close();
      peer.destroy();
      await until("no timer is left", () => clock.timerCount === 0);
    },
  );

  test("what comes after the reader has left is dropped, and the peer may go on sending", async () => {
    peer.write(frameOf(retry(0)));
    for await (const message of link.messages(signal)) {
      expect(message).toStrictEqual(retry(0));
      break;
    }
    const frame = frameOf(part(new Uint8Array(1024 * 1024)));
    for (let i = 0; i < 3; i++) {
      const before = heard.length;
      peer.write(frame);
      await until("credit", () => heard.length > before);
    }
    await link.send(retry(1), signal); // it stands.
  });
});
