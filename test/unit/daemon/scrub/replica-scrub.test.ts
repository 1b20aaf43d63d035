/** When bodies are read again and when not: a clock that stands still, two sides that answer, and a replica that comes and goes. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { HeldWhy } from "../../../../src/capture/capture-types.js";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import { Troubles } from "../../../../src/daemon/run/troubles.js";
import type { ScrubLimits } from "../../../../src/daemon/scrub/limits.js";
import { ReplicaScrub, type ScrubPorts, scrubKey } from "../../../../src/daemon/scrub/replica-scrub.js";
import { encodeChunk } from "../../../../src/log/baseline-chunk.js";
import type { MailboxGuid, Uid } from "../../../../src/maildir/ids.js";
import { resyncError } from "../../../../src/resync/errors.js";
import { chunkOf } from "../../../../src/txn/chunks.js";
import { FakeClock } from "../../../fake-clock.js";
import { digester, mailboxRow, record } from "../../log/state-fixtures.js";

const KIB = 1024;
/** By mailbox number its UIDs; a message has as many bytes as its UID says. */
const STORE: Readonly<Record<number, readonly number[]>> = { 1: [64 * KIB, 65 * KIB], 2: [100, 200] };
const HOUR: ScrubLimits = { everyMs: 3_600_000, maxRate: (64 * KIB) as ScrubLimits["maxRate"] };

interface Asked {
  readonly kind: string;
  readonly path: string;
  readonly uids: readonly Uid[];
}

type Answering = (asked: Asked) => Promise<unknown>;

let clock: FakeClock;
let troubles: Troubles;
let logged: { readonly msg: string; readonly code?: string }[];
let meta: Map<string, string>;
let limits: ScrubLimits | undefined;
/** What the replica was asked to read, in order. */
let read: [string, readonly number[]][];
let answer: Answering;
let runner: { -readonly [K in keyof ScrubPorts["runner"]]: ScrubPorts["runner"][K] };
let stop: AbortController;
/** At the source. */
let whyHeld: (of: MailboxGuid) => HeldWhy | undefined;

beforeEach(() => {
  clock = new FakeClock();
  troubles = new Troubles();
  [logged, read, meta, limits] = [[], [], new Map(), HOUR];
  answer = answerWell;
  stop = new AbortController();
  whyHeld = () => undefined;
  runner = {
    ...{ name: "b", isPaused: false, state: "live", lag: { transactions: 0, ms: 0 } },
    agent: newAgent(),
    mayHave: () => true,
    judge: () => undefined,
    withAgent: () => Promise.reject(new TypeError("nothing is to be repaired here")),
  };
});

afterEach(() => stop.abort(new Error("enough")));

const statesOf = ({ uids }: Pick<Asked, "uids">) => uids.map((uid) => ({ uid, base: record(uid).base, size: uid }));
const hashesOf = ({ uids }: Pick<Asked, "uids">) => uids.map((uid) => uid.toString(16).padStart(64, "0"));

async function answerWell(asked: Asked): Promise<unknown> {
  switch (asked.kind) {
    case "sum-store":
      return { kind: "store-sum" };
    case "hash-messages":
      read.push([asked.path, asked.uids]);
      return { kind: "message-hashes", hashes: hashesOf(asked) };
    default:
      return { kind: "message-states", states: statesOf(asked) };
  }
}

/** Fails whoever waits, as an agent does whose link is given up. */
function newAgent() {
  let failure: Error | undefined;
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);
  const asker = {
    get hasFailed() {
      return failure !== undefined;
    },
    ask: (asked: Asked) => Promise.race([failed, answer(asked)]),
    fail(error: Error) {
      failure = error;
      fail(error);
    },
  };
  return { asker, isComparing: false, isMending: false } as unknown as ScrubPorts["runner"]["agent"] & {
    readonly asker: { fail(error: Error): void };
  };
}

function startScrub() {
  const rows = Object.entries(STORE).map(([id, uids]) => mailboxRow(Number(id), { messages: uids.length }));
  const reader = {
    meta: (key: string) => meta.get(key),
    mailboxes: () => rows,
    mailboxByGuid: (of: MailboxGuid) => rows.find((row) => row.guid === of),
    looks: (id: number) => [...new Set((STORE[id] ?? []).map(chunkOf))].map((chunk) => ({ chunk })),
    chunk: (mailboxId: number, chunk: number) => {
      const records = (STORE[mailboxId] ?? []).filter((uid) => chunkOf(uid) === chunk).map((uid) => record(uid));
      return encodeChunk({ mailboxId, chunk, records, keywordIndexByName: new Map(), digester }).bytes;
    },
    rejections: () => [],
  };
  const notes = {
    known: (_mailbox: MailboxGuid, names: readonly unknown[]) => Promise.resolve(names.map(() => undefined)),
    note: () => Promise.resolve(),
    keepOnly: () => Promise.resolve(),
  };
  const own = {
    call: (kind: string, of: Asked) => Promise.resolve(kind === "hashes" ? hashesOf(of) : statesOf(of)),
  };
  const store = {
    side: {
      ...{ reader, notes, writer: { setMeta: async (key: string, value: string) => void meta.set(key, value) } },
      worker: { call: async (_kind: string, { guid }: { readonly guid: MailboxGuid }) => whyHeld(guid) },
    },
    sums: { take: () => own, giveBack: () => undefined },
  } as unknown as ScrubPorts["store"];
  const log = openEventLog("debug", (line) => logged.push(JSON.parse(line) as { readonly msg: string }));
  const scrub = new ReplicaScrub({ limits: () => limits, store, runner, clock, troubles, log });
  const end: { error?: unknown } = {};
  const run = scrub.run(stop.signal).catch((error: unknown) => {
    end.error = error;
  });
  return { scrub, end, run };
}

