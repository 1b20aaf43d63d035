/**
 * More events than the kernel keeps while nobody reads them: it drops the rest without a word to the watchers, and all
 * that happened must still reach the replica.
 */
import { readdirSync, readFileSync, renameSync } from "node:fs";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { deliver } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { watchNames } from "./lab/watch-names.js";
import { useLiveTwin } from "./twin/live-twin.js";
import { folderOf } from "./twin/pair.js";
import { rawDifferences } from "./twin/raw-compare.js";
import { dropFile, fileMail, mailboxDir } from "./twin/raw-mail.js";

/** The limit of a watcher is that of the moment in which it was made, so it is read before the twin starts. */
const EVENTS_KEPT = Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8"));
const DELIVERIES = Math.max(20_000, EVENTS_KEPT + 4_000);
const EXPUNGES = DELIVERIES / 2;
const CATCH_UP_MS_MAX = 4.5 * DELIVERIES;

describeLive("an overflow of the kernel's event queue", () => {
  const lab = useLiveTwin({
    users: ["u1", "u2"],
    args: ["--approve-deletions"], // half of the store goes below, and nobody is there to be asked.
    prepare: async ({ source }) => {
      for (const user of ["u1", "u2"]) await deliver(source, user, makeMessage({ seed: 1 }));
    },
  });
  const bodiless = { bodies: false, deadlineMs: CATCH_UP_MS_MAX } as const;

  test(`by ${DELIVERIES} deliveries to a stopped process: all arrive`, async () => {
    const { pair, twin } = lab;
    // Wakes the mailboxes: their directories are watched now.
    for (const user of ["u1", "u2"]) await deliver(pair.source, user, makeMessage({ seed: 2 }));
    await pair.settle();
    // Another watcher of the same directory, stopped for as long: what the kernel dropped for it, it dropped for the twin.
    await using witness = await watchNames([`${mailboxDir({ site: pair.source, user: "u1" })}/new`]);
    await twin.pause();
    witness.pause();
    await fileMail({ site: pair.source, user: "u1" }, { count: DELIVERIES, seed: 100 });
    twin.resume();
    witness.resume();
    await pair.settleFiles(CATCH_UP_MS_MAX);
    const [told] = await witness.namesTold();
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThan(DELIVERIES);
    const inbox = folderOf(await pair.settle("u1", bodiless), "u1");
    expect(inbox.messages).toHaveLength(DELIVERIES + 2);
    expect(rawDifferences(pair.source.store, pair.replica.store)).toEqual([]);
  });

  test("by a bulk of flags and expunges: nothing stays as it was, nor where no event at all was told", async () => {
    const { pair, twin } = lab;
    const quiet = { site: pair.source, user: "u2" };
    const [busyDir, quietDir] = [mailboxDir({ site: pair.source, user: "u1" }), mailboxDir(quiet)];
    const [first = ""] = ["cur", "new"]
      .flatMap((dir) => readdirSync(`${quietDir}/${dir}`).map((name) => `${dir}/${name}`))
      .sort((a, b) => (baseOf(a) < baseOf(b) ? -1 : 1));
    await using session = await imap.connect(pair.source, "u1");
    await imap.select(session, "INBOX");
    await using witness = await watchNames([`${busyDir}/cur`, `${quietDir}/cur`, `${quietDir}/new`]);
    await twin.pause();
    witness.pause();
    await imap.store(session, "1:*", { add: ["\\Seen"] });
    // By now the queue is full. Nothing else than a sweep can find what comes after that, in a mailbox that was at rest.
    renameSync(`${quietDir}/${first}`, `${quietDir}/cur/${baseOf(first)}:2,S`);
    dropFile(quiet, "1700000000.after-the-overflow", { seed: 50 });
    await imap.expunge(session, `1:${EXPUNGES}`);
    twin.resume();
    witness.resume();
    await pair.settleFiles(CATCH_UP_MS_MAX);
    const [told, ...toldOfQuiet] = await witness.namesTold();
    expect(told).toBeGreaterThan(0);
    expect(toldOfQuiet).toEqual([0, 0]);
    const views = await pair.settle(["u1", "u2"], bodiless);
    const inbox = folderOf(views, "u1");
    expect(inbox.messages).toHaveLength(DELIVERIES + 2 - EXPUNGES);
    expect(inbox.messages.filter(({ flags }) => flags.join() !== "\\Seen")).toEqual([]);
    expect(folderOf(views, "u2").messages.map(({ flags }) => flags.join())).toEqual(["\\Seen", "", ""]);
  });

  test("and the twin is as quick as before", async () => {
    const { pair } = lab;
    await deliver(pair.source, "u1", makeMessage({ seed: 3 }));
    await pair.settle("u1", { bodies: false, deadlineMs: 10_000 });
  });
});

/** Of "new/BASE" or "cur/BASE:2,FLAGS". */
function baseOf(place: string): string {
  return place.slice("cur/".length).split(":")[0] ?? "";
}
