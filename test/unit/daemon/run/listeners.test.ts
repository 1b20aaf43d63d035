/** What becomes of the listeners that stand when others, or another key, cannot be had. */
import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { type Clock, systemClock, unixMs } from "../../../../src/base/clock.js";
import { recordOfError } from "../../../../src/base/errors.js";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import { Listeners } from "../../../../src/daemon/run/listeners.js";
import { makeSiteKey } from "../../wire/site-keys.js";
import { freePort, shownAt } from "./tls-daemons.js";

const DAY_MS = 86_400_000;
const never = new AbortController().signal;

function bench() {
  let laterMs = 0;
  const clock: Clock = {
    monotonicMs: () => systemClock.monotonicMs(),
    nowMs: () => unixMs(systemClock.nowMs() + laterMs),
    sleep: (ms, signal) => systemClock.sleep(ms, signal),
    setTimer: (ms, run) => systemClock.setTimer(ms, run),
  };
  const lines: { msg: string; address?: string; code?: string }[] = [];
  const lost: string[] = [];
  const listeners = new Listeners({
    ...{ clock, log: openEventLog("info", (line) => void lines.push(JSON.parse(line) as (typeof lines)[number])) },
    ...{ onArrival: () => undefined, peerNameOf: () => undefined, onRefused: () => undefined },
    onLost: (error) => void lost.push(recordOfError(error).code),
  });
  const told = () => lines.map(({ msg, address, code }) => [msg, address, ...(code === undefined ? [] : [code])]);
  return {
    ...{ listeners, lost, told },
    later: (ms: number) => {
      laterMs = ms;
    },
  };
}

test("a key that has expired changes nothing; what was bound for a reload that is refused is closed", async () => {
  const { listeners, lost } = bench();
  const [port, next, taken] = [await freePort(), await freePort(), await freePort()];
  const at = (ports: readonly number[]) => ({
    tls: ports.map((each) => ({ host: "127.0.0.1", port: each })),
    unix: [],
  });
  const key = await makeSiteKey();
  const expired = await makeSiteKey(unixMs(systemClock.nowMs() - 4_000 * DAY_MS));
  await (await listeners.prepare(at([port]), key, never)).commit();
  const shown = await shownAt(port);
  await expect(listeners.prepare(at([port, next]), expired, never)).rejects.toMatchObject({ code: "key-expired" });
  expect(await shownAt(port)).toBe(shown);

  const other = createServer().listen({ host: "127.0.0.1", port: taken });
  await once(other, "listening");
  await expect(listeners.prepare(at([next, taken]), key, never)).rejects.toMatchObject({ code: "address-in-use" });
  expect(await shownAt(port)).toBe(shown);
  await expect(shownAt(next)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  other.close();
  await (await listeners.prepare(at([next]), await makeSiteKey(), never)).commit();
  await expect(shownAt(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  expect(await shownAt(next)).not.toBe(shown);
  expect(lost).toEqual([]);
  await listeners.close();
});

test("one that had to be closed, and cannot be opened again, is told of, and opened by the next reload", async () => {
  const { listeners, lost, told, later } = bench();
  const port = await freePort();
  const at = (host: string) => ({ tls: [{ host, port }], unix: [] });
  const old = await makeSiteKey();
  await (await listeners.prepare(at("127.0.0.1"), old, never)).commit();
  const standing = createServer().listen({ host: "127.0.0.2", port });
  await once(standing, "listening");
  later(3_651 * DAY_MS); // the former certificate has expired, so that it cannot be shown again.
  const now = await makeSiteKey(unixMs(systemClock.nowMs() + 3_651 * DAY_MS));
  await expect(listeners.prepare(at("0.0.0.0"), now, never)).rejects.toMatchObject({ code: "address-in-use" });
  expect(lost).toEqual(["key-expired"]);
  await (await listeners.prepare(at("127.0.0.1"), now, never)).commit();
  await shownAt(port);
  expect(told()).toEqual([
    ["listening", `tls://127.0.0.1:${port}`],
    ["listening-failed", `tls://0.0.0.0:${port}`, "address-in-use"],
    ["listening-failed", `tls://127.0.0.1:${port}`, "key-expired"],
    ["listening", `tls://127.0.0.1:${port}`],
  ]);
  standing.close();
  await listeners.close();
});
