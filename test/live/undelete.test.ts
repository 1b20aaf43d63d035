/**
 * What replication removed is named by `undelete list`, and put back by `undelete restore`: for Dovecot it is new mail, with a new UID, the
 * same bytes and INTERNALDATE, and it is replicated like any other. With real Dovecots.
 */
import { expect, test } from "vitest";
import { mailtwin } from "../unit/daemon/mailtwin.js";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { makeMessage } from "./lab/messages.js";
import { useLiveTwin } from "./twin/live-twin.js";
import { folderOf } from "./twin/pair.js";

const DATE = new Date("2021-03-04T05:06:07Z");

describeLive("removed mail is had back", () => {
  const users = ["u1", "u2"];
  const lab = useLiveTwin({
    users,
    prepare: async ({ source }) => {
      for (const user of users) {
        await using session = await imap.connect(source, user);
        await imap.createFolder(session, "Work");
        for (const seed of [1, 2, 3])
          await imap.append(session, "INBOX", makeMessage({ seed }), { flags: ["\\Seen"], date: DATE });
        for (const seed of [4, 5]) await imap.append(session, "Work", makeMessage({ seed }), { date: DATE });
      }
    },
  });

  async function undelete(verb: string, ...args: readonly string[]) {
    const { source, replica, state } = lab.pair;
    const place = { cwd: replica.dir };
    const all = ["undelete", verb, source.store, replica.store, "--state", state, "--json", ...args];
    const { code, out, err } = await mailtwin(all, place);
    const rows = out.split("\n").filter((line) => line !== "");
    return { code, err, rows: rows.map((line) => JSON.parse(line) as Record<string, unknown>) };
  }

  /** The files are moved a moment before that is recorded. */
  async function listed(user: string, kind: "message" | "mailbox") {
    let rows: readonly Record<string, unknown>[] = [];
    const look = async () => {
      ({ rows } = await undelete("list", "-u", user));
      return rows.at(-1)?.["kind"];
    };
    await expect.poll(look, { timeout: 20_000 }).toBe(kind);
    return rows;
  }

  test("a message that was expunged comes back as new mail, once, and is replicated", async () => {
    const { pair } = lab;
    const before = folderOf(await pair.settle("u1"), "u1");
    const gone = before.messages.find(({ uid }) => uid === 2);
    await using session = await imap.connect(pair.source, "u1");
    await imap.select(session, "INBOX");
    await imap.expunge(session, [2]);
    await pair.settle("u1");

    const rows = await listed("u1", "message");
    expect(rows).toMatchObject([
      { user: "u1", folder: "INBOX", uid: 2, cause: "expunge", isThere: true, kind: "message" },
    ]);
    expect(gone?.sizeBytes).toBeGreaterThanOrEqual(Number(rows[0]?.["size"])); // as a client sees it, with CRLF.

    const dry = await undelete("restore", "-u", "u1", "--mailbox", "INBOX", "--uid", "2", "--dry-run");
    expect(dry).toMatchObject({ code: 0, rows: [{ event: "would-restore", to: "u1/Maildir" }] });
    expect(folderOf(await pair.settle("u1"), "u1").messages).toHaveLength(2);

    const done = await undelete("restore", "-u", "u1", "--mailbox", "INBOX", "--uid", "2");
    expect(done, JSON.stringify(done)).toMatchObject({ code: 0, rows: [{ event: "restored", uid: 2 }] });
    await imap.select(session, "INBOX"); // Dovecot looks.
    const { messages } = folderOf(await pair.settle("u1"), "u1");
    expect(messages.map(({ uid }) => uid)).toEqual([1, 3, 4]);
    const back = messages.at(-1);
    expect(back).toMatchObject({ flags: [], internalDateMs: DATE.getTime() });
    expect(back?.bodySha256).toBe(gone?.bodySha256);

    expect(await undelete("restore", "--name", String(rows[0]?.["name"]))).toMatchObject({
      ...{ code: 0, rows: [{ event: "already-restored" }] },
    });
    expect(folderOf(await pair.settle("u1"), "u1").messages).toHaveLength(3);
  });

  test("of a deleted folder all its mail comes into a folder of that name, else into INBOX", async () => {
    const { pair } = lab;
    await using session = await imap.connect(pair.source, "u2");
    await imap.deleteFolder(session, "Work");
    await pair.settle("u2");
    const rows = await listed("u2", "mailbox");
    // Dovecot empties a folder as it deletes it, so its mail may have gone one by one before.
    expect(rows.at(-1)).toMatchObject({ folder: ".Work", kind: "mailbox", cause: "delete", isThere: true });

    const instead = await undelete("restore", "-u", "u2", "--mailbox", "Work", "--all", "--dry-run");
    expect(instead.rows).toMatchObject([
      { event: "would-restore", to: "u2/Maildir", words: "its mailbox is gone at the source" },
      { event: "would-restore", to: "u2/Maildir", words: "its mailbox is gone at the source" },
    ]);

    await imap.createFolder(session, "Work");
    const done = await undelete("restore", "-u", "u2", "--mailbox", "Work", "--all");
    expect(done, JSON.stringify(done)).toMatchObject({ code: 0, rows: [{ event: "restored" }, { event: "restored" }] });
    await imap.select(session, "Work");
    const work = folderOf(await pair.settle("u2"), "u2", "Work");
    expect(work.messages.map(({ uid, internalDateMs }) => [uid, internalDateMs])).toEqual([
      [1, DATE.getTime()],
      [2, DATE.getTime()],
    ]);
  });
});
