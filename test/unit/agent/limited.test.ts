/** Ends whose rights are limited to some mailboxes, over real stores: what is mended, asked and told is limited as the log is. */
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RawPath } from "../../../src/base/raw-name.js";
import type { LimboRow } from "../../../src/log/state-types.js";
import { type MailboxGuid, parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import { NO_MARKS } from "../../../src/txn/message-state.js";
import { encodeTransaction } from "../../../src/txn/transaction-codec.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import { encodeMessage } from "../../../src/wire/message-codec.js";
import { type Ask, PROTOCOL_VERSION, type WireMessage } from "../../../src/wire/messages.js";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import { addMessage, makeMailbox } from "../../live/twin/small-store.js";
import { until } from "../../turns.js";
import { REPLICA, RealPair, type RealRun } from "./real-pair.js";

const [ALICE, FOLDER, BOB] = ["alice/Maildir", "alice/Maildir/.Work", "bob/Maildir"];
const isAlices = (path: RawPath): boolean => path.startsWith("alice/");

let pair: RealPair;
let source: string;
let replica: string;
let run: RealRun;

beforeEach(async () => {
  pair = await RealPair.open();
  ({ source, replica } = pair.bench);
  makeMailbox(source, ALICE, { messages: 2, seed: 1 });
  makeMailbox(source, FOLDER, { messages: 2, seed: 10 });
  makeMailbox(source, BOB, { messages: 2, seed: 20 });
  pair.mayHave = isAlices;
});

afterEach(async () => {
  await run.cut();
  await pair[Symbol.asyncDispose]();
});

const rejections = () => pair.sourceReader.rejections();
const sentOf = (path: string) =>
  run.sent.filter((it) => it.kind === "offer" && pair.guidAt(path) === it.mailbox).map(({ kind }) => kind);

const lsnOf = (path: string): number =>
  pair.sourceReader.entriesAfter(0, 2 ** 20).find(({ mailbox }) => mailbox === pair.guidAt(path))?.lsn ?? Number.NaN;

/** As an earlier release, or a right that was taken away, leaves it in the rejection log. */
async function reject(path: string, lsn: number): Promise<void> {
  const row = { replica: REPLICA, lsn, mailbox: pair.guidAt(path), path: path as RawPath, code: "resync-asked" };
  await pair.sourceWriter.putRejection({ ...row, message: "m", attempts: 1, firstMs: 1, lastMs: 1 });
}

describe("a replica that may have alice's mail", () => {
  test.each([
    ["to be compared", () => -1, {}],
    ["to be sent again", () => lsnOf(BOB), {}],
    [
      "to be sent again, and nothing is mended",
      () => lsnOf(BOB),
      { heals: false, compares: false, asksStanding: false },
    ],
  ])("does not get bob's because the rejection log has it %s, and that row goes", async (_what, lsn, options) => {
    await pair.ship();
    addMessage(join(source, ALICE), { seed: 40 }); // so that the replica's cursor is beyond what was passed over.
    await pair.ship();
    await reject(BOB, lsn());
    run = await pair.ship(options);
    await until(() => rejections().length === 0, "the row is dropped");
    expect(sentOf(BOB)).toStrictEqual([]);
    expect([existsSync(join(replica, FOLDER)), existsSync(join(replica, "bob"))]).toStrictEqual([true, false]);
  });

  test("is not asked about a folder that is bob's by the time it is to be mended", async () => {
    run = pair.start();
    await run.untilAcked(await pair.capture());
    const folder = pair.guidAt(FOLDER);
    renameSync(join(source, FOLDER), join(source, BOB, ".Work"));
    await pair.capture();
    addMessage(join(source, BOB, ".Work"), { seed: 30 });
    await run.untilAcked(await pair.capture());
    expect(await run.agent.resync(folder)).toBe(false);
    await reject(`${BOB}/.Work`, -1);
    await run.end();
    run = await pair.ship();
    expect(rejections()).toStrictEqual([]);
    expect(
      run.sent.filter((it) => it.kind === "offer" || (it.kind === "request" && it.ask.kind === "compare")),
    ).toStrictEqual([]);
  });
});

describe("a source that may write alice's mail", () => {
  beforeEach(() => {
    pair.mayWrite = isAlices;
  });

  test("is told of alice's only, and of all of hers", async () => {
    pair.mayWrite = undefined;
    pair.mayHave = undefined;
    await pair.ship();
    pair.mayWrite = isAlices;
    run = pair.start();
    await run.untilAcked(await pair.capture());
    const ask = (question: Ask) => run.agent.asker.ask(question, new AbortController().signal);
    const survey = await ask({ kind: "survey" });
    const standing = await ask({ kind: "standing", after: "" });
    const paths = [survey, standing].map((it) =>
      "mailboxes" in it && typeof it.mailboxes !== "number" ? it.mailboxes.map(({ path }) => path).sort() : [],
    );
    expect(paths).toStrictEqual([
      [ALICE, FOLDER],
      [ALICE, FOLDER],
    ]);
    await run.end();
  });

  test("is not told that a page has nothing for it, and more follows", async () => {
    pair.mayWrite = undefined;
    pair.mayHave = undefined;
    await pair.ship();
    pair.mayWrite = isAlices;
    const page = pair.store.standing.bind(pair.store);
    pair.store.standing = ({ after }) => page({ after, max: 1 });
    run = pair.start();
    await run.untilAcked(await pair.capture());
    const told: string[] = [];
    for (let after: MailboxGuid | "" = "", more = true; more; ) {
      const answer = await run.agent.asker.ask({ kind: "standing", after }, new AbortController().signal);
      if (answer.kind !== "standing") throw new Error(`it answered ${answer.kind}`);
      told.push(...answer.mailboxes.map(({ path }) => path));
      after = answer.mailboxes.at(-1)?.mailbox ?? after;
      more = answer.more;
      expect(!more || answer.mailboxes.length > 0).toBe(true);
    }
    expect(told.sort()).toStrictEqual([ALICE, FOLDER]);
    await run.end();
  });

  test("has one compared that is gone at the source", async () => {
    await pair.ship();
    rmSync(join(source, FOLDER), { recursive: true });
    await pair.capture();
    await pair.trimAll();
    run = pair.start();
    await until(() => !existsSync(join(replica, FOLDER)), "it is gone on the replica");
    await until(() => run.compared.length > 0, "all is compared");
    await run.end();
  });
});

describe("a source that may write alice's mail, and has bob's limbo in mind", () => {
  const SECRET = "bob/Maildir/.Secret";

  /** A message of bob's went to the limbo, and then its folder. */
  async function loseSecret(): Promise<LimboRow> {
    pair.mayHave = undefined;
    makeMailbox(source, SECRET, { messages: 1, seed: 70 });
    await pair.ship();
    const [name = ""] = readdirSync(join(source, SECRET, "cur"));
    rmSync(join(source, SECRET, "cur", name));
    await pair.ship();
    rmSync(join(source, SECRET), { recursive: true });
    await pair.ship();
    const row = pair.replicaReader.limbo().find(({ path, uid }) => path === SECRET && uid > 0);
    if (row === undefined) throw new Error("nothing is in the limbo");
    return row;
  }

  /** Offers alice a message that is said to come from there; what is asked of the source for it. */
  async function offerFrom({ mailbox, uid, base, size }: LimboRow, signal: AbortSignal): Promise<WireMessage> {
    const { guid, uidValidity, uidNext, headerExtra } = pair.sourceReader.mailboxByGuid(pair.guidAt(ALICE)) ?? fail();
    const [named, next] = [parseBaseName(base), parseUid(uidNext)];
    const message = { uid: next, base: named, ...NO_MARKS, size, mtimeS: 7, fields: "" };
    const payload = encodeTransaction({
      ...{ mailbox: guid, path: ALICE as RawPath, uidValidity, uidNext: uidNext + 1, headerExtra },
      ...{ fileOwner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mode: 0o600 }, capturedMs: 1 },
      changes: [{ kind: "save", message, origin: { mailbox, uid: parseUid(uid), base: named } }],
    });
    const link = openMemoryLink();
    const session = pair.makeSession(link.replica).run(signal);
    const logId = pair.sourceReader.meta("log-id") ?? "";
    await link.source.send({ kind: "hello", protocol: PROTOCOL_VERSION, logId, software: "x" }, signal);
    await link.source.send({ kind: "offer", id: 900, lsn: 900, mailbox: guid, payload }, signal);
    try {
      for await (const heard of link.source.messages(signal)) if (heard.kind !== "welcome") return heard;
      throw new Error("it says nothing");
    } finally {
      link.source.close();
      await session.catch(() => undefined);
    }
  }

  function fail(): never {
    throw new Error("alice has no mailbox");
  }

  test("has to send the body itself, however well it knows a message in a folder of bob's that is gone", async () => {
    run = await pair.ship();
    const row = await loseSecret();
    pair.mayWrite = isAlices;
    const heard = await offerFrom(row, new AbortController().signal);
    expect(heard).toMatchObject({ kind: "want", indexes: [0] });
  });
});

