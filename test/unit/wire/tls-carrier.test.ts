/** TLS over loopback: who gets in, who is refused by which code, and that nobody else is read from or harmed. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { connect as connectTls, createServer, type TLSSocket } from "node:tls";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock, unixMs } from "../../../src/base/clock.js";
import type { MailtwinError } from "../../../src/base/errors.js";
import type { TlsAddress } from "../../../src/wire/address.js";
import type { Listener } from "../../../src/wire/carrier.js";
import { pemOf, type SiteKey } from "../../../src/wire/keys.js";
import { dialTls } from "../../../src/wire/tls-carrier.js";
import { listenTls, type ShownToUs, TLS_LISTEN_LIMITS, type TlsArrival } from "../../../src/wire/tls-listener.js";
import { addressOf } from "./address-of.js";
import { makeSiteKey } from "./site-keys.js";

const LONG_AGO = unixMs(systemClock.nowMs() - 4000 * 86_400_000);

const coded = (code: string, words = ""): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(words) });

/** What the tests dial, with the port that it got. */
function whereOf(listener: Listener): TlsAddress {
  const address = addressOf(listener.address);
  if (address.kind !== "tls") throw new Error("a TLS listener has such an address");
  return address;
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await setImmediate();
}

/** Whether by an error or not. */
function closing(stream: Duplex): Promise<void> {
  return new Promise((resolve) => void stream.once("close", resolve));
}

async function readAll(stream: Duplex): Promise<string> {
  let text = "";
  for await (const bytes of stream) text += String(bytes);
  return text;
}

