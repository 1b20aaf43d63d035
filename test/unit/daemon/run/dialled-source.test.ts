/** A replica that dials its source: what of its failures is a person's matter, and when. */
import { expect, test } from "vitest";
import { DialledSource } from "../../../../src/daemon/run/dialled-source.js";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import type { OpenedLink } from "../../../../src/daemon/run/open-link.js";
import type { ReplicaStore } from "../../../../src/daemon/run/replica-store.js";
import { Troubles } from "../../../../src/daemon/run/troubles.js";
import { wireError } from "../../../../src/wire/errors.js";
import type { WireFailure } from "../../../../src/wire/messages.js";
import { NO_SOURCE } from "../../../../src/wire/opening.js";
import { FakeClock } from "../../../fake-clock.js";

const HOUR_MS = 3_600_000;
const unreachable = () => Promise.reject(wireError("peer-unreachable", "connecting to a"));

function openDialled(dial: () => Promise<OpenedLink>, open: () => Promise<void> = () => Promise.resolve()) {
  const clock = new FakeClock();
  const troubles = new Troubles();
  const store = { troubles, open, serve: () => Promise.resolve() } as unknown as ReplicaStore;
  const log = openEventLog("debug", () => undefined);
  const stop = new AbortController();
  const run = new DialledSource({ store, peer: "a", dial, clock, random: () => 1, log }).run(stop.signal);
  const end = async () => {
    stop.abort(new Error("enough"));
    await run;
  };
  return { clock, troubles, end };
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
