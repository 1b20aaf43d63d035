/**
 * Mail whose UIDs are not in its mailbox: Dovecot keeps its control files elsewhere, lost them, or has not been there yet. Only
 * in the last case, and only where nothing but deliveries has been, is it numbered by mailtwin; else not a byte is written.
 */
import { chownSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { type DovecotSite, startDovecot } from "./lab/dovecot.js";
import * as imap from "./lab/imap.js";
import { deliver, deliverAll } from "./lab/lmtp.js";
import { runTwin, type TwinRun } from "./lab/mailtwin.js";
import { makeMessage, makeMessages } from "./lab/messages.js";
import { folderOf, openPair, type Pair } from "./twin/pair.js";
import { treeState } from "./twin/raw-compare.js";
import { eventsOf, summaryOf } from "./twin/small-store.js";

describeLive("a Dovecot that keeps its control files elsewhere", () => {
  test.each(["maildir++", "fs"] as const)("in the store, %s: named as such, and nothing is written", async (layout) => {
    const location = `mail_location = maildir:~/Maildir${layout === "fs" ? ":LAYOUT=fs" : ""}:CONTROL=~/control`;
    await using site = await startDovecot({ name: "A", users: ["u1", "u2"], layout, extraConfig: location });
    await useInbox(site, "u1");
    await site.doveadm(["mailbox", "create", "-u", "u1", "Work"]);
    const [work, inbox] = layout === "fs" ? ["Work", "INBOX"] : [".Work", ".INBOX"];
    dropByMda(site, `u1/Maildir/${work}`, 1);
    await site.doveadm(["index", "-u", "u1", "Work"]);
    dropByMda(site, "u2/Maildir", 2); // nobody has looked at it yet.
    expect(readFileSync(join(site.store, "u1/control", inbox, "dovecot-uidlist"), "latin1")).toMatch(/\n2 :.*\n3 :/);
    const run = await expectUntouched(site);
    expect(problemsOf(run)).toEqual([
      ["u1/Maildir", "uidlist-elsewhere"],
      [`u1/Maildir/${work}`, "uidlist-elsewhere"],
      [`u1/control/${inbox}`, "uidlist-elsewhere"],
      [`u1/control/${work}`, "uidlist-elsewhere"],
      ["u2/Maildir", "uidlist-elsewhere"],
    ]);
    for (const { message, hint } of eventsOf(run, "problem")) {
      expect(String(message)).toMatch(/u1\/control/);
      expect(String(hint)).toMatch(/CONTROL=/);
    }
    // Put beside the mail, as docs/operations.md says, they are as good as any; and u2 is a fresh user as any.
    const boxes = { [inbox]: "u1/Maildir", [work]: `u1/Maildir/${work}` };
    for (const [name, path] of Object.entries(boxes))
      renameSync(join(site.store, "u1/control", name, "dovecot-uidlist"), join(site.store, path, "dovecot-uidlist"));
    const after = await runTwin(twinArgs(site));
    expect(after, JSON.stringify(after)).toMatchObject({ code: 0 });
    expect(summaryOf(after)).toMatchObject({ messages: 5, problems: 0, numberedInSource: 2, identifiedInSource: 1 });
    const uidlist = readFileSync(join(site.dir, "twin/replica/u1/Maildir/dovecot-uidlist"), "latin1");
    expect(uidlist).toMatch(/^.*\n2 .*\n3 .*\n$/);
  });

  test.each([
    ["with its index beside the mail", "", "dovecot.index.log"],
    ["with its index elsewhere, too", ":INDEX=%h/../../index/%u", "mail in cur/"],
  ])("outside of the store, %s: named with what to do, and nothing is written", async (_, index, trace) => {
    const location = `mail_location = maildir:~/Maildir:CONTROL=%h/../../control/%u${index}`;
    await using site = await startDovecot({ name: "A", users: ["u1", "u2"], extraConfig: location });
    for (const name of ["control", "index"]) makeOwned(site, join(site.dir, name));
    await useInbox(site, "u1");
    dropByMda(site, "u2/Maildir", 2);
    expect(readFileSync(join(site.dir, "control/u1/.INBOX/dovecot-uidlist"), "latin1")).toMatch(/\n2 :.*\n3 :/);
    const run = await expectUntouched(site);
    expect(problemsOf(run)).toEqual([
      ["u1/Maildir", "uidlist-missing"],
      ["u2/Maildir", "uidlist-missing"],
    ]);
    const [first, second] = eventsOf(run, "problem")
      .map(({ message }) => String(message))
      .sort();
    expect(first).toBe(
      `reading u1/Maildir: it has mail, but no dovecot-uidlist, though it was in use before: there is ${trace}`,
    );
    expect(second).toMatch(/^reading u2\/Maildir: .*, and neither has u1\/Maildir, which was in use before/);
    for (const { hint } of eventsOf(run, "problem")) expect(String(hint)).toMatch(/CONTROL=.*doveadm index -u USER/);
  });
});

describeLive("a Dovecot that keeps them with the mail", () => {
  test("a fresh user to whom only an MDA has delivered: numbered as Dovecot would, and said", async () => {
    await using pair = await openPair({ users: ["u1", "u2"] });
    await deliver(pair.source, "u1", makeMessage({ seed: 1 }));
    const names = dropByMda(pair.source, "u2/Maildir", 3);
    const run = await pair.sync();
    expect(run, JSON.stringify(run)).toMatchObject({ code: 0 });
    expect(summaryOf(run)).toMatchObject({
      ...{ messages: 4, saves: 4, problems: 0 },
      ...{ numberedInSource: 3, renumberedInSource: 0, identifiedInSource: 1 },
    });
    const uidlist = readFileSync(join(pair.source.mailRoot("u2"), "dovecot-uidlist"), "latin1");
    expect(uidlist.split("\n").slice(1, -1)).toEqual(names.map((name, i) => `${i + 1} :${name}`));
    const views = await pair.settle();
    expect(folderOf(views, "u2").messages.map(({ uid }) => uid)).toEqual([1, 2, 3]);
    const again = await pair.sync();
    expect(summaryOf(again)).toMatchObject({ numberedInSource: 0, identifiedInSource: 0, problems: 0 });
  });

  test("a uidlist that was lost: what `doveadm index` makes of it is shipped, UIDs from the index's next one", async () => {
    await using pair = await openPair({ users: ["u1"] });
    await useInbox(pair.source, "u1");
    rmSync(join(pair.source.mailRoot("u1"), "dovecot-uidlist"));
    const run = await expectUntouched(pair.source, pair);
    expect(problemsOf(run)).toEqual([["u1/Maildir", "uidlist-missing"]]);
    expect(await shippedAfterIndex(pair)).toEqual([4, 5]);
  });

  test("mail that was in use elsewhere, and that no Dovecot has opened here", async () => {
    await using pair = await openPair({ users: ["u1"] });
    const root = pair.source.mailRoot("u1");
    for (const name of dropByMda(pair.source, "u1/Maildir", 2))
      renameSync(join(root, "new", name), join(root, "cur", `${name}:2,S`));
    const run = await expectUntouched(pair.source, pair);
    expect(problemsOf(run)).toEqual([["u1/Maildir", "uidlist-missing"]]);
    expect(await shippedAfterIndex(pair)).toEqual([1, 2]);
  });
});

/** Three messages by LMTP, of which a client has expunged the first: UIDs 2 and 3. */
async function useInbox(site: DovecotSite, user: string): Promise<void> {
  const messages = makeMessages(3, { seed: 10 }).map((message) => ({ user, message }));
  await deliverAll(site, messages);
  const client = await imap.connect(site, user);
  try {
    await imap.select(client, "INBOX");
    await imap.expunge(client, [1]);
  } finally {
    await client.logout();
  }
}

/** As a plain MDA does it: files in new/, and nothing else. Returns their names, in the order in which Dovecot numbers them. */
function dropByMda({ store, owner }: DovecotSite, path: string, count: number): readonly string[] {
  const own = (at: string) => chownSync(at, owner.uid, owner.gid);
  for (const part of ["", "cur", "new", "tmp"]) {
    const dir = join(store, path, part);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    own(dir);
  }
  const names = Array.from({ length: count }, (_, i) => `${1_700_000_000 + i}.V801I${i}M1.mx`);
  for (const name of names) {
    const file = join(store, path, "new", name);
    writeFileSync(file, `Subject: ${name}\n\nx\n`, { mode: 0o600 });
    own(file);
  }
  return names;
}

function makeOwned({ owner }: DovecotSite, path: string): void {
  mkdirSync(path);
  chownSync(path, owner.uid, owner.gid);
}

/** A run that ends with problems only, and has left the source as it was, to the last ctime. */
async function expectUntouched(site: DovecotSite, pair?: Pair): Promise<TwinRun> {
  const before = treeState(site.store);
  if (pair === undefined) mkdirSync(join(site.dir, "twin"));
  const run = await (pair?.sync() ?? runTwin(twinArgs(site)));
  expect(treeState(site.store)).toEqual(before);
  expect(run, JSON.stringify(run)).toMatchObject({ code: 1, stderr: "" });
  expect(eventsOf(run, "warning")).toEqual([]);
  expect(summaryOf(run)).toMatchObject({ transactions: 0, numberedInSource: 0, identifiedInSource: 0 });
  return run;
}

function twinArgs({ store, dir }: DovecotSite): readonly string[] {
  return ["sync", store, join(dir, "twin/replica"), "--json", "--state", join(dir, "twin/state")];
}

function problemsOf(run: TwinRun): readonly (readonly [string, string])[] {
  const told = eventsOf(run, "problem").map(({ path, code }) => [String(path), String(code)] as const);
  return told.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** As the hint says. Returns the UIDs of u1's INBOX on the replica. */
async function shippedAfterIndex(pair: Pair): Promise<readonly number[]> {
  await pair.source.doveadm(["index", "-u", "u1", "INBOX"]);
  expect(readdirSync(pair.source.mailRoot("u1"))).toContain("dovecot-uidlist");
  const run = await pair.sync();
  expect(run, JSON.stringify(run)).toMatchObject({ code: 0 });
  return folderOf(await pair.settle(), "u1").messages.map(({ uid }) => uid);
}
