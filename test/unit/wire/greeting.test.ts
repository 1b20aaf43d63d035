/** How two ends meet: what they agree on, and what a stranger gets to hear. */
import type { Socket } from "node:net";
import { beforeEach, describe, expect, test } from "vitest";
import { encodeFrame } from "../../../src/wire/frames.js";
import { agreeOn, encodeGreeting, type Greeting, greet, greetingOf } from "../../../src/wire/greeting.js";
import { encodeMessage } from "../../../src/wire/message-codec.js";
import { openStreamLink } from "../../../src/wire/stream-link.js";
import { openSocketPair } from "../../contract/socket-pair.js";
import { FakeClock } from "../../fake-clock.js";

const OURS: Greeting = {
  protocolMin: 2,
  protocolMax: 4,
  software: "mailtwin 0.9",
  capabilities: ["deflate", "blocks"],
};

describe("agreeOn", () => {
  test.each([
    [1, 3, 3],
    [4, 9, 4],
    [2, 2, 2],
  ])("with an end that speaks %i to %i it is %i", (protocolMin, protocolMax, protocol) => {
    expect(agreeOn(OURS, { ...OURS, protocolMin, protocolMax }, "b").protocol).toBe(protocol);
  });

  test.each([
    [1, 1, "1"],
    [5, 6, "5 to 6"],
  ])("with one that speaks %i to %i there is none: both are named", (protocolMin, protocolMax, range) => {
    const theirs = { ...OURS, protocolMin, protocolMax, software: "mailtwin 9.0" };
    expect(() => agreeOn(OURS, theirs, "mail-b")).toThrow(
      `greeting mail-b: it (mailtwin 9.0) speaks protocol ${range}, this end (mailtwin 0.9) speaks 2 to 4`,
    );
  });

  test("is done what both can; what only one knows is no matter", () => {
    const { capabilities } = agreeOn(OURS, { ...OURS, capabilities: ["zstd", "deflate"] }, "b");
    expect([...capabilities]).toStrictEqual(["deflate"]);
  });
});

describe("greet", () => {
  let clock: FakeClock;
  let mine: Socket;
  let peer: Socket;
  const { signal } = new AbortController();
  const greeted = () => greet({ stream: mine, clock, peer: "mail-b" }, OURS, signal);

  beforeEach(async () => {
    clock = new FakeClock();
    [mine, peer] = await openSocketPair();
    peer.on("error", () => undefined);
  });

  test("what shares a packet with the greeting is read, whatever reads it", async () => {
    const retry = { kind: "retry", id: 5, voidBelow: 0, giveUp: false } as const;
    const frame = encodeFrame({ kind: "message", parcel: encodeMessage(retry) });
    peer.write(Buffer.concat([encodeGreeting({ ...OURS, software: "other" }), ...frame]));
    expect(await greeted()).toStrictEqual({ protocol: 4, capabilities: new Set(OURS.capabilities), software: "other" });
    const link = openStreamLink({ stream: mine, clock, peer: "mail-b" });
    const { value } = await link.messages(signal)[Symbol.asyncIterator]().next();
    expect(value).toStrictEqual(retry);
    link.close();
  });

  test("a greeting that comes byte by byte", async () => {
    const agreed = greeted();
    for (const byte of encodeGreeting(OURS)) {
      peer.write(Uint8Array.of(byte));
      await new Promise(setImmediate);
    }
    expect((await agreed).protocol).toBe(4);
    expect(clock.timerCount).toBe(0);
    mine.destroy();
  });

  test("both ends greet at once: this release greets itself", async () => {
    const ours = greetingOf(["deflate"], "mailtwin 0.1.0");
    const ends = [mine, peer].map((stream) => greet({ stream, clock, peer: "it" }, ours, signal));
    for (const { capabilities } of await Promise.all(ends)) expect([...capabilities]).toStrictEqual(["deflate"]);
    mine.destroy();
  });

  const huge = Buffer.concat([Buffer.from("mailtwin\n"), Buffer.from([0xff, 0xff])]);
  const broken = Buffer.concat([Buffer.from("mailtwin\n"), Buffer.from([0, 2, 0xff, 0xff])]);
  const texts = (software: string, ...capabilities: readonly string[]) =>
    Buffer.from(encodeGreeting({ ...OURS, software, capabilities }));
  test.each([
    ["Last login: \x1b[31mtoday\n", "peer-not-mailtwin", 'it said "Last login: \\x1b[31mtoday\\x0a"'],
    ["* OK IMAP ready\r\n".repeat(100), "peer-not-mailtwin", "* OK IMAP ready"],
    ["hi", "peer-not-mailtwin", 'it said "hi"'],
    ["", "link-closed", "before it had said what it is"],
    ["mailt", "link-closed", "before it had said what it is"],
    [huge, "wire-invalid", "longer than the limit"],
    [broken, "wire-invalid", "not well-formed"],
    [texts("a\nb"), "wire-invalid", "the name of its software"],
    [texts("x".repeat(201)), "wire-invalid", "too long"],
    [texts("x", ...Array.from({ length: 65 }, () => "a")), "wire-invalid", "too many capabilities"],
    [Buffer.from(encodeGreeting({ ...OURS, protocolMin: 5 })), "wire-invalid", "its protocols are none"],
    [Buffer.from(encodeGreeting({ ...OURS, protocolMin: 5, protocolMax: 5 })), "protocol-differs", "speaks protocol 5"],
  ])("%j ends it", async (bytes, code, words) => {
    peer.end(bytes);
    await expect(greeted()).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
    expect(mine.destroyed).toBe(true);
    expect(clock.timerCount).toBe(0);
  });

  test("an end that says nothing is not waited for", async () => {
    const refused = expect(greeted()).rejects.toMatchObject({
      code: "link-closed",
      message: "greeting mail-b: it said nothing for 15 s",
    });
    await clock.advance(15_000);
    await refused;
    expect(mine.destroyed).toBe(true);
  });

  test("an abort ends it, with its reason", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const refused = expect(greet({ stream: mine, clock, peer: "b" }, OURS, stop.signal)).rejects.toBe(reason);
    stop.abort(reason);
    await refused;
    expect(mine.destroyed).toBe(true);
  });
});