describe("a TLS carrier", () => {
  let site: SiteKey;
  let peer: SiteKey;
  let stranger: SiteKey;
  let stop: AbortController;
  let arrivals: TlsArrival[];
  let refusals: MailtwinError[];
  let refused: ShownToUs[];
  let open: (AsyncDisposable | { destroy(): void })[];

  beforeAll(async () => {
    [site, peer, stranger] = await Promise.all([makeSiteKey(), makeSiteKey(), makeSiteKey()]);
  });

  beforeEach(() => {
    stop = new AbortController();
    arrivals = [];
    refusals = [];
    refused = [];
    open = [];
  });

  afterEach(async () => {
    stop.abort(new Error("the test is over"));
    for (const it of open.reverse()) await ("destroy" in it ? it.destroy() : it[Symbol.asyncDispose]());
  });

  async function listen(known: readonly SiteKey[] = [peer], limits = {}, clock = systemClock): Promise<Listener> {
    const ports = {
      key: site,
      clock,
      peerNameOf: (name: string) => (known.some((key) => key.name === name) ? `peer ${known.length}` : undefined),
      onArrival: (arrival: TlsArrival) => void arrivals.push(arrival),
      onRefused: (error: MailtwinError, shown?: ShownToUs) => {
        refusals.push(error);
        if (shown !== undefined) refused.push(shown);
      },
    };
    const listener = await listenTls({ host: "127.0.0.1", port: 0 }, ports, { ...TLS_LISTEN_LIMITS, ...limits });
    open.push(listener);
    return listener;
  }

  function dial(address: TlsAddress, { key = peer, peerKey = site.name, dialMsMax = 10_000 } = {}): Promise<Duplex> {
    return dialTls({ address, key, peerKey, clock: systemClock, dialMsMax }, stop.signal);
  }

  /** A server that is not ours, and what it was sent. */
  async function listenOtherwise(take: (socket: Socket) => void): Promise<TlsAddress> {
    const server = createTcpServer((socket) => {
      open.push(socket);
      socket.on("error", () => undefined);
      take(socket);
    }).listen(0, "127.0.0.1");
    open.push({ destroy: () => void server.close() });
    await once(server, "listening");
    return { kind: "tls", host: "127.0.0.1", port: (server.address() as AddressInfo).port };
  }

  /** A client that is not ours. Resolves when the connection is over. */
  async function knock(listener: Listener, options: object): Promise<{ heard: string; socket: TLSSocket }> {
    const { host, port } = whereOf(listener);
    const socket = connectTls({ host, port, rejectUnauthorized: false, ...options });
    open.push(socket);
    let heard = "";
    socket.on("error", () => undefined).on("data", (bytes) => (heard += String(bytes)));
    await closing(socket);
    return { heard, socket };
  }

  test("joins two ends that know each other, both ways, from the first byte on", async () => {
    const listener = await listen();
    const dialled = await dial(whereOf(listener));
    await until(() => arrivals.length > 0);
    const [arrival] = arrivals;
    expect(arrival).toMatchObject({ peerName: "peer 1", peerKey: peer.name });
    arrival?.stream.end("from the listener");
    dialled.write("from the dialler");
    const heard = await readAll(dialled);
    expect(heard).toBe("from the listener");
    expect(arrival && (await readAll(arrival.stream))).toBe("from the dialler");
    expect(refusals).toStrictEqual([]);
  });

  test("keeps bytes that come with the word that lets in, for whoever reads later", async () => {
    const listener = await listenTls(
      { host: "127.0.0.1", port: 0 },
      {
        key: site,
        clock: systemClock,
        peerNameOf: () => "peer",
        onArrival: ({ stream }) => void stream.end("at once"),
        onRefused: () => undefined,
      },
    );
    open.push(listener);
    const dialled = await dial(whereOf(listener));
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    let heard = "";
    dialled.on("data", (bytes) => (heard += String(bytes)));
    await once(dialled, "end");
    expect(heard).toBe("at once");
  });

  test("has keep-alive on, on both ends", async () => {
    const listener = await listen();
    await dial(whereOf(listener));
    await until(() => arrivals.length > 0);
    const port = whereOf(listener).port.toString(16).toUpperCase().padStart(4, "0");
    const timers = (): (string | undefined)[] =>
      readFileSync("/proc/net/tcp", "latin1")
        .split("\n")
        .filter((line) => line.includes(`:${port} `) && / 01 /.test(line)) // established.
        .map((line) => line.trim().split(/\s+/)[5]?.slice(0, 2));
    await until(() => timers().join() === "02,02"); // of a connection at rest only the timer for keep-alive runs.
  });

  test("refuses a dialler whose key it does not know, and tells both", async () => {
    const listener = await listen();
    await expect(dial(whereOf(listener), { key: stranger })).rejects.toThrow(
      coded(
        "link-refused",
        `it does not accept our key, which it does not know: run mailtwin pair NAME ${stranger.name} over there`,
      ),
    );
    expect(refusals).toStrictEqual([coded("peer-unknown", stranger.name)]);
    expect(refusals[0]?.exitCode).toBe(77);
    expect(arrivals).toStrictEqual([]);
  });

  test("asks anew for each connection whom it knows", async () => {
    const known: SiteKey[] = [];
    const listener = await listen(known);
    await expect(dial(whereOf(listener))).rejects.toThrow(coded("link-refused"));
    known.push(peer);
    await dial(whereOf(listener));
    known.length = 0;
    await expect(dial(whereOf(listener))).rejects.toThrow(coded("link-refused"));
  });

  test("refuses a listener that has another key, and sends it nothing", async () => {
    const listener = await listen();
    const dialling = dial(whereOf(listener), { peerKey: stranger.name });
    await expect(dialling).rejects.toThrow(coded("peer-key-differs", site.name));
    await until(() => arrivals.length + refusals.length > 0); // whether the listener was done before the dialler hung up.
    for (const { stream } of arrivals) expect(await readAll(stream).catch(() => "")).toBe("");
    for (const refusal of refusals)
      expect(refusal).toEqual(coded("handshake-failed", `does not accept our key, ${site.name}: its own log says so`));
  });

  test("tells an expired certificate from a wrong key, on both ends", async () => {
    const expired = await makeSiteKey(LONG_AGO);
    const address = await listenOtherwise((socket) => {
      tls.emit("connection", socket);
    });
    const pem = { key: pemOf(expired.privateKey), cert: expired.certificate };
    const tls = createServer({ ...pem, requestCert: true, rejectUnauthorized: false });
    let heard = "";
    tls.on("secureConnection", (socket) => socket.on("error", () => undefined).on("data", (bytes) => (heard += bytes)));
    await expect(dial(address, { peerKey: expired.name })).rejects.toThrow(coded("key-expired", expired.name));
    await expect(dial(address)).rejects.toThrow(coded("peer-key-differs", expired.name));
    expect(heard).toBe("");

    const listener = await listen([expired]);
    expect((await knock(listener, pem)).heard).toBe("E");
    expect(refusals).toStrictEqual([coded("key-expired", expired.name)]);
    expect(refused).toStrictEqual([{ key: expired.name, peerName: "peer 1" }]);
    expect(arrivals).toStrictEqual([]);
  });

  test("does not dial or listen with a certificate that has expired itself", async () => {
    const expired = await makeSiteKey(LONG_AGO);
    const listener = await listen();
    await expect(dial(whereOf(listener), { key: expired })).rejects.toThrow(coded("key-expired", "this site"));
    site = expired;
    await expect(listen()).rejects.toThrow(coded("key-expired", "this site"));
    site = await makeSiteKey();
  });

  test("tells what answers and is no mailtwin from what does not answer", async () => {
    const plain = await listenOtherwise((socket) => void socket.write("220 mail2 ESMTP\r\n"));
    await expect(dial(plain)).rejects.toThrow(coded("handshake-failed", "wrong version number"));
    const rude = await listenOtherwise((socket) => void socket.destroy());
    await expect(dial(rude)).rejects.toThrow(coded("peer-unreachable"));
    const silent = await listenOtherwise(() => undefined);
    await expect(dial(silent, { dialMsMax: 50 })).rejects.toThrow(coded("peer-unreachable", "longer than"));
    const { privateKey, certificate } = site;
    const old = createServer({ key: pemOf(privateKey), cert: certificate, maxVersion: "TLSv1.2" });
    const oldAddress = await listenOtherwise((socket) => void old.emit("connection", socket));
    await expect(dial(oldAddress)).rejects.toThrow(coded("handshake-failed"));
    const nowhere: TlsAddress = { kind: "tls", host: "nowhere.invalid", port: 4417 };
    await expect(dial(nowhere)).rejects.toThrow(coded("peer-unreachable", "tls://nowhere.invalid:4417"));
  });

  test("does not take another byte for a word that lets in, nor silence", async () => {
    const { privateKey, certificate } = site;
    const tls = createServer({
      key: pemOf(privateKey),
      cert: certificate,
      requestCert: true,
      rejectUnauthorized: false,
    });
    let answer = "X";
    tls.on("secureConnection", (socket) => socket.on("error", () => undefined).end(answer));
    const address = await listenOtherwise((socket) => void tls.emit("connection", socket));
    await expect(dial(address)).rejects.toThrow(coded("link-refused", "compare the releases"));
    answer = "";
    await expect(dial(address)).rejects.toThrow(
      coded(
        "peer-unreachable",
        `(it hung up): it is ending, has more connections than it takes (both pass), or does not accept our key: run mailtwin pair NAME ${peer.name}`,
      ),
    );
  });

  test("an abort ends the attempt with its reason, at whatever point, and not the stream afterwards", async () => {
    const silent = await listenOtherwise(() => undefined);
    const dialling = dial(silent);
    const reason = new Error("enough");
    setTimeout(() => stop.abort(reason), 20);
    await expect(dialling).rejects.toBe(reason);
    await expect(dial(silent)).rejects.toBe(reason);
    stop = new AbortController();
    const dialled = await dial(whereOf(await listen()));
    stop.abort(reason);
    await setImmediate();
    expect(dialled.destroyed).toBe(false);
  });

  test("refuses a dialler without a certificate", async () => {
    const listener = await listen();
    const { heard } = await knock(listener, {});
    expect(heard).toBe("N");
    expect(refusals).toStrictEqual([coded("link-refused", "shows no key")]);
    expect(arrivals).toStrictEqual([]);
  });

  test("refuses TLS 1.2 and plain text", async () => {
    const listener = await listen();
    const pem = { key: pemOf(peer.privateKey), cert: peer.certificate };
    await knock(listener, { ...pem, maxVersion: "TLSv1.2" });
    const { host, port } = whereOf(listener);
    const plain = connectTcp({ host, port }).on("error", () => undefined);
    open.push(plain);
    plain.write("GET / HTTP/1.1\r\n\r\n");
    plain.resume();
    await closing(plain);
    await until(() => refusals.length > 1);
    expect(refusals).toStrictEqual([
      coded("handshake-failed", "unsupported protocol"),
      coded("handshake-failed", "http request"),
    ]);
    expect(refusals[0]?.message).toContain("127.0.0.1, port ");
    expect(arrivals).toStrictEqual([]);
    await dial(whereOf(listener));
  });

  test("does not take up a session of an earlier connection", async () => {
    const listener = await listen();
    const pem = { key: pemOf(peer.privateKey), cert: peer.certificate };
    let session: Buffer | undefined;
    const { host, port } = whereOf(listener);
    const first = connectTls({ host, port, rejectUnauthorized: false, ...pem });
    open.push(first);
    first.on("session", (it) => (session = it)).resume();
    await until(() => arrivals.length === 1);
    await once(first, "data").catch(() => undefined);
    expect(session).toBeUndefined();
  });

  test("gives one that does not get through the handshake a bounded time", async () => {
    const listener = await listen([peer], { handshakeMsMax: 50 });
    const { host, port } = whereOf(listener);
    const silent = connectTcp({ host, port }).on("error", () => undefined);
    open.push(silent);
    await closing(silent.resume());
    await until(() => refusals.length > 0);
    expect(refusals).toStrictEqual([coded("handshake-failed", "timeout")]);
  });

  test("has a bounded number in the handshake: the oldest gives way, and who is known gets in", async () => {
    const listener = await listen([peer], { handshakesMax: 3 });
    const { host, port } = whereOf(listener);
    const silent = Array.from({ length: 10 }, () =>
      connectTcp({ host, port })
        .on("error", () => undefined)
        .resume(),
    );
    open.push(...silent);
    await until(() => refusals.length >= 7);
    expect(refusals).toHaveLength(7);
    expect(refusals).toContainEqual(coded("handshake-failed", "more than 3"));
    const dialled = await dial(whereOf(listener));
    dialled.write("x");
    await until(() => arrivals.length > 0);
  });

  test("a stream that fails harms no other", async () => {
    const listener = await listen();
    const dialled = [await dial(whereOf(listener)), await dial(whereOf(listener))];
    await until(() => arrivals.length === 2);
    const [broken, whole] = dialled as [TLSSocket, TLSSocket];
    broken.destroy(new Error("it broke"));
    await until(() => arrivals.some(({ stream }) => stream.destroyed));
    const left = arrivals.find(({ stream }) => !stream.destroyed);
    left?.stream.end("still here");
    expect(await readAll(whole)).toBe("still here");
  });

  test("ends everything when it is closed, and accepts nothing more", async () => {
    const listener = await listen();
    const address = whereOf(listener);
    const dialled = await dial(address);
    const silent = connectTcp(address)
      .on("error", () => undefined)
      .resume();
    open.push(silent);
    await until(() => arrivals.length > 0);
    const closed = Promise.all([closing(dialled.resume()), closing(silent)]);
    await listener[Symbol.asyncDispose]();
    await listener[Symbol.asyncDispose]();
    await closed;
    expect(arrivals[0]?.stream.destroyed).toBe(true);
    await expect(dial(address)).rejects.toThrow(coded("peer-unreachable", "ECONNREFUSED"));
  });

  test("says so when the address is taken, or is not of this host", async () => {
    const listener = await listen();
    const ports = {
      key: site,
      clock: systemClock,
      peerNameOf: () => "",
      onArrival: () => undefined,
      onRefused: () => undefined,
    };
    await expect(listenTls(whereOf(listener), ports)).rejects.toThrow(coded("address-in-use", listener.address));
    await expect(listenTls({ host: "192.0.2.1", port: 0 }, ports)).rejects.toThrow(coded("listen-failed"));
  });
});
