/**
 * A copy to which others have delivered: its next UID is ahead of the source's. The source's is raised to it once, and said so; what
 * is delivered at the source from then on has one UID on both sides, also for a session that had the mailbox selected all along.
 */
import { rmSync } from "node:fs";
import { expect, test } from "vitest";
import { RAISE_CRASH_POINTS } from "../../src/capture/raise-next-uid.js";
import { describeLive } from "./lab/available.js";
import { startIdle } from "./lab/idle.js";
import * as imap from "./lab/imap.js";
import { deliver } from "./lab/lmtp.js";
import type { Twin } from "./lab/mailtwin.js";
import { makeMessage } from "./lab/messages.js";
import { readView } from "./lab/view.js";
import { inboxOf, UidLedger, untilSourceIsShown } from "./twin/foreign-mail.js";
import { expectKilled } from "./twin/killed.js";
import { expectPeacefulEnd } from "./twin/live-twin.js";
import { folderOf, openPair, type Pair } from "./twin/pair.js";
import { eventsOf, summaryOf } from "./twin/small-store.js";

const USER = "u1";
const PATH = "u1/Maildir";

describeLive("a replica whose next UID is ahead of the source's", () => {
  test.each(["keep", "limbo"] as const)("first contact with mail of its own, --foreign %s", async (policy) => {
    await using pair = await openPair({ users: [USER] });
    const ledger = new UidLedger();
    const foreign = await divergedCopy(pair, ledger);
    await using idle = await startIdle(pair.replica, USER, "INBOX");
    await using selected = await imap.connect(pair.source, USER);
    await imap.select(selected, "INBOX");
    const told = await uidNext(pair, "replica");
    expect([told, await uidNext(pair, "source")]).toEqual([6, 4]);
    await using twin = await pair.start({ args: ["--foreign", policy] });
    expect(raisesOf(twin)).toEqual([{ event: "next-uid-raised", path: PATH, from: 4, to: 6 }]);
    for (const seed of [20, 21, 22]) await deliver(pair.source, USER, makeMessage({ seed }));
    expect(await imap.append(selected, "INBOX", makeMessage({ seed: 23 }))).toBe(9); // told of N by nobody.
    if (policy === "keep") await untilSourceIsShown(pair, USER, foreign, ledger);
    else expect(uidsOf(folderOf(await pair.settle(USER), USER))).toEqual([1, 2, 3, 6, 7, 8, 9]);
    expect(uidsOf(await inboxOf(pair, "source", USER, ledger))).toEqual([1, 2, 3, 6, 7, 8, 9]);
    await idle.waitFor("the last of the source's mail", ({ kind }) => kind === "exists");
    expect(ledger.contradictions()).toEqual([]);
    expectNoneRenumbered(twin);
    expect(raisesOf(twin)).toHaveLength(1);
    await pair.expectClean();
    await expectPeacefulEnd(twin);
    expect(twin.output.events.at(-1)).toMatchObject({ raisedInSource: 1, renumberedInSource: 0, problems: 0 });
  });

  test("mail that was set aside and comes back above the source's: raised once more, and the run ends with both alike", async () => {
    await using pair = await openPair({ users: [USER] });
    const ledger = new UidLedger();
    const foreign = await divergedCopy(pair, ledger);
    for (const seed of [20, 21, 22]) await deliver(pair.source, USER, makeMessage({ seed })); // UIDs 4 and 5 are on both sides.
    const run = await pair.sync("--foreign", "keep");
    expect(run, JSON.stringify(run)).toMatchObject({ code: 0 });
    expect(eventsOf(run, "next-uid-raised")).toEqual([{ event: "next-uid-raised", path: PATH, from: 9, to: 11 }]);
    await untilSourceIsShown(pair, USER, foreign, ledger);
    expect([await uidNext(pair, "source"), await uidNext(pair, "replica")]).toEqual([11, 11]);
    await deliver(pair.source, USER, makeMessage({ seed: 30 }));
    const next = await pair.sync();
    expect(next, JSON.stringify(next)).toMatchObject({ code: 0 });
    expect(summaryOf(next)).toMatchObject({ saves: 1, renumberedInSource: 0, raisedInSource: 0 });
    expect(eventsOf(next, "conflict")).toEqual([]);
    await untilSourceIsShown(pair, USER, foreign, ledger);
    expect(uidsOf(await inboxOf(pair, "source", USER, ledger))).toEqual([1, 2, 3, 6, 7, 8, 11]);
    expect(ledger.contradictions()).toEqual([]);
    await pair.expectClean();
  });

  test("a twin to which somebody has delivered since, where it is compared", async () => {
    await using pair = await openPair({ users: [USER] });
    const ledger = new UidLedger();
    const foreign = await divergedCopy(pair, ledger, { isKnown: true });
    const run = await pair.sync("--resync");
    expect(run, JSON.stringify(run)).toMatchObject({ code: 0 });
    expect(eventsOf(run, "next-uid-raised")).toEqual([{ event: "next-uid-raised", path: PATH, from: 4, to: 6 }]);
    await deliver(pair.source, USER, makeMessage({ seed: 20 }));
    const next = await pair.sync();
    expect(eventsOf(next, "conflict")).toEqual([]);
    await untilSourceIsShown(pair, USER, foreign, ledger);
    expect(uidsOf(await inboxOf(pair, "source", USER, ledger))).toEqual([1, 2, 3, 6]);
    await pair.expectClean();
  });

  test("a dry run says it, and writes nothing", async () => {
    await using pair = await openPair({ users: [USER] });
    await divergedCopy(pair, new UidLedger());
    const run = await pair.sync("--foreign", "keep", "--dry-run");
    expect(run, JSON.stringify(run)).toMatchObject({ code: 0 });
    const words = eventsOf(run, "plan").map((event) => String(event["words"]));
    expect(words.filter((line) => line.includes("next UID"))).toEqual([
      expect.stringMatching(/: the next UID of SRC is raised from 4 to 6, or above: DST has given out those between$/),
    ]);
    expect(await uidNext(pair, "source")).toBe(4);
  });

  test.each(RAISE_CRASH_POINTS)(
    "killed at %s: the next run goes on, and no UID is lost or given twice",
    async (point) => {
      await using pair = await openPair({ users: [USER] });
      const ledger = new UidLedger();
      const foreign = await divergedCopy(pair, ledger);
      {
        await using twin = pair.spawn({ args: ["--foreign", "keep"], env: { MAILTWIN_CRASH_AT: point } });
        await expectKilled(twin, point, { deadlineMs: 30_000 });
      }
      await deliver(pair.source, USER, makeMessage({ seed: 20 })); // beside the lock that is left, and with N as it is then.
      await using twin = await pair.start({ args: ["--foreign", "keep"] });
      await deliver(pair.source, USER, makeMessage({ seed: 21 }));
      await untilSourceIsShown(pair, USER, foreign, ledger);
      const uids = uidsOf(await inboxOf(pair, "source", USER, ledger));
      expect(uids).toHaveLength(5);
      expect(uids.slice(0, 3)).toEqual([1, 2, 3]);
      expect(Math.min(...uids.slice(3))).toBeGreaterThanOrEqual(6);
      expect(ledger.contradictions()).toEqual([]);
      await pair.expectClean();
      await expectPeacefulEnd(twin);
    },
  );
});

