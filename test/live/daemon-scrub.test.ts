/** Bodies are read again by a daemon beside real Dovecots: what was changed on the replica is repaired, and its clients see it as it was. */
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { deliverAll } from "./lab/lmtp.js";
import { openSites } from "./sites/lab.js";
import { mailFor } from "./sites/mail.js";
import { folderOf } from "./twin/pair.js";

describeLive("bodies that are read again", () => {
  test("one that was changed on the replica has its right bytes there, under its UID, after the next turn", async () => {
    await using lab = await openSites({ names: ["a", "b"], users: ["u1"], network: "loopback" });
    lab.tellWhenFailed();
    const [a, b] = [lab.site("a"), lab.site("b")];
    await deliverAll(a.dovecot, mailFor(["u1"], { seed: 1, count: 4 }));
    lab.configureSource("a", ["b"]);
    lab.configureReplica("b", "a");
    await lab.startAll("a", ["b"]);
    const before = folderOf(await lab.settle("a", "b"), "u1");

    const cur = join(b.dovecot.store, "u1/Maildir/cur");
    const files = readdirSync(cur).map((name) => join(cur, name));
    expect(files).toHaveLength(4);
    const file = files[1] ?? "";
    const bytes = readFileSync(file);
    const { atimeMs, mtimeMs } = statSync(file);
    bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    utimesSync(file, atimeMs / 1000, mtimeMs / 1000);
    await using session = await imap.connect(b.dovecot, "u1"); // it stays over the repair.
    await imap.select(session, "INBOX");

    const [table] = Object.values(lab.store("a", {}));
    const replica = { b: { to: lab.addressOf("a", "b"), peer: "b" } };
    const store = { ...(table as object), replica, scrub: { every: "10s" } };
    lab.configureSource("a", ["b"], { store: { mail: store } });
    const mark = a.mark;
    expect(await a.reload()).toMatchObject({ msg: "config-reloaded" });
    const repaired = await a.daemon.waitFor("the repair", ({ msg }) => msg === "body-repaired", mark);
    expect(repaired).toMatchObject({ replica: "b", mailbox: "u1/Maildir", by: "hash" });
    const after = folderOf(await lab.settle("a", "b"), "u1");
    expect(after).toStrictEqual(before);
    const uid = Number(repaired["uid"]);
    const seen = await session.fetchOne(String(uid), { source: true }, { uid: true });
    const source = await imap.connect(a.dovecot, "u1");
    await imap.select(source, "INBOX", { readOnly: true });
    const right = await source.fetchOne(String(uid), { source: true }, { uid: true });
    await source.logout();
    expect(seen !== false && right !== false && seen.source?.equals(right.source ?? Buffer.alloc(0))).toBe(true);
    for (const site of [a, b]) await site.daemon.stop();
  });
});
