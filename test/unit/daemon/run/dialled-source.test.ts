/** A replica that dials its source: what of its failures is a person's matter, and when. */
import { describe, expect, test } from "vitest";
import { DialledSource } from "../../../../src/daemon/run/dialled-source.js";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import type { EndedLink } from "../../../../src/daemon/run/met-link.js";
import type { OpenedLink } from "../../../../src/daemon/run/open-link.js";
import type { ReplicaStore } from "../../../../src/daemon/run/replica-store.js";
import { Troubles } from "../../../../src/daemon/run/troubles.js";
import { wireError } from "../../../../src/wire/errors.js";
import type { WireFailure } from "../../../../src/wire/messages.js";
import { NO_SOURCE } from "../../../../src/wire/opening.js";
import { FakeClock } from "../../../fake-clock.js";

const HOUR_MS = 3_600_000;
const unreachable = () => Promise.reject(wireError("peer-unreachable", "connecting to a"));

type Serve = () => Promise<EndedLink | undefined>;

function openDialled(
  dial: () => Promise<OpenedLink>,
  open: () => Promise<void> = () => Promise.resolve(),
  serve: Serve = () => Promise.resolve(undefined),
) {
  const clock = new FakeClock();
  const troubles = new Troubles();
  const store = { troubles, open, serve } as unknown as ReplicaStore;
  const log = openEventLog("debug", () => undefined);
  const stop = new AbortController();
  const dialled = new DialledSource({ store, peer: "a", dial, clock, random: () => 1, log });
  const run = dialled.run(stop.signal);
  const end = async () => {
    stop.abort(new Error("enough"));
    await run;
  };
  return { clock, troubles, dialled, end };
}

test("a source that is not reached heals by itself, and is a person's matter after a day", async () => {
  const { clock, troubles, end } = openDialled(unreachable);
  await clock.advance(23 * HOUR_MS);
  expect(troubles.all).toMatchObject([{ code: "peer-unreachable", level: "healing" }]);
  await clock.advance(2 * HOUR_MS);
  expect(troubles.all).toMatchObject([{ code: "peer-unreachable", level: "needs-you" }]);
  await end();
});

test("a source that is reached now and then is none", async () => {
  let dials = 0;
  const close = () => undefined;
  const link = { close } as unknown as OpenedLink["link"];
  const reached = () => Promise.resolve({ link, source: NO_SOURCE });
  const { clock, troubles, end } = openDialled(() => (dials++ % 600 === 500 ? reached() : unreachable()));
  for (let hour = 0; hour < 72; hour++) {
    await clock.advance(HOUR_MS);
    expect(troubles.all.filter(({ level }) => level === "needs-you")).toStrictEqual([]);
  }
  expect(dials).toBeGreaterThan(1_200);
  await end();
});

test("a store that cannot be opened is what the source is told of", async () => {
  const told: (WireFailure | undefined)[] = [];
  const link = { close: (why?: WireFailure) => told.push(why) } as unknown as OpenedLink["link"];
  const full = Object.assign(new Error("writing /x: ENOSPC: no space left on device"), { code: "ENOSPC" });
  const { clock, end } = openDialled(
    () => Promise.resolve({ link, source: NO_SOURCE }),
    () => Promise.reject(full),
  );
  await clock.advance(0);
  expect(told).toMatchObject([{ code: "ENOSPC", disposition: "operator" }]);
  await end();
});

describe("a link that was lost", () => {
  const link = { close: () => undefined } as unknown as OpenedLink["link"];
  const reached = () => Promise.resolve({ link, source: NO_SOURCE });
  const lost = wireError("link-closed", "talking with a: it closed the link");

  test("is told until there is another one, with the next try, and with what that finds", async () => {
    let isThere = true;
    let cut = (_: EndedLink): void => undefined;
    const serve: Serve = () =>
      new Promise((resolve) => {
        cut = resolve;
      });
    const { clock, troubles, dialled, end } = openDialled(
      () => (isThere ? reached() : unreachable()),
      undefined,
      serve,
    );
    await clock.advance(0);
    expect([troubles.all, dialled.waiting]).toStrictEqual([[], undefined]);
    isThere = false;
    cut({ lost, hasApplied: true });
    await clock.advance(0);
    expect(troubles.all).toMatchObject([{ code: "link-closed", level: "healing", words: lost.message }]);
    expect(dialled.waiting).toStrictEqual({ lastTryMs: undefined, nextTryMs: clock.nowMs() + 500 });
    await clock.advance(500);
    expect(troubles.all).toMatchObject([{ code: "peer-unreachable", level: "healing" }]);
    const triedMs = clock.nowMs();
    await clock.advance(100);
    expect(dialled.waiting).toStrictEqual({ lastTryMs: triedMs, nextTryMs: triedMs + 1_000 });
    isThere = true;
    await clock.advance(900);
    expect([troubles.all, dialled.waiting]).toStrictEqual([[], undefined]);
    cut({ lost: undefined, hasApplied: false });
    await end();
  });

  test.each([
    [{ lost, hasApplied: true }, 0, 500],
    [{ lost, hasApplied: false }, 0, 60_000],
    [{ lost, hasApplied: false }, 11_000, 500],
    [{ lost: undefined, hasApplied: true }, 0, 60_000],
  ])("was it a good one, the next try is soon: %o after %d ms", async (how, lastsMs, nextMs) => {
    let dials = 0;
    const serve: Serve = async () => {
      await clock.sleep(lastsMs, new AbortController().signal);
      return how;
    };
    const dial = () => (dials++ < 10 ? unreachable() : reached());
    const { clock, dialled, end } = openDialled(dial, undefined, serve);
    while (dials < 11) await clock.advance(100);
    await clock.advance(lastsMs);
    const { nextTryMs } = dialled.waiting ?? { nextTryMs: Number.NaN };
    expect(nextTryMs - clock.nowMs()).toBeGreaterThan(nextMs - 200);
    expect(nextTryMs - clock.nowMs()).toBeLessThanOrEqual(nextMs);
    await end();
  });
});
