/** What one mailbox of the replica does not take is one rejection, and keeps nothing else from coming; when it can be taken it is. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { deliver, deliverAll } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { until } from "./lab/until.js";
import { openSites, type Sites } from "./sites/lab.js";
import { mailFor } from "./sites/mail.js";
import { inboxOf, newest, UidLedger, untilSourceIsShown } from "./twin/foreign-mail.js";

const USERS = ["u1", "u2", "u3"];

describeLive("a mailbox that the replica does not take", () => {
  let lab: Sites;

  beforeAll(async () => {
    lab = await openSites({ names: ["a", "b"], users: USERS });
    const [a, b] = [lab.site("a"), lab.site("b")];
    await deliverAll(a.dovecot, mailFor(USERS, { seed: 1, count: 9 }));
    await using session = await imap.connect(a.dovecot, "u1");
    await imap.createFolder(session, "Work");
    await appendTo("Work", 50);
    lab.configureSource("a", ["b"]);
    lab.configureReplica("b", "a");
    await lab.startAll("a", ["b"]);
    await lab.settle("a", "b");
    expect(b.said("link-refused")).toEqual([]);
  });

  beforeEach(() => lab.tellWhenFailed());

  afterAll(async () => {
    mayWrite(cur(), true);
    await lab[Symbol.asyncDispose]();
  });

  async function appendTo(folder: string, seed: number): Promise<void> {
    await using session = await imap.connect(lab.site("a").dovecot, "u1");
    for (const at of [seed, seed + 1])
      await imap.append(session, folder, makeMessage({ seed: at }), { flags: ["\\Seen"] });
  }

  function cur(): string {
    return join(lab.site("b").dovecot.mailRoot("u1"), ".Work", "cur");
  }

  test("is one rejection with a reason, and all others are equal meanwhile", async (context) => {
    const a = lab.site("a");
    if (!mayWrite(cur(), false)) context.skip("chattr +i is not to be had here");
    const { mark } = a;
    await appendTo("Work", 100);
    const rejected = await a.daemon.waitFor("the rejection", ({ msg }) => msg === "transaction-rejected", mark);
    expect(rejected).toMatchObject({
      ...{ level: 50, store: "mail", replica: "b", mailbox: "u1/Maildir/.Work" },
      ...{ code: "mailbox-denied", message: expect.stringMatching(/EPERM|not permitted/) },
    });
    await appendTo("Work", 200);
    await appendTo("INBOX", 300);
    await deliverAll(a.dovecot, mailFor(USERS, { seed: 400, count: 9 }));
    await lab.settle("a", "b", { users: ["u2", "u3"] });
    const differing = (): readonly string[] => lab.pair("a", "b").fileDifferences(["u1"]);
    await until("the INBOX of u1 to be equal", () => differing().every((words) => words.includes(".Work")), {
      detail: () => differing().join("\n"),
    });
    expect(differing()).not.toEqual([]);
    expect(await a.statusOf("b")).toMatchObject({ rejects: 1, state: "live" });
    // It is tried again and again meanwhile.
    for (const each of a.said("transaction-rejected", mark))
      expect(each).toMatchObject({ mailbox: "u1/Maildir/.Work", code: "mailbox-denied" });
  });

  test("is healed by itself when it can be written again", async () => {
    const [a, b] = [lab.site("a"), lab.site("b")];
    const links = b.mark;
    mayWrite(cur(), true);
    await lab.settle("a", "b");
    await until("the rejection to go", async () => (await a.statusOf("b"))["rejects"] === 0);
    expect(b.said("source-connected", links)).toEqual([]);
  });

  test("where foreign mail took the UID, makes room for both, and the others are equal", async () => {
    const a = lab.site("a");
    const { mark } = a;
    const pair = lab.pair("a", "b");
    await lab.settle("a", "b");
    const ledger = new UidLedger();
    await deliver(pair.replica, "u2", makeMessage({ seed: 500 }));
    const foreign = newest(await inboxOf(pair, "replica", "u2", ledger));
    await deliver(pair.source, "u2", makeMessage({ seed: 501 }));
    await deliver(pair.source, "u3", makeMessage({ seed: 502 }));
    expect(newest(await inboxOf(pair, "source", "u2", ledger)).guid).not.toBe(foreign.guid);
    await untilSourceIsShown(pair, "u2", [foreign.guid], ledger);
    expect(ledger.contradictions()).toEqual([]);
    await a.daemon.waitFor("word of it", ({ msg }) => msg === "conflict-resolved", mark);
    await lab.settle("a", "b", { users: ["u1", "u3"] });

    await using session = await imap.connect(pair.replica, "u2");
    await imap.select(session, "INBOX");
    const own = (await inboxOf(pair, "replica", "u2", ledger)).messages.find(({ guid }) => guid === foreign.guid);
    await imap.expunge(session, [own?.uid ?? 0]);
    await deliver(pair.source, "u2", makeMessage({ seed: 503 }));
    await lab.settle("a", "b", { ignoreUidNext: true });
    expect(a.said("transaction-rejected", mark)).toEqual([]);
    for (const name of ["a", "b"]) await lab.site(name).daemon.stop();
  });
});

/** Takes from everybody, root too, the right to change a directory, or gives it back; returns whether the file system can do that. */
function mayWrite(dir: string, may: boolean): boolean {
  return spawnSync("chattr", [may ? "-i" : "+i", dir]).status === 0;
}
