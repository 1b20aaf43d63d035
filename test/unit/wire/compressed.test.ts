/** A stream that travels compressed: what it costs, and what becomes of streams that are cut or are none. */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { deflateRawSync } from "node:zlib";
import { beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { openCompressed } from "../../../src/wire/compressed.js";
import { encodeFrame } from "../../../src/wire/frames.js";
import type { Link } from "../../../src/wire/link.js";
import { encodeMessage } from "../../../src/wire/message-codec.js";
import type { BodyPart } from "../../../src/wire/messages.js";
import { openStreamLink } from "../../../src/wire/stream-link.js";
import { openSocketPair } from "../../contract/socket-pair.js";
import { until } from "../../live/lab/until.js";

const part = (payload: Uint8Array): BodyPart => {
  return { kind: "body-part", id: 1, index: 0, offset: 0, last: false, sha256: new Uint8Array(0), payload };
};

describe("a compressed stream", () => {
  let raw: Socket;
  let peer: Socket;
  let link: Link;
  const { signal } = new AbortController();

  beforeEach(async () => {
    [raw, peer] = await openSocketPair();
    peer.on("error", () => undefined);
    link = openStreamLink({ stream: openCompressed(raw, systemClock), clock: systemClock, peer: "mail-b" });
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

  test("after the first 4 MiB a line that takes all is given it as it is; where it keeps the stream waiting it gets less", async () => {
    const other = openStreamLink({ stream: openCompressed(peer, systemClock), clock: systemClock, peer: "mail-a" });
    const reading = other.messages(signal)[Symbol.asyncIterator]();
    const bytes = 256 * 1024;
    const text = Buffer.from("a mail that is like all others. ".repeat(bytes / 32));
    const costOfNext = async (): Promise<number> => {
      const before = raw.bytesWritten;
      await link.send(part(text), signal);
      const { value } = await reading.next();
      expect(value?.kind === "body-part" && Buffer.from(value.payload).equals(text)).toBe(true);
      return raw.bytesWritten - before;
    };
    for (let sent = 0; sent < 4 * 1024 * 1024 - bytes; sent += bytes)
      expect(await costOfNext()).toBeLessThan(bytes / 20);
    await costOfNext(); // is judged with all before it.
    expect(await costOfNext()).toBeGreaterThan(bytes);
    link.close();
    other.close();
  });

  test("what came before a cut arrives, then the cut is told", async () => {
    const frames = [randomBytes(500), randomBytes(500)].flatMap((payload) => {
      return encodeFrame({ kind: "message", parcel: encodeMessage(part(payload)) });
    });
    const stream = deflateRawSync(Buffer.concat(frames));
    peer.end(stream.subarray(0, stream.length - 100));
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
    peer.write(bomb);
    await expect(next()).rejects.toMatchObject({
      code: "wire-invalid",
      message: expect.stringContaining("its kind, 0"),
    });
    await until("the connection to be closed", () => raw.destroyed);
    expect(bomb.length).toBeLessThan(1024 * 1024);
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
