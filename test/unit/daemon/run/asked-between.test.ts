/** What an operator asks for in the moment in which a link begins, or in which its agent is at work: it is neither lost nor undone. */
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../../src/base/clock.js";
import type { Replica } from "../../../../src/daemon/config/config.js";
import { controlOf } from "../../../../src/daemon/run/control-of.js";
import type { Daemon } from "../../../../src/daemon/run/daemon.js";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import { type ReplicaLink, ReplicaRunner } from "../../../../src/daemon/run/replica-runner.js";
import type { SourceStore } from "../../../../src/daemon/run/source-store.js";
import type { StateWriter } from "../../../../src/log/state-ports.js";
import { openMemoryLink } from "../../../../src/wire/memory-link.js";
import { NO_SOURCE } from "../../../../src/wire/opening.js";
import { until } from "../../../live/lab/until.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { RealPair } from "../../agent/real-pair.js";

const INBOX = "u1/Maildir";
const WORK = `${INBOX}/.Work`;
const ONE = { store: "mail", replica: "far" };

let pair: RealPair;
let stop: AbortController;
let lines: Record<string, unknown>[];
/** What the daemon writes with: each test may have some of it take its time. */
let writer: StateWriter;

beforeEach(async () => {
  pair = await RealPair.open(systemClock);
  makeMailbox(pair.bench.source, INBOX, { messages: 2 });
  await pair.capture();
  await pair.sourceWriter.addReplica("far", 1);
  stop = new AbortController();
  lines = [];
  writer = Object.create(pair.sourceWriter) as StateWriter;
  for (const name of ["dropRejections", "putRejection", "trim", "clearResync", "setCursor", "setMeta"] as const)
    writer[name] = pair.sourceWriter[name].bind(pair.sourceWriter) as never;
});

afterEach(async () => {
  stop.abort(new Error("the test has ended"));
  await pair[Symbol.asyncDispose]();
});

const logged = (msg: string) => lines.filter((line) => line["msg"] === msg);
const rows = () => pair.sourceReader.rejections("far");

/** `beforeLink`: a dial waits for it. */
function openDaemon(beforeLink: () => Promise<void> = async () => undefined) {
  const { sourceReader: reader, capturer } = pair;
  const { bodies, adapted } = pair.sourceParts;
  const notes = { onRead: () => undefined };
  const store = {
    ...{ side: { reader, writer, capturer, bodies, notes }, adapted, onCommitted: new Set(), isLive: true },
    untilCaptured: () => Promise.resolve(),
    refuseMetHalfway: () => undefined,
  } as unknown as SourceStore;
  const dial = async (): Promise<ReplicaLink> => {
    await beforeLink();
    const link = openMemoryLink();
    const serving = pair.makeSession(link.replica).run(stop.signal);
    serving.catch(() => undefined);
    return { link: link.source, said: NO_SOURCE };
  };
  const log = openEventLog("debug", (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
  const replica = { name: "far", mode: "live", foreign: "keep" } as unknown as Replica;
  const common = { clock: systemClock, random: () => 0, log, path: "/x", mayHave: undefined };
  const runner = new ReplicaRunner({ ...common, replica, store, dial });
  const keeper = { store, replicas: new Map([["far", replica]]), runner: () => runner, scrub: () => undefined };
  const daemon = { kept: new Map([["mail", { kind: "source", keeper }]]) } as unknown as Daemon;
  const ports = { daemon, startedMs: 0, nowMs: systemClock.nowMs, reload: async () => ({ changes: [] }) };
  runner.run(stop.signal).catch(() => undefined);
  return { runner, control: controlOf(ports) };
}

test("what is skipped while its agent mends it is new to the next link: nothing writes it again in between", async () => {
  makeMailbox(pair.bench.replica, WORK, { messages: 1, seed: 7 });
  const { runner, control } = openDaemon();
  await until("it to be live", () => runner.state === "live");
  makeMailbox(pair.bench.source, WORK, { messages: 1, seed: 20 });
  await pair.capture();
  runner.agent?.wake();
  await until("the refusal", () => logged("transaction-rejected").length === 1);

  const { putRejection } = writer;
  const agents: unknown[] = [];
  let since = 0;
  writer.putRejection = async (row) => {
    const { agent } = runner;
    agents.push(agent);
    await putRejection(row);
    since = lines.length;
    writer.putRejection = putRejection;
    agent?.retry(row.mailbox);
    if (agent !== undefined) await until("the agent to write it again", () => rows().some(({ lsn }) => lsn > 0));
  };
  expect(await control.skip(ONE, new AbortController().signal)).toStrictEqual({
    rejects: 1,
    toCompare: 0,
    paused: false,
  });
  await until("the next refusal", () =>
    lines.slice(since).some(({ msg }) => String(msg).startsWith("transaction-rejec")),
  );
  const next = lines.slice(since).find(({ msg }) => String(msg).startsWith("transaction-rejec"));
  expect(next).toMatchObject({ msg: "transaction-rejected", attempts: 1, code: "mailbox-occupied" });
  expect(agents).toStrictEqual([undefined]);
});

test("a comparison that is asked for while a link begins is made on that link", async () => {
  let open: () => void = () => undefined;
  let hasDialled = false;
  const opening = new Promise<void>((resolve) => {
    open = resolve;
  });
  const { runner, control } = openDaemon(() => {
    hasDialled = true;
    return opening;
  });
  await until("the dial", () => hasDialled);
  const { putRejection } = writer;
  const states: string[] = [];
  writer.putRejection = async (row) => {
    open(); // the link is there before the wish is written down.
    await until("the link", () => runner.state !== "connecting");
    states.push(runner.state);
    await putRejection(row);
  };
  const asked = control.resync({ ...ONE, mailbox: INBOX }, new AbortController().signal);
  expect(await asked).toStrictEqual({ mailboxes: 1, ofSource: 1, replicas: 1, paused: [], away: [], limited: [] });
  writer.putRejection = putRejection;
  expect(states).toStrictEqual(["greeting"]);
  await until("it to be live", () => runner.state === "live");
  await until("the wish to be carried out", () => rows().length === 0);
  addMessage(join(pair.bench.source, INBOX), { seed: 9 });
  await pair.capture();
  runner.agent?.wake();
  await until("both to be equal", () => pair.differences.length === 0);
});
