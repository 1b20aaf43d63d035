/**
 * UIDs that the replica's Dovecot has passed: a message that was expunged there comes back under another UID, on both sides, and
 * no other message gets one. The state was moved away ("Starting over"), so that nothing is known of what was there.
 */
import { rmSync } from "node:fs";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { deliverAll } from "./lab/lmtp.js";
import { makeMessages } from "./lab/messages.js";
import { readView } from "./lab/view.js";
import { inboxOf, UidLedger, untilSourceIsShown } from "./twin/foreign-mail.js";
import { openPair, type Pair } from "./twin/pair.js";
import { eventsOf, summaryOf } from "./twin/small-store.js";

const USER = "u1";

describeLive("starting over, with UIDs that the replica has passed", () => {
  test("expunged there: those messages get new UIDs on both sides, all others keep theirs", async () => {
    await using pair = await openPair({ users: [USER] });
    await send(pair, "source", 10, 1);
    await syncWell(pair);
    const before = await uidsByGuid(pair, "source");
    await expungeThere(pair, [3, 10]);
    startOver(pair);
    const run = await syncWell(pair);
    expect(conflictsOf(run)).toEqual([
      expect.stringMatching(/ passed UID 3: .*: 2 messages of the source get new UIDs$/),
    ]);
    await pair.settle(USER);
    const after = await uidsByGuid(pair, "source");
    const moved = [...after].filter(([guid, uid]) => before.get(guid) !== uid);
    expect(moved.map(([guid, uid]) => [before.get(guid), uid])).toEqual([
      [3, 11],
      [10, 12],
    ]);
    await pair.expectClean(); // no "Expunged message reappeared".
    expect(summaryOf(await syncWell(pair))).toMatchObject({ transactions: 0, problems: 0 });
  });

  test("given to mail that only the replica has: that and the source's mail move, and nothing else", async () => {
    await using pair = await openPair({ users: [USER] });
    await send(pair, "source", 6, 1);
    await syncWell(pair);
    const ledger = new UidLedger();
    await expungeThere(pair, [2]);
    await send(pair, "replica", 3, 100);
    await send(pair, "source", 2, 200);
    const there = await inboxOf(pair, "replica", USER, ledger);
    const foreign = there.messages.slice(-3).map(({ guid }) => guid);
    const before = await uidsByGuid(pair, "source");
    startOver(pair);
    const dry = await syncWell(pair, "--foreign", "keep", "--dry-run");
    expect(eventsOf(dry, "plan").map((event) => String(event["words"]))).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/: 3 messages that only DST has: kept, 2 of them with new UIDs above all others/),
        expect.stringMatching(/: 3 messages of SRC get new UIDs, in SRC as well: .*\(UID 2, 7, 8\)$/),
      ]),
    );
    const run = await syncWell(pair, "--foreign", "keep");
    expect(conflictsOf(run)).toEqual([
      expect.stringMatching(/: 2 messages that only the destination has get new UIDs/),
      expect.stringMatching(/: 3 messages of the source get new UIDs$/),
    ]);
    await untilSourceIsShown(pair, USER, foreign, ledger);
    expect(ledger.contradictions()).toEqual([]);
    const after = await uidsByGuid(pair, "source");
    const moved = [...after].filter(([guid, uid]) => before.get(guid) !== uid).map(([guid]) => before.get(guid));
    expect(moved).toEqual([2, 7, 8]);
    const replica = await uidsByGuid(pair, "replica");
    expect(foreign.map((guid) => replica.get(guid))).toEqual([10, 11, 9]);
    await pair.expectClean();
    expect(summaryOf(await syncWell(pair))).toMatchObject({ transactions: 0, problems: 0 });
  });
});

async function send(pair: Pair, side: "source" | "replica", count: number, seed: number): Promise<void> {
  const mail = makeMessages(count, { seed }).map((message) => ({ user: USER, message }));
  for (const each of mail) await deliverAll(pair[side], [each]);
}

async function expungeThere(pair: Pair, uids: readonly number[]): Promise<void> {
  await using session = await imap.connect(pair.replica, USER);
  await imap.select(session, "INBOX");
  await imap.expunge(session, [...uids]);
}

function startOver(pair: Pair): void {
  rmSync(pair.state, { recursive: true });
}

async function syncWell(pair: Pair, ...args: string[]) {
  const run = await pair.sync(...args);
  expect(run, JSON.stringify(run.events)).toMatchObject({ code: 0, stderr: "", strayOutput: [] });
  return run;
}

function conflictsOf(run: Awaited<ReturnType<typeof syncWell>>): readonly string[] {
  return eventsOf(run, "conflict").map((event) => String(event["words"]));
}

/** Ascending by UID. */
async function uidsByGuid(pair: Pair, side: "source" | "replica"): Promise<ReadonlyMap<string, number>> {
  const inbox = (await readView(pair[side], USER)).folders.get("INBOX");
  return new Map(inbox?.messages.map(({ guid, uid }) => [guid, uid]));
}
