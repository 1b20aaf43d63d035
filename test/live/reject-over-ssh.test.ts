/** A `sync` to HOST:DST, whose source loses a folder, and then a whole user: both come back from the other host, as clients had them. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { overSsh } from "../unit/daemon/reject/over-ssh.js";
import { describeLive } from "./lab/available.js";
import type { DovecotSite } from "./lab/dovecot.js";
import * as imap from "./lab/imap.js";
import { deliverAll } from "./lab/lmtp.js";
import { runTwin, type TwinRun } from "./lab/mailtwin.js";
import { mailFor } from "./sites/mail.js";
import { openPair, type Pair } from "./twin/pair.js";
import { fileMail } from "./twin/raw-mail.js";
import { eventsOf } from "./twin/small-store.js";

const USERS = ["u1", "u2", "u3"];
/** More than the brake lets go with its mailbox. */
const MANY = 260;

describeLive("what a source has lost", () => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await openPair({ users: USERS });
    const { source } = pair;
    await deliverAll(source, mailFor(USERS, { seed: 1, count: 4 }));
    await fileMail({ site: source, user: "u1" }, { count: MANY, seed: 100 });
    await using session = await imap.connect(source, "u1");
    await imap.createFolder(session, "Work");
    await imap.select(session, "INBOX");
    await session.messageMove("1:*", "Work", { uid: true });
    await imap.select(session, "Work");
    await imap.store(session, [2, 5], { add: ["\\Flagged", "todo"] });
    await deliverAll(source, mailFor(USERS, { seed: 50, count: 12 }));
    expect((await mailtwin("sync")).code).toBe(0);
  }, 120_000);
  afterAll(async () => pair[Symbol.asyncDispose]());

  /** Each command as an operator says it, of that pair. */
  async function mailtwin(...command: readonly string[]): Promise<TwinRun> {
    const { source, replica, state } = pair;
    const { destination, rsh, remoteMailtwin } = overSsh({ dir: replica.dir, replica: replica.store });
    const flags = ["-e", rsh, "--remote-mailtwin", remoteMailtwin, "--state", state, "--json"];
    return runTwin([...command, source.store, destination, ...flags]);
  }

  /** What a client sees of each message, but for its UID; in no order. */
  async function mailOf(site: DovecotSite, user: string, mailbox: string): Promise<readonly string[]> {
    await using session = await imap.connect(site, user);
    await imap.select(session, mailbox);
    const lines: string[] = [];
    for await (const { flags, internalDate, source } of session.fetch("1:*", {
      flags: true,
      internalDate: true,
      source: true,
    })) {
      const shown = [...(flags ?? [])].filter((flag) => flag !== "\\Recent").sort();
      lines.push(`${shown.join(" ")} ${String(internalDate)} ${String(source)}`);
    }
    return lines.sort();
  }

  async function expectBack(
    mailboxes: readonly (readonly [user: string, mailbox: string])[],
    lose: () => void,
  ): Promise<void> {
    const { source, replica } = pair;
    const before = await Promise.all(mailboxes.map(([user, mailbox]) => mailOf(source, user, mailbox)));
    const count = before.flat().length;
    lose();
    expect((await mailtwin("sync")).code).toBe(1);
    const back = await mailtwin("deletions", "reject");
    expect([back.code, eventsOf(back, "restored").length], JSON.stringify(back.strayOutput)).toEqual([0, count]);
    const last = await mailtwin("sync");
    expect(last.code, JSON.stringify(last.events.at(-1))).toBe(0);
    for (const site of [source, replica])
      expect(await Promise.all(mailboxes.map(([user, mailbox]) => mailOf(site, user, mailbox)))).toEqual(before);
    expect(eventsOf(await mailtwin("deletions", "reject"), "already-restored")).toEqual([]);
  }

  test("a folder comes back over ssh with its flags, keywords and dates, and both are equal through IMAP", async () => {
    await expectBack([["u1", "Work"]], () => rmSync(join(pair.source.mailRoot("u1"), ".Work"), { recursive: true }));
    await pair.settle();
  }, 120_000);

  test("a user's mail as a whole does, too, with the owner that all users have", async () => {
    const root = join(pair.source.store, "u1");
    await expectBack(
      [
        ["u1", "INBOX"],
        ["u1", "Work"],
      ],
      () => rmSync(root, { recursive: true }),
    );
    await pair.settle();
  }, 120_000);
});
