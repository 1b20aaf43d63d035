/** What a replica says of many mailboxes at once: nothing that it makes up is written down, and many are one comparison. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { parseMailboxGuid, parseUidValidity } from "../../../src/maildir/ids.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import { STANDING_MAILBOXES_MAX, type StandingMailbox, type WireMessage } from "../../../src/wire/messages.js";
import { makeMailbox } from "../../live/twin/small-store.js";
import { until } from "../../turns.js";
import { path } from "./pair.js";
import { REPLICA, RealPair, type RealRun } from "./real-pair.js";

const INBOX = "u1/Maildir";

let pair: RealPair;
let stop: AbortController;
/** What the source sent. */
let sent: WireMessage[];
let ended: Promise<unknown>;

beforeEach(async () => {
  pair = await RealPair.open();
  makeMailbox(pair.bench.source, INBOX, { messages: 2 });
  await pair.capture();
  stop = new AbortController();
  sent = [];
});

afterEach(async () => {
  stop.abort(new Error("the test is over"));
  await ended;
  await pair[Symbol.asyncDispose]();
});

/** A replica that has all of the log and says these of itself, each time it is asked. */
function startAgainst(mailboxes: readonly StandingMailbox[]): void {
  const link = openMemoryLink();
  const sinks = { conflicts: [], rejected: [], shipped: [], compared: [], bodyBytes: 0 } as unknown as RealRun;
  const options = { compares: true, heals: true, asksStanding: true, random: () => 0 };
  const agent = pair.makeAgent(link.source, options, sinks);
  const answering = async () => {
    for await (const message of link.replica.messages(stop.signal)) {
      sent.push(message);
      const answer = answerTo(message, mailboxes);
      if (answer !== undefined) await link.replica.send(answer, stop.signal);
    }
  };
  ended = Promise.allSettled([agent.run(async () => undefined, stop.signal), answering()]);
}

function answerTo(message: WireMessage, all: readonly StandingMailbox[]): WireMessage | undefined {
  if (message.kind === "hello")
    return {
      ...{ kind: "welcome", protocol: message.protocol, software: "x" },
      ...{ appliedLsn: pair.sourceReader.lastLsn(), firstContact: false },
    };
  if (message.kind === "mark") return { kind: "outcome", id: message.id, notes: [] };
  if (message.kind !== "request" || message.ask.kind !== "standing") return undefined;
  const { after } = message.ask;
  const left = all.filter(({ mailbox }) => mailbox > after);
  const mailboxes = left.slice(0, STANDING_MAILBOXES_MAX);
  const answer = { kind: "standing", mailboxes, more: left.length > mailboxes.length } as const;
  return { kind: "reply", id: message.id, result: { ok: true, answer } };
}

function moved(number: number): StandingMailbox {
  const mailbox = parseMailboxGuid(number.toString(16).padStart(32, "0"));
  return { mailbox, path: path(`x${number}`), uidValidity: parseUidValidity(1), uidNext: 1, stands: "moved" };
}

const comparesAsked = () => sent.filter((it) => it.kind === "request" && it.ask.kind === "compare");
const marks = () => sent.flatMap((it) => (it.kind === "mark" ? [it.lsn] : []));

test("of mailboxes that neither the source nor the rejection log has nothing is noted", async () => {
  const own = { ...moved(1), mailbox: pair.guidAt(INBOX) };
  const madeUp = Array.from({ length: 3_000 }, (_, i) => moved(i + 1));
  const all = [...madeUp, own].sort((a, b) => (a.mailbox < b.mailbox ? -1 : 1));
  startAgainst(all);
  await until(() => comparesAsked().length > 0, "the one that there is, is compared");
  // Under the path that the source knows.
  expect(pair.sourceReader.rejections(REPLICA)).toMatchObject([{ mailbox: own.mailbox, path: INBOX, lsn: -1 }]);
  expect(marks()).toStrictEqual([]);
});

test("of more than a thousand the whole store is compared", async () => {
  const [row] = pair.sourceReader.mailboxes();
  vi.spyOn(pair.sourceReader, "mailboxByGuid").mockReturnValue(row);
  startAgainst(Array.from({ length: 1_001 }, (_, i) => moved(i + 1)));
  await until(() => comparesAsked().length > 0, "they are compared");
  expect(marks()).toStrictEqual([0]);
  expect(pair.sourceReader.rejections(REPLICA)).toStrictEqual([]);
});
