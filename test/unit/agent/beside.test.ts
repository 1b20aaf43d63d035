/** What goes on beside the reading of a link: it must neither hold the reading up nor outlive the run. */
import { afterEach, describe, expect, test } from "vitest";
import { parseUid } from "../../../src/maildir/ids.js";
import type { Request, WireMessage } from "../../../src/wire/messages.js";
import { letPass, turns, until } from "../../turns.js";
import { eachPair } from "./each-pair.js";
import { guid, type Pair, path, type Running } from "./pair.js";
import { openSession } from "./peers.js";

const PASSED = { kind: "uid-passed", replicaNext: 700 } as const;
const YIELD: Request["ask"] = { kind: "yield-uids", mailbox: guid("a"), uids: [], from: parseUid(3), floor: 9 };

let pair: Pair;
let stop: AbortController;

eachPair((fresh, controller) => {
  pair = fresh;
  stop = controller;
});

function repliesOf(heard: readonly WireMessage[]): unknown[] {
  return heard.flatMap((message) => (message.kind === "reply" ? [[message.id, message.result.ok]] : []));
}

describe("a request that waits for Dovecot's lock", () => {
  test("does not keep the session from applying what comes meanwhile", async () => {
    pair.log("b", []);
    pair.replica.yieldOutcome = { kind: "busy", by: "9:h", ageMs: 1 };
    const { send, offer, heard } = await openSession(pair, stop.signal);
    await send({ kind: "request", id: 1, ask: YIELD });
    await until(() => pair.clock.timerCount > 0, "it waits");
    await offer(1);
    await until(() => heard.some(({ kind }) => kind === "outcome"), "the offer is applied");
    expect(repliesOf(heard)).toStrictEqual([]);
    pair.replica.yieldOutcome = { kind: "yielded", moves: [], uidNext: 9 };
    await pair.clock.advance(50);
    expect(repliesOf(heard)).toStrictEqual([[1, true]]);
  });

  test("is answered before the one behind it", async () => {
    pair.replica.yieldOutcome = { kind: "busy", by: "9:h", ageMs: 1 };
    const { send, heard } = await openSession(pair, stop.signal);
    await send({ kind: "request", id: 1, ask: YIELD });
    await send({ kind: "request", id: 2, ask: { kind: "survey" } });
    await turns();
    expect(repliesOf(heard)).toStrictEqual([]);
    await pair.clock.advance(40_000);
    expect(repliesOf(heard)).toStrictEqual([
      [1, false],
      [2, true],
    ]);
  });

  test("about a transaction that others wait behind is given up soon, and at once when it is asked again", async () => {
    pair.log("a", []);
    pair.replica.refusals.set(1, [{ kind: "mailbox-missing" }]);
    pair.replica.yieldOutcome = { kind: "busy", by: "9:h", ageMs: 1 };
    const { send, offer, heard } = await openSession(pair, stop.signal);
    await offer(1);
    await until(() => heard.some(({ kind }) => kind === "outcome"), "it is refused, and waits for advice");
    await send({ kind: "request", id: 1, ask: YIELD });
    await turns();
    await pair.clock.advance(600);
    expect(repliesOf(heard)).toStrictEqual([[1, false]]);
    await send({ kind: "request", id: 2, ask: YIELD });
    await turns();
    expect(repliesOf(heard)).toStrictEqual([
      [1, false],
      [2, false],
    ]);
  });

  test("of one mailbox after the other keeps the rest waiting for a minute in all", async () => {
    pair.replica.yieldOutcome = { kind: "busy", by: "9:h", ageMs: 1 };
    const { send, heard } = await openSession(pair, stop.signal);
    for (const [index, letter] of ["a", "b", "c", "d", "e"].entries())
      await send({ kind: "request", id: index + 1, ask: { ...YIELD, mailbox: guid(letter) } });
    await letPass(pair.clock, 65_000, 500);
    expect(repliesOf(heard)).toHaveLength(5);
  });

  test("ends with the link: nobody waits for the answer", async () => {
    pair.replica.yieldOutcome = { kind: "busy", by: "9:h", ageMs: 1 };
    const { send, run, link } = await openSession(pair, stop.signal);
    await send({ kind: "request", id: 1, ask: YIELD });
    await until(() => pair.clock.timerCount > 0, "it waits");
    link.source.close();
    await run;
    expect(pair.clock.timerCount).toBe(0);
  });
});

describe("what concerns one mailbox only", () => {
  let run: Running;

  afterEach(async () => {
    await run.end();
  });

  test.each(["EACCES", "ELOOP", "ENOENT"])(
    "a replica that may not make room there (%s) does not end the run",
    async (code) => {
      pair.log("a", [{ uid: 100 }]);
      pair.log("b", [{ uid: 1 }]);
      pair.replica.refusals.set(1, [PASSED]);
      pair.replica.yieldUids = () => {
        throw Object.assign(new Error(`${code}: its directory`), { code });
      };
      run = pair.start();
      await run.untilAcked(2);
      expect(run.rejected).toMatchObject([{ lsn: 1, code, message: `${code}: its directory` }]);
      expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual([2]);
    },
  );

  test("a mailbox of the source that cannot be opened for its bodies does not end the run", async () => {
    pair.log("a", [{ uid: 1, size: 100_000 }]); // so that its body is asked for.
    pair.log("b", [{ uid: 1, size: 100_000 }]);
    let reads = 0;
    pair.bodies.onRead = () => {
      reads += 1;
      if (reads === 1) throw Object.assign(new Error("EACCES: opening it"), { code: "EACCES" });
    };
    run = pair.start();
    await run.untilAcked(2);
    expect(run.rejected).toMatchObject([{ lsn: 1, code: "EACCES" }]);
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual([2]);
  });
});

test("when an agent has ended, what it began about a conflict has ended too", async () => {
  pair.log("a", [{ uid: 100 }]);
  pair.replica.refusals.set(1, [PASSED]);
  let renumbered: () => void = () => undefined;
  let isEnded = false;
  pair.renumber = () =>
    new Promise((resolve) => {
      renumbered = () => resolve({ path: path("a"), code: "uids-exhausted", message: "none left", hint: "" });
    });
  const run = pair.start();
  await until(() => run.conflicts.length === 1, "it is being resolved");
  void run.agentRun
    .catch(() => undefined)
    .then(() => {
      isEnded = true;
    });
  run.stop.abort(new Error("enough"));
  await turns();
  expect(isEnded).toBe(false);
  renumbered();
  await until(() => isEnded, "the agent has ended");
  const rows = run.rejected.length;
  await turns();
  expect(run.rejected).toHaveLength(rows);
});