describe("both ends limited to alice: a folder of bob's that is moved to her", () => {
  const MOVED = `${ALICE}/.FromBob`;
  const BOBS = `${BOB}/.Secret`;
  const differences = () => rawDifferences(join(source, "alice"), join(replica, "alice"));

  beforeEach(() => {
    pair.mayWrite = isAlices;
    makeMailbox(source, BOBS, { messages: 3, seed: 50 });
  });

  let leaks: string[];

  /** From here on it is noted what the source says of bob's places. */
  function start(): void {
    leaks = [];
    run = pair.start();
    run.onSend = (message) => {
      const { head, payloads } = encodeMessage(message);
      if (Buffer.concat([head, ...payloads]).includes("Secret")) leaks.push(message.kind);
    };
  }

  const untilEqual = async (): Promise<void> => {
    await run.untilAcked(await pair.capture());
    await until(() => differences().length === 0 && rejections().length === 0, "hers to be equal");
  };

  test("comes as a new one there, with what follows, and nothing is said of where it was", async () => {
    start();
    await run.untilAcked(await pair.capture());
    renameSync(join(source, BOBS), join(source, MOVED));
    await untilEqual();
    addMessage(join(source, MOVED), { seed: 60 });
    await untilEqual();
    expect([leaks, existsSync(join(replica, "bob")), run.rejected]).toStrictEqual([[], false, []]);
    await run.end();
  });

  test("does so if it moves on, and back, and in, while the replica is away", async () => {
    await pair.ship();
    for (const [from, to] of [
      [BOBS, MOVED],
      [MOVED, `${BOB}/.Secret2`],
      [`${BOB}/.Secret2`, `${ALICE}/.Other`],
      [`${ALICE}/.Other`, MOVED],
    ] as const) {
      renameSync(join(source, from), join(source, to));
      await pair.capture();
    }
    start();
    await untilEqual();
    expect([leaks, run.rejected]).toStrictEqual([[], []]);
    await run.end();
  });

  test("that is in the rejection log, and would be sent again from where it was bob's, is compared too", async () => {
    const lsn = await pair.capture();
    await pair.ship();
    renameSync(join(source, BOBS), join(source, MOVED));
    await pair.capture();
    expect(lsnOf(MOVED)).toBeLessThanOrEqual(lsn);
    await reject(MOVED, lsn);
    start();
    await untilEqual();
    expect(leaks).toStrictEqual([]);
    await run.end();
  });

  test("that the replica has as bob's, since rights were wider, is refused alone, and not said where it is", async () => {
    pair.mayHave = undefined;
    pair.mayWrite = undefined;
    await pair.ship();
    pair.mayHave = isAlices;
    pair.mayWrite = isAlices;
    renameSync(join(source, BOBS), join(source, MOVED));
    run = pair.start();
    await run.untilAcked(await pair.capture());
    await until(() => run.rejected.length > 0, "it to be refused");
    expect(run.rejected).toMatchObject([{ code: "mailbox-rejected", path: MOVED }]);
    expect(run.rejected[0]?.message).not.toContain("Secret");
    addMessage(join(source, ALICE), { seed: 70 });
    await run.untilAcked(await pair.capture());
    const others = () => rawDifferences(join(source, FOLDER), join(replica, FOLDER)).length;
    await until(() => others() === 0, "others to go on");
    expect(existsSync(join(replica, BOBS))).toBe(true);
    await run.end();
  });
});
