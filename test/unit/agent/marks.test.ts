/** Numbers of offers, marks, and offers that begin a mailbox anew, as the replica's end of a link takes them. */
import { describe, expect, test } from "vitest";
import { until } from "../../turns.js";
import { eachPair } from "./each-pair.js";
import { guid, LOG_ID, type Pair } from "./pair.js";
import { openSession } from "./peers.js";

let pair: Pair;
let stop: AbortController;

eachPair((fresh, controller) => {
  pair = fresh;
  stop = controller;
});

/** A session, and what it said of each offer or mark. */
async function begin() {
  const session = await openSession(pair, stop.signal);
  const offer = (id: number, lsn: number, entry: number, more: { readonly anew?: true } = {}) => {
    const { mailbox, bytes: payload } = pair.sourceState.entries[entry - 1] ?? {};
    if (mailbox === undefined || payload === undefined) throw new Error(`the log has no ${entry}`);
    return session.send({ kind: "offer", id, lsn, mailbox, ...more, payload });
  };
  const outcomes = () =>
    session.heard.flatMap((it) => (it.kind === "outcome" ? [`${it.id} ${it.divergence?.code ?? "applied"}`] : []));
  const untilOutcomes = (count: number) => until(() => outcomes().length === count, `${count} outcomes`);
  return { ...session, offer, outcomes, untilOutcomes };
}

describe("the replica's cursor", () => {
  test("stands still while offers have no LSN, and moves with those that have one", async () => {
    for (let i = 1; i <= 3; i++) pair.log("a");
    const { offer, untilOutcomes } = await begin();
    await offer(7, 0, 1);
    await offer(9, 0, 2);
    await untilOutcomes(2);
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual([1, 2]);
    expect(pair.replicaState.effects.map(({ cursor }) => cursor)).toStrictEqual([undefined, undefined]);
    await offer(10, 3, 3);
    await untilOutcomes(3);
    expect(pair.replicaState.applied.get(LOG_ID)).toBe(3);
  });

  test("is set by a mark, also to less, in the order of the offers", async () => {
    for (let i = 1; i <= 2; i++) pair.log("a");
    pair.replicaState.applied.set(LOG_ID, 90);
    const { offer, send, outcomes, untilOutcomes } = await begin();
    await send({ kind: "mark", id: 1, lsn: 0 });
    await untilOutcomes(1);
    expect(pair.replicaState.applied.get(LOG_ID)).toBe(0);
    const seen: unknown[] = [];
    pair.replica.onExecute = () => seen.push(pair.replicaState.applied.get(LOG_ID));
    await offer(2, 0, 1);
    await send({ kind: "mark", id: 3, lsn: 50 });
    await offer(4, 51, 2);
    await untilOutcomes(4);
    expect(outcomes()).toStrictEqual(["1 applied", "2 applied", "3 applied", "4 applied"]);
    expect(seen).toStrictEqual([0, 50]);
    expect(pair.replicaState.applied.get(LOG_ID)).toBe(51);
  });
});

test("what was refused of a mailbox keeps others of it out until one begins anew", async () => {
  for (const letter of ["a", "a", "a", "b"]) pair.log(letter);
  pair.replica.refusals.set(1, [{ kind: "mailbox-missing" }]);
  const { offer, send, outcomes, untilOutcomes } = await begin();
  await offer(1, 1, 1);
  await untilOutcomes(1);
  await send({ kind: "retry", id: 1, voidBelow: 0, giveUp: true });
  await offer(2, 2, 2);
  await offer(3, 4, 4);
  await offer(4, 0, 3, { anew: true });
  await offer(5, 0, 2);
  await untilOutcomes(6);
  expect(outcomes()).toStrictEqual([
    "1 mailbox-missing",
    "1 given-up",
    "2 mailbox-held",
    "3 applied",
    "4 applied",
    "5 applied",
  ]);
  expect(pair.replica.applied.map(({ mailbox }) => mailbox)).toStrictEqual([guid("b"), guid("a"), guid("a")]);
});

describe("a source", () => {
  test.each(["offer", "mark"] as const)("that sends a number again with %s is refused", async (kind) => {
    pair.log("a");
    const { offer, send, run, untilOutcomes } = await begin();
    await offer(5, 0, 1);
    await untilOutcomes(1);
    if (kind === "mark") await send({ kind: "mark", id: 5, lsn: 3 });
    else await offer(5, 0, 1);
    await expect(run).rejects.toMatchObject({ code: "peer-confused" });
    expect(pair.replicaState.applied.get(LOG_ID)).toBeUndefined();
  });
});
