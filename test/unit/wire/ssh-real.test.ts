/** The ssh carrier with a real ssh and a real sshd. */
import type { Duplex } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { dialSsh } from "../../../src/wire/ssh-carrier.js";
import { openStreamLink } from "../../../src/wire/stream-link.js";
import { type Sshd, startSshd, whyNoSshd } from "./sshd.js";

const missing = whyNoSshd();

const coded = (code: string, words: string): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(words) });

describe.skipIf(missing !== undefined)(`an ssh carrier over a real sshd (${missing ?? "there is one"})`, () => {
  let sshd: Sshd;
  let stop: AbortController;

  beforeEach(async () => {
    sshd = await startSshd();
    stop = new AbortController();
  });

  afterEach(async () => {
    stop.abort(new Error("the test is over"));
    await sshd[Symbol.asyncDispose]();
  });

  function dial(...remoteCommand: string[]): Promise<Duplex> {
    const { address, program } = sshd;
    return dialSsh({ address, program, remoteCommand, clock: systemClock }, stop.signal);
  }

  async function ended(stream: Duplex): Promise<unknown> {
    if (!stream.closed) await new Promise((resolve) => void stream.once("close", resolve));
    return stream.errored;
  }

  test("carries any bytes both ways, and ends in order", async () => {
    const stream = await dial("cat");
    const sent = Buffer.from(Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * i) % 256));
    const parts: Buffer[] = [];
    stream.on("data", (bytes: Buffer) => void parts.push(bytes));
    stream.end(sent);
    expect(await ended(stream)).toBeNull();
    expect(Buffer.concat(parts).equals(sent)).toBe(true);
  });

  test("carries a link", async () => {
    const link = openStreamLink({ stream: await dial("cat"), clock: systemClock, peer: "the mirror" });
    const reading = link.messages(stop.signal)[Symbol.asyncIterator]();
    const message = { kind: "retry", id: 7, voidBelow: 0, giveUp: false } as const;
    await link.send(message, stop.signal);
    expect(await reading.next()).toStrictEqual({ done: false, value: message });
    link.close();
  });

  test("hands the words of the command on as they are", async () => {
    const stream = await dial("printf", "%s|", "it's", "$HOME", "", "--stdio");
    let heard = "";
    stream.on("data", (bytes) => (heard += String(bytes)));
    expect(await ended(stream)).toBeNull();
    expect(heard).toBe("it's|$HOME||--stdio|");
  });

  test("says what is lacking over there", async () => {
    const stream = await dial("/nonexistent/mailtwin", "serve", "--stdio");
    expect(await ended(stream.resume())).toEqual(coded("remote-missing", "/nonexistent/mailtwin"));
  });

  test("says so when the host is another one", async () => {
    sshd.pretendOtherHost();
    const stream = await dial("cat");
    expect(await ended(stream.resume())).toEqual(coded("ssh-failed", "Host key verification failed."));
  });

  test("says so when the user is not let in, and asks for no password", async () => {
    sshd.pretendOtherUser();
    const stream = await dial("cat");
    expect(await ended(stream.resume())).toEqual(coded("ssh-failed", "Permission denied (publickey"));
  });

  test("says so when nobody listens there", async () => {
    const { address, program } = sshd;
    const nowhere = { ...address, port: 1 };
    const stream = await dialSsh({ address: nowhere, program, clock: systemClock }, stop.signal);
    expect(await ended(stream.resume())).toEqual(coded("ssh-failed", "Connection refused"));
  });
});