/** Three messages on both sides, and two that only the replica has, under UIDs 4 and 5. Returns their GUIDs. */
async function divergedCopy(
  pair: Pair,
  ledger: UidLedger,
  { isKnown = false }: { readonly isKnown?: boolean } = {},
): Promise<readonly string[]> {
  for (const seed of [1, 2, 3]) await deliver(pair.source, USER, makeMessage({ seed }));
  const first = await pair.sync();
  expect(first, JSON.stringify(first)).toMatchObject({ code: 0 });
  const known = new Set((await inboxOf(pair, "replica", USER, ledger)).messages.map(({ guid }) => guid));
  for (const seed of [10, 11]) await deliver(pair.replica, USER, makeMessage({ seed }));
  const { messages } = await inboxOf(pair, "replica", USER, ledger);
  if (!isKnown) rmSync(pair.state, { recursive: true });
  const foreign = messages.filter(({ guid }) => !known.has(guid));
  expect(foreign.map(({ uid }) => uid)).toEqual([4, 5]);
  return foreign.map(({ guid }) => guid);
}

async function uidNext(pair: Pair, side: "source" | "replica"): Promise<number | undefined> {
  return (await readView(pair[side], USER)).folders.get("INBOX")?.uidNext;
}

function uidsOf({ messages }: { readonly messages: readonly { readonly uid: number }[] }): readonly number[] {
  return messages.map(({ uid }) => uid);
}

function raisesOf(twin: Twin) {
  return twin.output.events.filter(({ event }) => event === "next-uid-raised");
}

function expectNoneRenumbered(twin: Twin): void {
  expect(twin.output.events.filter(({ event }) => event === "conflict")).toEqual([]);
  const shipped = twin.output.events.filter(({ event }) => event === "shipped");
  expect(shipped.filter(({ rebinds }) => rebinds !== 0)).toEqual([]);
}
