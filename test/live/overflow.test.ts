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
import { useLiveTwin } from "./twin/live-twin.js";
import { folderOf } from "./twin/pair.js";
import { rawDifferences } from "./twin/raw-compare.js";
import { fileMail } from "./twin/raw-mail.js";

const DELIVERIES = 20_000;
const EVENTS_KEPT = Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8"));
const CATCH_UP_MS_MAX = 90_000;

describeLive("an overflow of the kernel's event queue", () => {
  const lab = useLiveTwin({
    users: ["u1"],
    prepare: ({ source }) => deliver(source, "u1", makeMessage({ seed: 1 })),
  });
  const bodiless = { bodies: false, deadlineMs: CATCH_UP_MS_MAX } as const;

  test(`by ${DELIVERIES} deliveries to a stopped process: all arrive`, async () => {
    const { pair, twin } = lab;
    // Every delivery makes at least one event in new/ and one of the uidlist for every batch.
    expect(DELIVERIES).toBeGreaterThan(EVENTS_KEPT);
    await deliver(pair.source, "u1", makeMessage({ seed: 2 })); // wakes the mailbox: its directories are watched now.
    await pair.settle("u1");
    await twin.pause();
    await fileMail({ site: pair.source, user: "u1" }, { count: DELIVERIES, seed: 100 });
    twin.resume();
    await pair.settleFiles(CATCH_UP_MS_MAX);
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
    await imap.expunge(session, "1:10000");
    twin.resume();
    await pair.settleFiles(CATCH_UP_MS_MAX);
    const inbox = folderOf(await pair.settle("u1", bodiless), "u1");
    expect(inbox.messages).toHaveLength(DELIVERIES + 2 - 10_000);
    expect(inbox.messages.filter(({ flags }) => flags.join() !== "\\Seen")).toEqual([]);
  });

  test("and the twin is as quick as before", async () => {
    const { pair } = lab;
    await deliver(pair.source, "u1", makeMessage({ seed: 3 }));
    await pair.settle("u1", { bodies: false, deadlineMs: 10_000 });
  });
});