const pathOf = (id: number) => mailboxRow(id).path;
const messages = () => logged.map(({ msg, code }) => (code === undefined ? msg : `${msg} ${code}`));
const [FIRST, SECOND, THIRD] = [
  [pathOf(1), [64 * KIB]],
  [pathOf(1), [65 * KIB]],
  [pathOf(2), [100, 200]],
];

test("a round: turns are spread over its time, each is followed by a rest as its bytes want, and the next round comes in its time", async () => {
  const { scrub } = startScrub();
  await clock.advance(0);
  expect(read).toEqual([FIRST]);
  await clock.advance(0.2 * HOUR.everyMs);
  expect(read).toEqual([FIRST]);
  await clock.advance(0.03 * HOUR.everyMs); // of four messages one is read.
  expect(read).toEqual([FIRST, SECOND]);
  await clock.advance(0.2 * HOUR.everyMs);
  expect(read).toEqual([FIRST, SECOND]);
  await clock.advance(0.03 * HOUR.everyMs);
  expect(read).toEqual([FIRST, SECOND, THIRD]);
  expect(messages()).toEqual([]);
  await clock.advance(0.45 * HOUR.everyMs);
  expect(messages()).toEqual(["scrub-ended"]);
  expect(scrub.status).toMatchObject({ isInRound: false, done: 4, all: 4, read: 4, unresolved: 0 });
  await clock.advance(0.08 * HOUR.everyMs);
  expect(read).toHaveLength(3);
  await clock.advance(0.02 * HOUR.everyMs);
  expect(read).toEqual([FIRST, SECOND, THIRD, FIRST]);
});

test("where there is too little time for it the rate is kept all the same", async () => {
  limits = { ...HOUR, everyMs: 1_000 };
  startScrub();
  await clock.advance(999);
  expect(read).toEqual([FIRST]);
  await clock.advance(1_001);
  expect(read).toEqual([FIRST, SECOND]);
  await clock.advance(14);
  expect(read).toEqual([FIRST, SECOND]);
  await clock.advance(100);
  expect(read.slice(0, 3)).toEqual([FIRST, SECOND, THIRD]);
});

test.each([
  ["is paused", () => Object.assign(runner, { isPaused: true, state: "paused", agent: undefined })],
  ["is away", () => Object.assign(runner, { state: "backing-off", agent: undefined })],
  ["is behind", () => Object.assign(runner, { lag: { transactions: 5, ms: 1_000 } })],
  ["catches up", () => Object.assign(runner, { state: "catching-up" })],
  ["is compared", () => Object.assign(runner, { agent: { ...runner.agent, isComparing: true } })],
  ["is mended", () => Object.assign(runner, { agent: { ...runner.agent, isMending: true } })],
])(
  "nothing is read while the replica %s; what was missed is made up for, in its order, at the rate",
  async (_, hinder) => {
    const { end } = startScrub();
    await clock.advance(0);
    hinder();
    await clock.advance(10 * HOUR.everyMs);
    expect([read, messages(), troubles.all]).toEqual([[FIRST], [], []]);
    const place = meta.get(scrubKey("b"));
    expect(place).toContain(`"uid":${64 * KIB}`);
    const lag = { transactions: 0, ms: 0 };
    Object.assign(runner, { isPaused: false, state: "live", agent: newAgent(), lag });
    await clock.advance(1_000);
    expect(read).toEqual([FIRST, SECOND]);
    await clock.advance(3_000);
    expect(read.slice(0, 3)).toEqual([FIRST, SECOND, THIRD]);
    expect(messages()[0]).toBe("scrub-ended");
    expect(end.error).toBeUndefined();
  },
);

test("a replica that is paused in the middle of a turn has that turn again later: it is no defect, and nothing to be told of", async () => {
  let isHanging = true;
  answer = async (asked) => {
    if (asked.kind === "hash-messages" && isHanging) return new Promise(() => undefined);
    return answerWell(asked);
  };
  const { end } = startScrub();
  await clock.advance(0);
  expect(read).toEqual([]);
  // As a runner does it: whoever waits fails first, by an error of no catalogue; the agent is let go of a moment later.
  Object.assign(runner, { isPaused: true, state: "paused" });
  (runner.agent as ReturnType<typeof newAgent>).asker.fail(new Error("it was paused"));
  await clock.advance(0);
  runner.agent = undefined;
  await clock.advance(60_000);
  expect([end.error, messages(), meta.get(scrubKey("b"))]).toEqual([undefined, [], undefined]);
  isHanging = false;
  Object.assign(runner, { isPaused: false, state: "live", agent: newAgent() });
  await clock.advance(1_000);
  expect(read).toEqual([FIRST]);
  expect([end.error, messages()]).toEqual([undefined, []]);
});

