/** A replay agent and a session with a real socket between them, greeted and compressed, which is cut again and again. */
import type { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { BODY_PART_BYTES_MAX } from "../../../src/capture/body-types.js";
import { openCompressed } from "../../../src/wire/compressed.js";
import { greet, greetingOf } from "../../../src/wire/greeting.js";
import type { Link } from "../../../src/wire/link.js";
import { openStreamLink } from "../../../src/wire/stream-link.js";
import { openSocketPair } from "../../contract/socket-pair.js";
import { bodyOf } from "./fake-bodies.js";
import { hexOf } from "./fake-replica.js";
import { LOG_ID, Pair } from "./pair.js";

async function endOf(stream: Duplex, peer: string): Promise<Link> {
  const ports = { stream, clock: systemClock, peer };
  const { capabilities } = await greet(ports, greetingOf(["deflate"], "test"), new AbortController().signal);
  return openStreamLink({
    ...ports,
    stream: capabilities.has("deflate") ? openCompressed(stream, systemClock) : stream,
  });
}

async function openLink() {
  const [down, up] = await openSocketPair();
  const [source, replica] = await Promise.all([endOf(down, "the replica"), endOf(up, "the source")]);
  return { source, replica, cut: () => down.destroy() };
}

test("all is applied, once and in order, and bodies arrive as they are", async () => {
  const pair = new Pair();
  for (let uid = 1; uid <= 200; uid++) pair.log(uid % 2 === 0 ? "a" : "b", [{ uid, size: 6_000 }]);
  const size = 2 * BODY_PART_BYTES_MAX + 17;
  pair.log("b", [{ uid: 201, size }]);
  const run = pair.start({ link: await openLink() });
  await run.untilAcked(201);
  expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual(Array.from({ length: 201 }, (_, i) => i + 1));
  expect(pair.replica.applied.at(-1)?.bodies.get(0)).toBe(hexOf(bodyOf("bb201", size)));
  expect(pair.replica.applied[4]?.bodies.get(0)).toBe(hexOf(bodyOf("bb5", 6_000)));
  await run.end();
});

test("a link that is cut ends both ends, and the next one goes on where the replica is", async () => {
  const pair = new Pair();
  const last = 120;
  for (let uid = 1; uid <= last; uid++) pair.log(uid % 2 === 0 ? "a" : "b", [{ uid, size: 50_000 }]);
  const cutAt = new Set([25, 50, 75, 100]);
  while (cutAt.size > 0) {
    const link = await openLink();
    pair.replica.onExecute = (lsn) => {
      if (cutAt.delete(lsn)) link.cut();
    };
    const run = pair.start({ link });
    await expect(run.agentRun).rejects.toMatchObject({ code: "link-closed" });
    await run.sessionRun;
    await run.end().catch((error: unknown) => expect(error).toMatchObject({ code: "link-closed" }));
  }
  const run = pair.start({ link: await openLink() });
  await run.untilAcked(last);
  await run.end();
  expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual(Array.from({ length: last }, (_, i) => i + 1));
  expect(pair.replicaState.applied.get(LOG_ID)).toBe(last);
  expect(pair.replicaState.intents.size).toBe(0);
});
