/**
 * `kill -9` while both sides give way to mail that only the replica has: between any two steps of giving UIDs at the source, and
 * on the replica. After a restart the source's mail is on both sides under one UID, the foreign mail is kept, nothing is there
 * twice, and no UID names another message than the one that a client was told.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RENUMBER_CRASH_POINTS } from "../../src/capture/renumber.js";
import { describeLive } from "./lab/available.js";
import { storeLeaks } from "./lab/files.js";
import { deliver, deliverAll } from "./lab/lmtp.js";
import { makeMessage, makeMessages } from "./lab/messages.js";
import { inboxOf, UidLedger, untilSourceIsShown } from "./twin/foreign-mail.js";
import { expectKilled } from "./twin/killed.js";
import { expectPeacefulEnd } from "./twin/live-twin.js";
import { openPair, type Pair } from "./twin/pair.js";

const USER = "u1";
/** The replica makes room first: that is the first uidlist which is written. */
const POINTS = ["apply.locked", "apply.uidlist-written", "apply.unlocked", ...RENUMBER_CRASH_POINTS];

describeLive("killed while UIDs change", () => {
  test.each(POINTS)("at %s, while catching up and live", async (point) => {
    await using pair = await openPair({ users: [USER] });
    const env = { MAILTWIN_CRASH_AT: point };
    await deliverAll(
      pair.source,
      makeMessages(3, { seed: 1 }).map((message) => ({ user: USER, message })),
    );
    expect((await pair.sync()).code).toBe(0);
    const ledger = new UidLedger();
    const foreign = [await conflict(pair, ledger, 100)];
    {
      await using twin = pair.spawn({ env });
      await expectKilled(twin, point, { deadlineMs: 30_000 });
    }
    await recover(pair, foreign, ledger);
    {
      await using twin = await pair.start({ env });
      foreign.push(await conflict(pair, ledger, 200));
      await expectKilled(twin, point, { deadlineMs: 30_000 });
    }
    await recover(pair, foreign, ledger);
    // What the killed process left at the source goes with the next conflict.
    foreign.push(await conflict(pair, ledger, 300));
    await recover(pair, foreign, ledger);
    expect(ledger.contradictions()).toEqual([]);
    expect(readdirSync(join(pair.source.mailRoot(USER), "cur")).filter((name) => name.startsWith("."))).toEqual([]);
    expect(storeLeaks(pair.source.store)).toEqual([]);
    expect((await inboxOf(pair, "source", USER, ledger)).messages).toHaveLength(3 + foreign.length);
  });
});

/** One message on each side, which have the same UID if nobody replicates meanwhile. Returns the GUID of the replica's. */
async function conflict(pair: Pair, ledger: UidLedger, seed: number): Promise<string> {
  const known = new Set((await inboxOf(pair, "replica", USER, ledger)).messages.map(({ guid }) => guid));
  await deliver(pair.replica, USER, makeMessage({ seed }));
  const there = await inboxOf(pair, "replica", USER, ledger);
  const guids = there.messages.map(({ guid }) => guid).filter((guid) => !known.has(guid));
  await deliver(pair.source, USER, makeMessage({ seed: seed + 1 }));
  expect(guids).toHaveLength(1);
  return guids[0] ?? "";
}

async function recover(pair: Pair, foreign: readonly string[], ledger: UidLedger): Promise<void> {
  await using twin = await pair.start();
  await untilSourceIsShown(pair, USER, foreign, ledger);
  await pair.expectClean();
  await expectPeacefulEnd(twin);
}
