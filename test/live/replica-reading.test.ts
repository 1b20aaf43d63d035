/**
 * Clients of the replica that open and read mail while more of it is applied there: each reading sets \Seen, for which the
 * replica's Dovecot renames the file, and the twin must get on with files that move under its hands.
 */
import { createHash } from "node:crypto";
import type { ImapFlow } from "imapflow";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { differences } from "./lab/differences.js";
import { storeLeaks } from "./lab/files.js";
import * as imap from "./lab/imap.js";
import { deliverAll } from "./lab/lmtp.js";
import { makeMessage, makeMessages } from "./lab/messages.js";
import { RawImap, type RawResponse } from "./lab/raw-imap.js";
import { until } from "./lab/until.js";
import { readView, type StoreView } from "./lab/view.js";
import { useLiveTwin } from "./twin/live-twin.js";
import { folderOf } from "./twin/pair.js";

const USER = "u1";
const ROUNDS = 30;
const PER_ROUND = 8;
const OVERLAPPING_MIN = 30;
const MARKED_MIN = 30;
const READERS = 3;

/** What the readers saw, by UID, and how much of the mail was still to come then. */
interface Readings {
  readonly hashes: Map<number, Set<string>>;
  /** Bodies read while the source's mail still changed. */
  overlapping: number;
  /** Messages that the source has marked since they were read on the replica. */
  readonly marked: Set<number>;
}

describeLive("clients that read on the replica", () => {
  const lab = useLiveTwin({
    users: [USER],
    args: ["--approve-deletions"], // most of a small store goes below, and nobody is there to be asked.
    prepare: ({ source }) => deliverAll(source, [{ user: USER, message: makeMessage({ seed: 1 }) }]),
  });

  test("each body read while mail is applied is the right one, stays read there, and nothing is lost", async () => {
    const { pair } = lab;
    await pair.settle(USER);
    const readings: Readings = { hashes: new Map(), overlapping: 0, marked: new Set() };
    const stop = new AbortController();
    const reading = Promise.all(
      Array.from({ length: READERS }, (_, index) => readAll({ readings, index, isOver: () => stop.signal.aborted })),
    );
    reading.catch(() => stop.abort()); // awaited below.
    await using session = await imap.connect(pair.source, USER);
    for (let round = 0; round < ROUNDS && !stop.signal.aborted; round++) {
      const mail = makeMessages(PER_ROUND, { seed: 100 + round * PER_ROUND });
      await deliverAll(
        pair.source,
        mail.map((message) => ({ user: USER, message })),
        { connections: 2 },
      );
      const { uidNext } = await imap.select(session, "INBOX");
      // Of messages that are read just now, or soon: the twin renames what Dovecot renames.
      await imap.store(session, `${uidNext - PER_ROUND}:${uidNext - 4}`, { add: ["\\Flagged", `k${round % 3}`] });
      await markRead(readings, session);
      if (round % 4 === 3) await imap.expunge(session, [uidNext - 6]);
    }
    await until("bodies read", () => stop.signal.aborted || readings.hashes.size >= MARKED_MIN);
    await markRead(readings, session);
    expect(readings.marked.size).toBeGreaterThanOrEqual(MARKED_MIN);
    stop.abort();
    await reading;
    expect(readings.overlapping).toBeGreaterThanOrEqual(OVERLAPPING_MIN);
    await expectEqualButForSeen(readings);
  });

  /** At the source, where they are not read: what comes of it must leave \\Seen on the replica. */
  async function markRead({ hashes, marked }: Readings, session: ImapFlow): Promise<void> {
    const uids = [...hashes.keys()].filter((uid) => !marked.has(uid));
    if (uids.length === 0) return;
    await imap.store(session, uids, { add: ["\\Answered"] });
    for (const uid of uids) marked.add(uid);
  }

  async function readAll(the: {
    readonly readings: Readings;
    readonly index: number;
    readonly isOver: () => boolean;
  }): Promise<void> {
    await using client = await RawImap.login(lab.pair.replica, USER);
    let next = 1;
    while (!the.isOver()) {
      const uidNext = uidNextOf(await client.run("SELECT INBOX"));
      // Each reader leaves out another third, so that some are read once, some twice.
      for (; next < uidNext; next++) {
        if (next % READERS === the.index) continue;
        const body = (await client.run(`UID FETCH ${next} (BODY[])`)).find(({ literals }) => literals.length > 0);
        if (body?.literals[0] === undefined) continue; // expunged meanwhile.
        const hash = createHash("sha256").update(body.literals[0]).digest("hex");
        const known = the.readings.hashes.get(next) ?? new Set();
        the.readings.hashes.set(next, known.add(hash));
        if (!the.isOver()) the.readings.overlapping += 1;
      }
    }
  }

  /** Equal in all but \Seen, which is on the replica on each message that was read there, and on no other, and not at the source. */
  async function expectEqualButForSeen({ hashes }: Readings): Promise<void> {
    const { source, replica } = lab.pair;
    let words: readonly string[] = [];
    let there: StoreView | undefined;
    const equal = async (): Promise<boolean> => {
      there = await readView(replica, USER);
      words = differences(await readView(source, USER), withoutSeen(there), { ignoreSubscriptions: true });
      return words.length === 0;
    };
    await until("the same on both sides but for \\Seen", equal, { detail: () => words.join("\n") });
    const inbox = folderOf(new Map([[USER, present(there)]]), USER).messages;
    expect(inbox).toHaveLength(1 + ROUNDS * PER_ROUND - Math.floor(ROUNDS / 4));
    const seen = inbox.filter(({ flags }) => flags.includes("\\Seen")).map(({ uid }) => uid);
    expect(seen).toEqual(inbox.map(({ uid }) => uid).filter((uid) => hashes.has(uid)));
    for (const { uid, bodySha256 } of inbox) {
      const read = hashes.get(uid);
      if (read !== undefined) expect([uid, ...read]).toEqual([uid, bodySha256]);
    }
    const atSource = folderOf(new Map([[USER, await readView(source, USER)]]), USER).messages;
    expect(atSource.flatMap(({ flags }) => flags)).not.toContain("\\Seen");
    expect(storeLeaks(replica.store)).toEqual([]);
    await lab.pair.expectClean();
  }
});

function withoutSeen(view: StoreView): StoreView {
  const folders = [...view.folders].map(([path, folder]) => {
    const messages = folder.messages.map((message) => ({
      ...message,
      flags: message.flags.filter((flag) => flag !== "\\Seen"),
    }));
    return [path, { ...folder, messages }] as const;
  });
  return { ...view, folders: new Map(folders) };
}

function uidNextOf(responses: readonly RawResponse[]): number {
  const found = responses.map(({ line }) => /\[UIDNEXT (\d+)\]/.exec(line)?.[1]).find((uid) => uid !== undefined);
  if (found === undefined) throw new Error(`SELECT told no UIDNEXT: ${responses.map(({ line }) => line).join(" | ")}`);
  return Number(found);
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("nothing was read");
  return value;
}
