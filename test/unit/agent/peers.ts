/** One end of a link whose other end is the test: it may say what no honest peer says. */
import { ReplayAgent } from "../../../src/agent/replay-agent.js";
import { Session, type SessionPorts } from "../../../src/agent/session.js";
import type { SessionLimits } from "../../../src/agent/session-limits.js";
import type { BodyMethods } from "../../../src/capture/body-types.js";
import type { RejectionRow } from "../../../src/log/state-types.js";
import type { Link } from "../../../src/wire/link.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import { type Offer, PROTOCOL_VERSION, type WireMessage } from "../../../src/wire/messages.js";
import { inlineWorker } from "../../worker-client.js";
import { LOG_ID, openStore, type Pair, path, STEP_BY_STEP } from "./pair.js";

/** Whoever reads the test's end of a link, so that nobody has to wait for room in it. */
function hear(link: Link, signal: AbortSignal): WireMessage[] {
  const heard: WireMessage[] = [];
  const reading = (async () => {
    for await (const message of link.messages(signal)) heard.push(message);
  })();
  reading.catch(() => undefined); // an abort.
  return heard;
}

interface SessionOptions {
  readonly link?: ReturnType<typeof openMemoryLink>;
  readonly limits?: SessionLimits;
  readonly rights?: SessionPorts["rights"];
}

/** A session that nobody has greeted. Its messages are the test's to read. */
export function startSession(
  pair: Pair,
  stop: AbortSignal,
  { link = openMemoryLink(), limits = STEP_BY_STEP, rights }: SessionOptions = {},
) {
  const store = openStore(pair, () => undefined);
  const ports = {
    ...{ link: link.replica, store, stager: pair.stager, writer: pair.replicaState.writer(), clock: pair.clock },
    ...{ reach: () => undefined, syncAll: () => pair.syncAll(), appliedLsn: () => 0 },
    rights,
  };
  const run = new Session(ports, limits).run(stop);
  run.catch(() => undefined);
  const send = (message: WireMessage) => link.source.send(message, stop);
  return { run, send, store, link };
}

/** A session that was greeted. */
export async function openSession(pair: Pair, stop: AbortSignal, options: SessionOptions = {}) {
  const session = startSession(pair, stop, options);
  const { send, link } = session;
  const heard = hear(link.source, stop);
  await send({ kind: "hello", protocol: PROTOCOL_VERSION, logId: LOG_ID, software: "x" });
  /** Offers that entry of the log. */
  const offer = async (lsn: number, along: Pick<Offer, "along"> = {}) => {
    const entry = pair.sourceState.entries.find((it) => it.lsn === lsn);
    if (entry === undefined) throw new Error(`the log has no ${lsn}`);
    await send({ kind: "offer", id: lsn, lsn, mailbox: entry.mailbox, payload: entry.bytes, ...along });
  };
  return { ...session, heard, offer };
}

/** An agent that was not welcomed yet. Its messages are the test's to read. */
export function startAgent(pair: Pair, stop: AbortSignal) {
  const link = openMemoryLink();
  const rejected: RejectionRow[] = [];
  const agent = new ReplayAgent(
    "twin",
    {
      link: link.source,
      bodies: inlineWorker(pair.bodies as unknown as BodyMethods),
      reader: pair.sourceState.reader(LOG_ID),
      writer: pair.sourceState.writer(),
      clock: pair.clock,
      source: {
        pathOf: () => path("x"),
        isLive: true,
        sweeps: 0,
        fresh: pair.fresh,
        uidNextOf: () => 1,
        uidsAmong: (query) => pair.uidsAmong(query),
        lookAgain: () => undefined,
        whyHeld: (of) => pair.whyHeld(of),
        describe: async () => ({ kind: "absent" }),
        renumber: (...args) => pair.renumber(...args),
        raiseNextUid: async () => ({ kind: "none" }),
      },
    },
    { onShipped: () => {}, onBodyBytes: () => {}, onConflict: () => {}, onRejected: (row) => rejected.push(row) },
  );
  const run = agent.run(async () => {}, stop);
  run.catch(() => undefined);
  const send = (message: WireMessage) => link.replica.send(message, stop);
  const welcome = (appliedLsn = 0, protocol = PROTOCOL_VERSION) =>
    send({ kind: "welcome", protocol, software: "x", appliedLsn, firstContact: false });
  return { agent, run, send, welcome, rejected, link };
}

/** An agent that was welcomed by a replica which has nothing yet. */
export async function openAgent(pair: Pair, stop: AbortSignal) {
  const started = startAgent(pair, stop);
  const heard = hear(started.link.replica, stop);
  await started.welcome();
  return { ...started, heard };
}