test("what cannot be done is told with its reason, tried again after a minute, and takes up where it was", async () => {
  let isThere = false;
  answer = async (asked) => {
    if (!isThere) throw resyncError("compared-missing", "comparing the store /x: it is not there");
    return answerWell(asked);
  };
  const { end } = startScrub();
  await clock.advance(59_999);
  expect(messages()).toEqual(["scrub-delayed compared-missing"]);
  expect(logged[0]).toMatchObject({ level: 40, message: "comparing the store /x: it is not there" });
  await clock.advance(1);
  expect(messages()).toEqual(Array(2).fill("scrub-delayed compared-missing"));
  isThere = true;
  await clock.advance(60_000);
  expect([read, messages().length, end.error]).toEqual([[FIRST], 2, undefined]);
  expect(meta.get(scrubKey("b"))).toContain(`"uid":${64 * KIB}`);
});

test("a mailbox that the replica does not have is looked for three times, and keeps the others waiting no longer", async () => {
  limits = { ...HOUR, everyMs: 10_000 };
  answer = async (asked) => {
    if (asked.path === pathOf(1))
      throw resyncError("compared-unknown", "comparing the mailbox: it is not there any more");
    return answerWell(asked);
  };
  const { scrub, end } = startScrub();
  await clock.advance(119_999);
  expect([read, messages()]).toEqual([[], Array(2).fill("scrub-delayed compared-unknown")]);
  await clock.advance(20_000);
  expect(read).toContainEqual(THIRD);
  expect(messages()).toContain("scrub-ended");
  expect(scrub.status).toMatchObject({ read: 2, unresolved: 0 });
  expect(end.error).toBeUndefined();
});

test("a mailbox that is gone from the source, and waits for a person, is passed over: the others wait for nothing", async () => {
  limits = { ...HOUR, everyMs: 10_000 };
  whyHeld = (of) => (of === mailboxRow(1).guid ? "mount-missing" : undefined);
  const { scrub, end } = startScrub();
  await clock.advance(9_000);
  expect(read).toEqual([THIRD]);
  expect([messages(), scrub.status?.read, end.error]).toEqual([["scrub-ended"], 2, undefined]);
});

test("what needs a person is looked at again every ten minutes, at the rate, until it is well", async () => {
  const bad = 65 * KIB;
  let isWell = false;
  answer = async (asked) => {
    const answered = await answerWell(asked);
    if (isWell || asked.kind !== "hash-messages") return answered;
    const hashes = asked.uids.map((uid, index) => (uid === bad ? "f".repeat(64) : hashesOf(asked)[index]));
    return { kind: "message-hashes", hashes };
  };
  limits = { everyMs: 2_400_000, maxRate: limits?.maxRate ?? HOUR.maxRate };
  const { scrub, end } = startScrub();
  await clock.advance(546_000);
  expect(read, "twice each time: what is on its way is none").toEqual([FIRST, SECOND, SECOND, SECOND, SECOND]);
  expect([scrub.status?.unresolved, troubles.all.map(({ code, level }) => [code, level])]).toEqual([
    1,
    [["bodies-differ", "needs-you"]],
  ]);
  scrub.lookAgain();
  await clock.advance(2_500);
  expect(read).toHaveLength(7);
  await clock.advance(590_000);
  expect(read.slice(7)).toEqual([THIRD]);
  isWell = true;
  const before = read.filter(([, uids]) => uids[0] === bad).length;
  await clock.advance(15_000);
  expect(read.filter(([, uids]) => uids[0] === bad).length - before).toBe(1);
  expect([scrub.status?.unresolved, troubles.all]).toEqual([0, []]);
  expect(messages().slice(0, 2)).toEqual(["body-differs", "body-well"]);
  expect(end.error).toBeUndefined();
});

test("turned off and on again it goes on where it was; a restart does, too", async () => {
  const first = startScrub();
  await clock.advance(0);
  limits = undefined;
  await clock.advance(HOUR.everyMs);
  expect([read, first.scrub.status]).toEqual([[FIRST], undefined]);
  limits = HOUR;
  stop.abort(new Error("a restart"));
  await first.run;
  stop = new AbortController();
  const again = startScrub();
  expect(again.scrub.status).toMatchObject({ isInRound: true, done: 1, all: 4 });
  await clock.advance(1_000);
  expect(read).toEqual([FIRST, SECOND]);
  await clock.advance(3_000);
  expect(read.slice(2, 3)).toEqual([THIRD]);
});

test("a defect ends it", async () => {
  answer = () => Promise.reject(new TypeError("this should not be"));
  const { end } = startScrub();
  await clock.advance(0);
  expect(end.error).toEqual(new TypeError("this should not be"));
});
