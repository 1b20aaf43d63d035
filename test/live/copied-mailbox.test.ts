/** A mailbox that was copied with its GUID: what the hint tells to do leads, with a real Dovecot, to two mailboxes that are both twinned. */
import { chownSync, cpSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { makeMessages } from "./lab/messages.js";
import { openPair, type Pair } from "./twin/pair.js";
import { eventsOf, expectOneProblem } from "./twin/small-store.js";

const USER = "u1";

function guidOf(pair: Pair, folder: string): string | undefined {
  const uidlist = readFileSync(join(pair.source.mailRoot(USER), folder, "dovecot-uidlist"), "latin1");
  return /^3 .*\bG([0-9a-f]{32})/.exec(uidlist)?.[1];
}

describeLive("a mailbox that was copied with its GUID", () => {
  test("has one of its own when Dovecot has looked at it without its control files", { timeout: 60_000 }, async () => {
    await using pair = await openPair({ users: [USER] });
    const client = await imap.connect(pair.source, USER);
    await imap.createFolder(client, "Work");
    for (const message of makeMessages(3, { seed: 1 })) await imap.append(client, "Work", message);
    await client.logout();
    expect((await pair.sync()).code).toBe(0);

    const copy = join(pair.source.mailRoot(USER), ".Copy");
    cpSync(join(pair.source.mailRoot(USER), ".Work"), copy, { recursive: true, preserveTimestamps: true });
    const own = ["", ...readdirSync(copy, { recursive: true, encoding: "utf8" })].map((path) => join(copy, path));
    for (const path of own) chownSync(path, pair.source.owner.uid, pair.source.owner.gid);
    const first = await pair.sync();
    expectOneProblem(first, "u1/Maildir/.Copy", "mailbox-guid-twice");
    expect(eventsOf(first, "problem")[0]?.["hint"]).toContain("doveadm index -u USER MAILBOX");

    const control = readdirSync(copy).filter((name) => name === "dovecot-uidlist" || name.startsWith("dovecot.index"));
    expect(control.length).toBeGreaterThan(1);
    for (const name of control) rmSync(join(copy, name));
    expect(eventsOf(await pair.sync(), "problem")).toMatchObject([
      { path: "u1/Maildir/.Copy", hint: expect.stringContaining("doveadm index -u USER MAILBOX") },
    ]);

    await pair.source.doveadm(["index", "-u", USER, "Copy"]);
    expect(guidOf(pair, ".Copy")).toMatch(/^[0-9a-f]{32}$/);
    expect(guidOf(pair, ".Copy")).not.toBe(guidOf(pair, ".Work"));
    expect(await pair.sync()).toMatchObject({ code: 0, stderr: "" });
    await pair.settle(USER);
  });
});
