/** What a replica of this host refuses: known since its first moment, told once, over when it is taken, and bounded. */
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { type RawPath, rawFromText } from "../../../../src/base/raw-name.js";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import { ForeignMail } from "../../../../src/daemon/run/foreign-mail.js";
import { RefusedMailboxes } from "../../../../src/daemon/run/refused-mailboxes.js";
import { parseMailboxGuid } from "../../../../src/maildir/ids.js";
import { FakeClock } from "../../../fake-clock.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { turns, until } from "../../../turns.js";
import { RealPair } from "../../agent/real-pair.js";

type Line = Readonly<Record<string, unknown>>;

const guid = (n: number) => parseMailboxGuid(n.toString(16).padStart(32, "0"));
const DENIED = { code: "mailbox-denied", words: "the system does not let us" };

let clock: FakeClock;
let lines: Line[];
let refused: RefusedMailboxes;
let paths: Map<string, RawPath>;

beforeEach(() => {
  [clock, lines, paths] = [new FakeClock(), [], new Map()];
  const log = openEventLog("debug", (line) => lines.push(JSON.parse(line) as Line));
  refused = new RefusedMailboxes({ log, clock, pathOf: (mailbox) => paths.get(mailbox) });
});

const refuse = (n: number, more: { readonly code?: string; readonly words?: string; readonly path?: string } = {}) => {
  const { path = `m${n}`, ...rest } = more;
  refused.onRefused({ mailbox: guid(n), path: rawFromText(path) as RawPath, ...DENIED, ...rest });
};
const named = () => refused.status()?.named.map(({ mailbox }) => mailbox) ?? [];
const told = () => lines.map(({ msg, mailbox, code }) => [msg, mailbox, code]);

describe("one that is refused", () => {
  test("again and again is told once, and known since its first moment", async () => {
    const sinceMs = clock.nowMs();
    refuse(1);
    await clock.advance(5_000);
    refuse(1, { words: "still not" });
    expect(refused.status()).toStrictEqual({
      ...{ mailboxes: 1, sinceMs },
      named: [
        {
          ...{ mailbox: "m1", code: "mailbox-denied", words: "still not", sinceMs, level: "needs-you" },
          hint: expect.stringMatching(/^Let mailtwin's user change .* on the source's host\.$/),
        },
      ],
    });
    expect(told()).toStrictEqual([["mailbox-needs-you", "m1", "mailbox-denied"]]);
    expect(lines[0]).toMatchObject({ level: 50, message: DENIED.words });
    refuse(1, { code: "mailbox-occupied" });
    expect(told().slice(1)).toStrictEqual([["mailbox-needs-you", "m1", "mailbox-occupied"]]);
    expect(refused.status()?.sinceMs).toBe(sinceMs);
  });

  test("has one name in the status and in the log: UTF-8 as it is, other bytes by number", () => {
    refuse(1, { path: "u/Entwürfe" });
    refused.onRefused({ mailbox: guid(2), path: "u/caf\xe9" as RawPath, ...DENIED });
    expect(named()).toStrictEqual(["u/Entwürfe", "u/caf\\xe9"]);
    expect(told().map(([, mailbox]) => mailbox)).toStrictEqual(named());
    const foreign = new ForeignMail();
    foreign.note(guid(1), 1, 0);
    const mailboxByGuid = () => ({ path: rawFromText("u/Entwürfe") }) as never;
    expect(foreign.status({ mailboxByGuid }, () => true)?.named).toMatchObject([{ mailbox: "u/Entwürfe" }]);
  });

  test.each(["lock-held", "replica-lock-held"])(
    "for its lock is nothing for a person before that lasts (%s)",
    async (code) => {
      const level = () => refused.status()?.named.map((each) => each.level);
      refuse(1, { code });
      await clock.advance(179_000);
      refuse(1, { code });
      expect([level(), told()]).toStrictEqual([["healing"], []]);
      await clock.advance(20_000);
      expect(level()).toStrictEqual(["healing"]); // nobody has tried again.
      for (let tries = 0; tries < 3; tries++) refuse(1, { code });
      expect([level(), told()]).toStrictEqual([["needs-you"], [["mailbox-needs-you", "m1", code]]]);
      refused.onApplied(guid(1));
      expect(told().slice(1)).toStrictEqual([["mailbox-well", "m1", code]]);
    },
  );

  test("is over when something of it is applied, and no other is", () => {
    refuse(1);
    refuse(2);
    refused.onApplied(guid(1));
    refused.onApplied(guid(3));
    expect(named()).toStrictEqual(["m2"]);
    expect(told().at(-1)).toStrictEqual(["mailbox-well", "m1", "mailbox-denied"]);
  });

  test("is over when its source has read it and nothing of it is refused up to the mark", () => {
    refuse(1);
    refuse(2);
    refuse(3);
    for (const n of [1, 2]) refused.onRead(guid(n));
    refuse(2);
    expect(named()).toStrictEqual(["m1", "m2", "m3"]); // what differs is still to come.
    refused.onMarked();
    expect(named()).toStrictEqual(["m2", "m3"]);
    refused.onMarked();
    expect(named()).toStrictEqual(["m2", "m3"]);
  });

  test("is named as it stands here, and not at all where its source may not write any more", () => {
    paths.set(guid(1), rawFromText("here") as RawPath);
    refuse(1, { path: "there" });
    refuse(2);
    expect(named()).toStrictEqual(["here", "m2"]);
    expect(refused.status((path) => path !== "here")).toMatchObject({ mailboxes: 1, named: [{ mailbox: "m2" }] });
    expect(refused.status(() => false)).toBeUndefined();
  });
});

