/** Those who dial in and say nothing keep nobody out: no other peer, and none of the same key that says what it wants. */
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { daemonError } from "../../../../src/daemon/errors.js";
import { Arrivals, type Proof, type Welcome } from "../../../../src/daemon/run/arrivals.js";
import { OUR_GREETING } from "../../../../src/daemon/run/open-link.js";
import { greet } from "../../../../src/wire/greeting.js";
import type { Link } from "../../../../src/wire/link.js";
import { askToOpen, NO_SOURCE, type Opening } from "../../../../src/wire/opening.js";
import { openSocketPair } from "../../../contract/socket-pair.js";
import { FakeClock } from "../../../fake-clock.js";
import { until } from "../../../live/lab/until.js";

/** Conversations of a peer with two stores, and of all of whom nobody knows who they are. */
const [ROOM, ROOM_UNPROVED] = [8 + 2, 64];
const MAL: Proof = { peer: "mal", key: "sha256:M" };
const HONEST: Proof = { peer: "honest", key: "sha256:H" };
const OPENING: Opening = { role: "replica", peer: "", target: { kind: "store", store: "mail" }, ...NO_SOURCE };

let clock: FakeClock;
let arrivals: Arrivals;
let refused: unknown[];
let crowded: unknown[];
let taken: Link[];
let route: () => Promise<Welcome>;
let sockets: Socket[];
let stop: AbortController;

const WELCOME: Welcome = { source: undefined, take: (link) => void taken.push(link) };

beforeEach(() => {
  clock = new FakeClock();
  [refused, crowded, taken, sockets] = [[], [], [], []];
  stop = new AbortController();
  route = async () => WELCOME;
  arrivals = new Arrivals({
    clock,
    route: () => route(),
    onRefused: (error, peer) => void refused.push([peer, (error as { code?: string }).code]),
    onCrowded: (error, peer) => void crowded.push([peer, (error as { code?: string }).code]),
    storesOf: () => 2,
  });
});

afterEach(() => {
  stop.abort(new Error("the test is over"));
  for (const link of taken) link.close();
  for (const socket of sockets) socket.destroy();
});

/** From now on each wish waits for its answer. */
function answering(): readonly ((welcome: Welcome) => void)[] {
  const answers: ((welcome: Welcome) => void)[] = [];
  route = () => new Promise((resolve) => void answers.push(resolve));
  return answers;
}

/** Connected, and handed to the arrivals; says nothing yet. */
async function dial(proof: Proof | undefined): Promise<Socket> {
  const [dialler, accepted] = await openSocketPair();
  sockets.push(
    dialler.on("error", () => undefined),
    accepted,
  );
  void arrivals.receive(accepted, proof, stop.signal);
  return dialler;
}

async function speak(stream: Socket, opening: Opening = OPENING): Promise<void> {
  const ports = { stream, clock, peer: "host" };
  await greet(ports, OUR_GREETING, stop.signal);
  await askToOpen(ports, opening, stop.signal);
}

async function crowd(count: number, proof: Proof | undefined): Promise<readonly Socket[]> {
  const all: Socket[] = [];
  for (let i = 0; i < count; i++) all.push(await dial(proof));
  return all;
}

describe("a peer that opens conversations and says nothing", () => {
  test("holds a few of them: the oldest end, and it is told to the host each time", async () => {
    const all = await crowd(3 * ROOM, MAL);
    for (const socket of all) socket.resume();
    await until("the oldest to end", () => all.slice(0, 2 * ROOM).every(({ readableEnded }) => readableEnded));
    expect(all.slice(2 * ROOM).some(({ readableEnded }) => readableEnded)).toBe(false);
    expect(crowded).toStrictEqual(Array.from({ length: 2 * ROOM }, () => ["mal", "link-crowded"]));
    expect(refused).toStrictEqual([]);
  });

  test("keeps out neither another peer, nor one of its key that says what it wants, nor who comes by a socket", async () => {
    const early = await dial(HONEST);
    await crowd(140, MAL);
    await speak(early);
    await speak(await dial(HONEST));
    await speak(await dial(MAL));
    await speak(await dial(undefined));
    expect(taken).toHaveLength(4);
  });

  test("a conversation of its key that gives way is told so, as what passes, and not heard any more", async () => {
    const early = await dial(MAL);
    await crowd(ROOM, MAL);
    await expect(speak(early)).rejects.toMatchObject({
      ...{ code: "link-crowded", disposition: "retry", exitCode: 75 },
      message: expect.stringMatching(/it says: accepting mal: more than 10 conversations of "mal" had not said/),
    });
    expect([taken, refused, crowded]).toStrictEqual([[], [], [["mal", "link-crowded"]]]);
  });

  test("is heard out in its time", async () => {
    await crowd(ROOM, MAL);
    await clock.advance(15_000);
    await until("all to be given up", () => refused.length === ROOM);
    expect(crowded).toStrictEqual([]);
    await crowd(ROOM, MAL);
    expect(crowded).toStrictEqual([]); // those before take no room.
  });
});

test("those of whom nobody knows who they are have room together, apart from the peers", async () => {
  const peer = await dial(HONEST);
  const [oldest] = await crowd(ROOM_UNPROVED + 1, undefined);
  oldest?.resume();
  await until("the oldest to end", () => oldest?.readableEnded === true);
  expect([refused, crowded]).toStrictEqual([[["whoever dialled in", "link-crowded"]], []]);
  await speak(peer);
});

describe("one that has said what it wants", () => {
  test("does not give way to those that say nothing, however long its answer takes", async () => {
    const answers = answering();
    const asked = speak(await dial(MAL));
    await until("its wish to be looked at", () => answers.length === 1);
    await crowd(3 * ROOM, MAL);
    answers[0]?.(WELCOME);
    await asked;
    expect(taken).toHaveLength(1);
  });

  test("gives way to the same wish of the same peer, and to no other", async () => {
    const answers = answering();
    const other = speak(await dial(MAL), { ...OPENING, target: { kind: "store", store: "two" } });
    const ofOther = speak(await dial(HONEST));
    const earlier = speak(await dial(MAL));
    await until("three wishes", () => answers.length === 3);
    const later = speak(await dial(MAL));
    await expect(earlier).rejects.toMatchObject({ code: "link-closed", message: expect.stringContaining("once more") });
    await until("the fourth", () => answers.length === 4);
    for (const answer of answers) answer(WELCOME);
    await Promise.all([other, ofOther, later]);
    expect([taken.length, refused]).toStrictEqual([3, []]);
  });

  test("and has hung up by the time of the answer gets no link, which would take the place of another one", async () => {
    const answers = answering();
    const socket = await dial(MAL);
    const asked = speak(socket).catch(() => undefined);
    await until("its wish", () => answers.length === 1);
    socket.destroy();
    await asked;
    await until("this end to know", () => sockets[1]?.destroyed === true);
    answers[0]?.(WELCOME);
    await until("word of it", () => refused.length > 0);
    expect([taken, refused]).toStrictEqual([[], [["mal", "link-closed"]]]);
  });

  test("and may not have it is refused at once, and takes no room", async () => {
    route = () => Promise.reject(daemonError("no-right", "serving mal: it may not"));
    for (let i = 0; i < 2 * ROOM; i++) await expect(speak(await dial(MAL))).rejects.toMatchObject({ code: "no-right" });
    expect(crowded).toStrictEqual([]);
  });
});
