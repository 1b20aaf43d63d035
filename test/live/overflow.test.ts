/**
 * More events than the kernel keeps while nobody reads them: it drops the rest without a word to the watchers, and all
 * that happened must still reach the replica.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { deliver } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { watchNames } from "./lab/watch-names.js";
import { useLiveTwin } from "./twin/live-twin.js";
import { folderOf } from "./twin/pair.js";
import { rawDifferences } from "./twin/raw-compare.js";
import { fileMail, mailboxDir } from "./twin/raw-mail.js";

/** The limit of a watcher is that of the moment in which it was made, so it is read before the twin starts. */
const EVENTS_KEPT = Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8"));
const DELIVERIES = Math.max(20_000, EVENTS_KEPT + 4_000);
const EXPUNGES = DELIVERIES / 2;
const CATCH_UP_MS_MAX = 4.5 * DELIVERIES;

describeLive("an overflow of the kernel's event queue", () => {
  const lab = useLiveTwin({
    users: ["u1"],
    prepare: ({ source }) => deliver(source, "u1", makeMessage({ seed: 1 })),
  });
  const bodiless = { bodies: false, deadlineMs: CATCH_UP_MS_MAX } as const;

  test(`by ${DELIVERIES} deliveries to a stopped process: all arrive`, async () => {
    const { pair, twin } = lab;
    await deliver(pair.source, "u1", makeMessage({ seed: 2 })); // wakes the mailbox: its directories are watched now.
    await pair.settle("u1");
    // Another watcher of the same directory, stopped for as long: what the kernel dropped for it, it dropped for the twin.
    await using witness = await watchNames(`${mailboxDir({ site: pair.source, user: "u1" })}/new`);
    await twin.pause();
    witness.pause();
    await fileMail({ site: pair.source, user: "u1" }, { count: DELIVERIES, seed: 100 });
    twin.resume();
    witness.resume();
    await pair.settleFiles(CATCH_UP_MS_MAX);
    const told = await witness.namesTold();
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThan(DELIVERIES);
    const inbox = folderOf(await pair.settle("u1", bodiless), "u1");
    expect(inbox.messages).toHaveLength(DELIVERIES + 2);
    expect(rawDifferences(pair.source.store, pair.replica.store)).toEqual([]);
  });

  test("by a bulk of flags and expunges: nothing stays as it was", async () => {
    const { pair, twin } = lab;
    await using session = await imap.connect(pair.source, "u1");
    await imap.select(session, "INBOX");
    await twin.pause();
    await imap.store(session, "1:*", { add: ["\\Seen"] });
    await imap.expunge(session, `1:${EXPUNGES}`);
    twin.resume();
    await pair.settleFiles(CATCH_UP_MS_MAX);
    const inbox = folderOf(await pair.settle("u1", bodiless), "u1");
    expect(inbox.messages).toHaveLength(DELIVERIES + 2 - EXPUNGES);
    expect(inbox.messages.filter(({ flags }) => flags.join() !== "\\Seen")).toEqual([]);
  });

  test("and the twin is as quick as before", async () => {
    const { pair } = lab;
    await deliver(pair.source, "u1", makeMessage({ seed: 3 }));
    await pair.settle("u1", { bodies: false, deadlineMs: 10_000 });
  });
});
