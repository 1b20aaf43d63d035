/** Unix sockets: the mode from the first moment on, what is replaced and what is not, and how everything ends. */
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import type { UnixAddress } from "../../../src/wire/address.js";
import type { Listener } from "../../../src/wire/carrier.js";
import { dialUnix, listenUnix } from "../../../src/wire/unix-carrier.js";

const coded = (code: string, words = ""): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(words) });

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await setImmediate();
}

describe("a unix carrier", () => {
  let dir: string;
  let address: UnixAddress;
  let stop: AbortController;
  let streams: Duplex[];
  let open: AsyncDisposable[];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "mtl-unix-"));
    address = { kind: "unix", path: join(dir, "socket") };
    stop = new AbortController();
    streams = [];
    open = [];
  });

  afterEach(async () => {
    for (const listener of open) await listener[Symbol.asyncDispose]();
    for (const stream of streams) stream.destroy();
    rmSync(dir, { recursive: true });
  });

  async function listen(mode = 0o600): Promise<Listener> {
    const ports = { clock: systemClock, onArrival: (stream: Duplex) => void streams.push(stream) };
    const listener = await listenUnix({ address, mode }, ports, stop.signal);
    open.push(listener);
    return listener;
  }

  async function dial(): Promise<Duplex> {
    const stream = await dialUnix({ address, clock: systemClock }, stop.signal);
    streams.push(stream);
    return stream;
  }

  /** As a process that was killed leaves it. */
  async function leaveStale(): Promise<void> {
    const server = createServer().listen(join(dir, "dying"));
    await once(server, "listening");
    renameSync(join(dir, "dying"), address.path); // so that closing it does not remove it.
    server.close();
    await once(server, "close");
  }

  test.each([0o600, 0o660])(
    "joins two ends; the socket has mode %o whatever the umask, and nothing else is left",
    async (mode) => {
      const before = process.umask(0o777);
      await listen(mode).finally(() => process.umask(before));
      expect(statSync(address.path).mode & 0o7777).toBe(mode);
      expect(readdirSync(dir)).toStrictEqual(["socket"]);
      const dialled = await dial();
      await until(() => streams.length === 2);
      dialled.write("hello");
      const [bytes] = (await once(streams.find((it) => it !== dialled) ?? dialled, "data")) as [Buffer];
      expect(String(bytes)).toBe("hello");
    },
  );

  test("replaces a socket that nobody answers at", async () => {
    await leaveStale();
    await expect(dial()).rejects.toThrow(coded("peer-unreachable", "ECONNREFUSED"));
    await listen();
    await dial();
  });

  test("leaves alone a socket that somebody answers at", async () => {
    await listen();
    await expect(listen()).rejects.toThrow(coded("address-in-use", "another process answers"));
    await dial();
    expect(readdirSync(dir)).toStrictEqual(["socket"]);
  });

  test("leaves alone what is no socket", async () => {
    writeFileSync(address.path, "mine");
    await expect(listen()).rejects.toThrow(coded("listen-failed", "something else"));
    rmSync(address.path);
    symlinkSync(join(dir, "elsewhere"), address.path);
    await expect(listen()).rejects.toThrow(coded("listen-failed", "something else"));
    expect(readdirSync(dir)).toStrictEqual(["socket"]);
  });

  test("wants its directory to be there, and a path that is short enough", async () => {
    address = { kind: "unix", path: join(dir, "no/socket") };
    await expect(listen()).rejects.toThrow(coded("listen-failed", "ENOENT"));
    await expect(dial()).rejects.toThrow(coded("peer-unreachable", "ENOENT"));
    address = { kind: "unix", path: `/${"x".repeat(100)}/s` };
    await expect(listen()).rejects.toThrow(coded("listen-failed", "too long"));
  });

  test("two that start at once: one listens, the other says so", async () => {
    await leaveStale();
    const both = await Promise.allSettled([listen(), listen()]);
    expect(both.map(({ status }) => status).sort()).toStrictEqual(["fulfilled", "rejected"]);
    expect(both).toContainEqual({ status: "rejected", reason: coded("address-in-use") });
    await dial();
    expect(readdirSync(dir)).toStrictEqual(["socket"]);
  });

  test("ends all streams when it is closed, and takes its socket away", async () => {
    const listener = await listen();
    const dialled = await dial();
    await until(() => streams.length === 2);
    const closed = once(dialled.resume(), "close");
    await listener[Symbol.asyncDispose]();
    await listener[Symbol.asyncDispose]();
    await closed;
    expect(streams.every(({ destroyed }) => destroyed)).toBe(true);
    expect(existsSync(address.path)).toBe(false);
  });

  test("does not take away a socket that another one put there", async () => {
    const listener = await listen();
    rmSync(address.path);
    await listen();
    await listener[Symbol.asyncDispose]();
    await dial();
  });

  test("that the file system denies is refused by its code", async (context) => {
    if (process.geteuid?.() === 0) return context.skip("root may connect to any socket");
    await listen();
    chmodSync(address.path, 0);
    await expect(dial()).rejects.toThrow(coded("link-refused", "EACCES"));
  });

  test("dialling ends with the reason of an abort", async () => {
    stop.abort(new Error("enough"));
    await expect(dial()).rejects.toThrow("enough");
  });
});
