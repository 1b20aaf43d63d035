/** More happens while a replica is away than the log may hold: the log stays within its limit, and the replica is compared when it comes. */
import { chownSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import type { DovecotSite } from "./lab/dovecot.js";
import * as imap from "./lab/imap.js";
import { deliverAll } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { until } from "./lab/until.js";
import { openSites } from "./sites/lab.js";
import { mailFor } from "./sites/mail.js";

/** The least that the log may be limited to. */
const LIMIT_BYTES = 16 * 2 ** 20;
/** A message is that much of the log each time that it is copied, most of it its name. */
const NAME_BYTES = 230;
const MESSAGES = 3_000;
const COPIES = Math.ceil((LIMIT_BYTES * 1.1) / (MESSAGES * NAME_BYTES));

describeLive("a log with a limit", () => {
  test("lets go of a replica that is away for too long, which is compared when it comes, and equal", async () => {
    await using lab = await openSites({ names: ["a", "b"], users: ["u1", "u2"] });
    lab.tellWhenFailed();
    const [a, b] = [lab.site("a"), lab.site("b")];
    await deliverAll(a.dovecot, mailFor(["u1", "u2"], { seed: 1, count: 6 }));
    // Folders go as a whole below: no person is there to let that pass.
    const store = lab.store("a", {
      replica: { b: { to: lab.addressOf("a", "b"), peer: "b" } },
      brake: { messages: 1_000_000, small_store_messages: 1_000_000, in_deleted_mailboxes: 1_000_000 },
    });
    lab.configureSource("a", ["b"], { top: { log: { max_size: "16MiB" } }, store });
    lab.configureReplica("b", "a");
    await lab.startAll("a", ["b"]);
    await lab.settle("a", "b");
    await b.daemon.stop();

    putLongNames(a.dovecot, "u1");
    await using session = await imap.connect(a.dovecot, "u1");
    for (let i = 0; i < COPIES; i++) {
      await imap.createFolder(session, `Copy ${i}`);
      await imap.select(session, "INBOX");
      await imap.copy(session, "1:*", `Copy ${i}`);
    }
    await a.daemon.waitFor("word of it", ({ msg }) => msg === "replica-needs-resync");
    expect(a.said("replica-needs-resync")).toEqual([expect.objectContaining({ replica: "b", why: "log-size" })]);
    // What it would cost to ship them is no matter of this test.
    for (let i = 1; i < COPIES; i++) await imap.deleteFolder(session, `Copy ${i}`);
    await imap.select(session, "INBOX");
    await imap.expunge(session, "1,10:2900");
    await deliverAll(a.dovecot, mailFor(["u2"], { seed: 100, count: 5 }));
    // What is captured between two looks of the daemon is beyond the limit until the next one.
    await until("the log to be trimmed", async () => {
      const { firstLsn, bytes } = await a.logStatus();
      return firstLsn > 1 && bytes <= LIMIT_BYTES;
    });

    await b.start();
    await lab.settle("a", "b");
    await until("it to be compared", async () => (await a.statusOf("b"))["needsResync"] === false);
    expect(await a.statusOf("b")).toMatchObject({ rejects: 0, state: "live", lagTransactions: 0 });
    for (const site of [a, b]) await site.daemon.stop();
  });
});

/** Mail whose file names are as long as a program may make them. */
function putLongNames(site: DovecotSite, user: string): void {
  const root = site.mailRoot(user);
  const { uid, gid } = site.owner;
  const body = makeMessage({ seed: 9, bytes: 200 }).toString("latin1").replaceAll("\r\n", "\n");
  for (let i = 0; i < MESSAGES; i++) {
    const name = `1600000000.M${i}P1.${"x".repeat(NAME_BYTES)}`.slice(0, NAME_BYTES);
    const temporary = join(root, "tmp", "long");
    writeFileSync(temporary, body, "latin1");
    chownSync(temporary, uid, gid);
    renameSync(temporary, join(root, "new", name));
  }
}