describe("whatever a source offers", () => {
  test("of thousands all are counted, a thousand are named, and others when there is room", async () => {
    const sinceMs = clock.nowMs();
    for (let n = 1; n <= 1_500; n++) refuse(n);
    expect([refused.status()?.mailboxes, named().length]).toStrictEqual([1_500, 1_000]);
    await clock.advance(5_000);
    refused.onApplied(guid(1));
    refused.onApplied(guid(1_500));
    refuse(1_499);
    expect([refused.status()?.mailboxes, named().length]).toStrictEqual([1_498, 1_000]);
    expect(refused.status()?.named.at(-1)).toMatchObject({ mailbox: "m1499", sinceMs });
    for (let n = 1; n <= 1_500; n++) refused.onApplied(guid(n));
    expect(refused.status()).toBeUndefined();
  });

  test("the number that is counted has a bound, and words are cut", () => {
    for (let n = 1; n <= 101_500; n++) refuse(n, { words: "w".repeat(2_000) });
    expect(refused.status()?.mailboxes).toBe(101_000);
    expect(refused.status()?.named[0]?.words).toHaveLength(1_003);
  });

  test("a hundred a minute are logged, the rest at a later try; what was not told is not told to be over", async () => {
    for (let n = 1; n <= 150; n++) refuse(n);
    expect(lines).toHaveLength(100);
    refused.onApplied(guid(150));
    expect(lines).toHaveLength(100);
    await clock.advance(60_000);
    for (let n = 1; n < 150; n++) refuse(n);
    expect(lines).toHaveLength(149);
  });
});

describe("a replica whose uidlist is damaged", () => {
  const INBOX = "u1/Maildir";

  test("knows it over several tries and links, until it is mended, by a transaction or by being found equal", async () => {
    await using pair = await RealPair.open(clock);
    pair.sinks = refused;
    makeMailbox(pair.bench.source, INBOX, { messages: 4 });
    await pair.ship();
    const uidlist = join(pair.bench.replica, INBOX, "dovecot-uidlist");
    const cur = join(pair.bench.source, INBOX, "cur");
    const [file = ""] = readdirSync(cur);
    const mark = (from: string, to: string) => renameSync(join(cur, `${file}${from}`), join(cur, `${file}${to}`));
    for (const ending of ["applied", "equal"] as const) {
      let run = pair.start();
      await run.untilAcked(pair.sourceReader.lastLsn());
      const intact = readFileSync(uidlist);
      writeFileSync(uidlist, "3 V1 N2 G\nno record\n");
      if (ending === "applied") addMessage(join(pair.bench.source, INBOX), { seed: 30 });
      else mark("", "F");
      await run.untilAcked(await pair.capture());
      await until(() => named().length === 1, "it is known here");
      await clock.advance(5_000);
      await turns(200);
      expect(refused.status()?.named).toMatchObject([{ mailbox: INBOX, code: "uidlist-damaged" }]);
      await run.end();
      expect(named()).toStrictEqual([INBOX]); // over the link.
      if (ending === "equal") mark("F", "");
      await pair.capture();
      await pair.trimAll();
      writeFileSync(uidlist, intact);
      run = pair.start();
      await run.untilAcked(pair.sourceReader.lastLsn());
      await clock.advance(300_000);
      await until(() => pair.sourceReader.rejections().length === 0, "it is mended");
      expect(refused.status()).toBeUndefined();
      const differed = ending === "applied" ? 1 : 0;
      expect(run.mended).toMatchObject([
        { row: { code: "uidlist-damaged" }, counts: { messages: 5, differed, foreign: 0 } },
      ]);
      expect(run.shipped).toHaveLength(differed);
      await run.end();
    }
  });
});
