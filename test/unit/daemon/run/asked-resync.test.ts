/** A comparison that a person asks for: of a replica that is paused, at the wrong host, and what the status says of what it left. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { until } from "../../../live/lab/until.js";
import { CLI, type DaemonEvent } from "../../../live/sites/daemon-process.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";

const isLive = (event: DaemonEvent) => event.msg === "replica-state" && event["state"] === "live";

async function tell(two: TwoDaemons, which: "source" | "replica", ...args: readonly string[]) {
  const command = [CLI, ...args, "--config", two.configs[which]];
  const ended = promisify(execFile)(process.execPath, command).then(({ stdout }) => ({ code: 0, stdout, stderr: "" }));
  return ended.catch((error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => error);
}

test("one that is paused: that is said, and the status and the list count the same", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  two.configure({});
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", (event) => event.msg === "replica-state" && event["state"] === "live");
  await tell(two, "source", "pause", "b");
  expect(await tell(two, "source", "resync", "--mailbox", INBOX)).toMatchObject({
    stdout: "1 mailbox will be compared\nmail/b is paused, and is compared after mailtwin resume mail/b\n",
  });
  const list = async () => (await tell(two, "source", "rejects", "list", "--json")).stdout;
  const listed = await list();
  expect(listed.trim().split("\n")).toHaveLength(1);
  expect((await tell(two, "source", "explain", INBOX, "1")).stdout).toMatch(
    /\n {4}b: not known until it is compared \(cursor \d+\): it was asked for by hand\n$/,
  );
  // Nobody has refused it, and so nothing is skipped.
  expect(await tell(two, "source", "rejects", "skip", "b")).toMatchObject({
    stdout: "nothing is rejected\n1 mailbox of the rejection log: to be compared, not refused\n",
  });
  expect(await list()).toBe(listed);
  // One that was renamed: also that is in the log alone.
  makeMailbox(two.source, `${INBOX}/.Work`, { messages: 1, seed: 10 });
  const explains = (folder: string) => tell(two, "source", "explain", `${INBOX}/${folder}`, "1");
  await until("it to be there", async () => (await explains(".Work")).code === 0);
  renameSync(join(two.source, INBOX, ".Work"), join(two.source, INBOX, ".Arbeit"));
  await until("its other name", async () => (await explains(".Arbeit")).code === 0);
  for (const command of [
    ["resync", "--mailbox", `${INBOX}/.Work`],
    ["explain", `${INBOX}/.Work`, "1"],
  ])
    expect(await tell(two, "source", ...command)).toMatchObject({
      code: 64,
      stderr: expect.stringMatching(/alice\/Maildir\/\.Work was renamed to alice\/Maildir\/\.Arbeit by LSN \d+\./),
    });
  const { stores } = JSON.parse((await tell(two, "source", "status", "--json")).stdout) as {
    readonly stores: readonly { readonly replicas: readonly object[] }[];
  };
  expect(stores[0]?.replicas).toMatchObject([
    { state: "paused", rejects: 1, troubles: [{ code: "replica-paused", level: "healing" }] },
  ]);
});

test("a rejection is named as the list shows it, as its mailbox is called now, or by its GUID, though that was renamed or deleted", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  makeMailbox(two.source, `${INBOX}/.Work`, { messages: 1, seed: 10 });
  two.configure({});
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  await tell(two, "source", "pause", "b");
  await tell(two, "source", "resync", "--mailbox", `${INBOX}/.Work`);
  const [listed = ""] = (await tell(two, "source", "rejects", "list", "--json")).stdout.split("\n");
  const row = JSON.parse(listed) as { readonly path: string; readonly mailbox: string };
  expect(row.path).toBe(`${INBOX}/.Work`);
  const isThere = async (folder: string) =>
    (await tell(two, "source", "explain", `${INBOX}/${folder}`, "1")).code === 0;
  const arbeit = join(two.source, INBOX, ".Arbeit");
  renameSync(join(two.source, INBOX, ".Work"), arbeit);
  await until("its other name", () => isThere(".Arbeit"));
  const retry = (mailbox: string) => tell(two, "source", "rejects", "retry", "b", "--mailbox", mailbox);
  const one = { code: 0, stdout: expect.stringContaining("1 mailbox of the rejection log: to be compared") };
  for (const name of [row.path, `${INBOX}/.Arbeit`, row.mailbox]) expect(await retry(name)).toMatchObject(one);
  rmSync(arbeit, { recursive: true });
  await until("it to be gone", async () => !(await isThere(".Arbeit")));
  for (const name of [row.path, row.mailbox])
    for (const what of ["retry", "skip"])
      expect(await tell(two, "source", "rejects", what, "b", "--mailbox", name)).toMatchObject(one);
  // What the list does not show is told as `resync` tells it.
  await until("the log to say so", async () => {
    const { code, stderr } = await retry(`${INBOX}/.Arbeit`);
    return code === 64 && /alice\/Maildir\/\.Arbeit was deleted by LSN \d+\./.test(stderr);
  });
});

test("of one user: the log says what each comparison found and that all have ended, and the status how far it is", {
  timeout: 90_000,
}, async () => {
  await using two = openTwoDaemons();
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  makeMailbox(two.source, `${INBOX}/.Work`, { messages: 2, seed: 10 });
  makeMailbox(two.source, "bob/Maildir", { messages: 1, seed: 20 });
  two.configure({});
  const replica = two.start("replica");
  let source = two.start("source");
  await source.waitFor("live", isLive);
  const asked = async () => {
    const { stores } = JSON.parse((await tell(two, "source", "status", "--json")).stdout) as {
      readonly stores: readonly { readonly replicas: readonly { readonly asked?: object }[] }[];
    };
    return stores[0]?.replicas[0]?.asked;
  };

  // One message has other flags there, and one is there alone.
  const cur = join(two.replica, INBOX, "cur");
  const [flagged = ""] = readdirSync(cur).filter((name) => name.endsWith(":2,"));
  renameSync(join(cur, flagged), join(cur, `${flagged}T`));
  addMessage(join(two.replica, INBOX), { seed: 70 });

  // Asked for while nobody is connected, and known over a restart of the source.
  await tell(two, "source", "pause", "b");
  expect(await tell(two, "source", "resync", "-u", "alice")).toMatchObject({ code: 0 });
  expect(await asked()).toStrictEqual({ done: 0, all: 2 });
  await source.stop();
  source = two.start("source");
  await source.waitFor("the store", ({ msg }) => msg === "store-captured");
  await until("the wish to be known", async () => (await asked()) !== undefined);
  expect(await asked()).toStrictEqual({ done: 0, all: 2 });
  expect((await tell(two, "source", "status")).stdout).toContain(
    "\n  b: 0 of 2 mailboxes compared that were asked for\n",
  );
  await tell(two, "source", "resume", "b");
  const ended = await source.waitFor("the end", ({ msg }) => msg === "resync-ended");
  expect(ended).toMatchObject({
    ...{
      level: 30,
      store: "mail",
      replica: "b",
      mailboxes: 2,
      messages: 5,
      differed: 1,
      foreignMessages: 1,
      refused: 0,
    },
  });
  const of = (mailbox: string) =>
    source.events.filter((it) => it.msg === "mailbox-compared" && it["mailbox"] === mailbox);
  expect(of(INBOX)).toMatchObject([{ code: "resync-asked", messages: 3, differed: 1, foreignMessages: 1 }]);
  expect(of(`${INBOX}/.Work`)).toMatchObject([{ messages: 2, differed: 0, foreignMessages: 0 }]);
  expect(of("bob/Maildir")).toStrictEqual([]);
  expect(await asked()).toBeUndefined();

  // Its status says when that was so: the message may be gone since.
  const words = async () => (await tell(two, "source", "status")).stdout;
  expect(await words()).toMatch(/\n {2}when last compared only b had 1 message: 1 in alice\/Maildir \(.* ago\)\n/);
  const foreign = readdirSync(cur).find(
    (name) => !existsSync(join(two.source, INBOX, "cur", name)) && /:2,$/.test(name),
  );
  rmSync(join(cur, foreign ?? ""));
  const since = source.events.length;
  await tell(two, "source", "resync", "-u", "alice");
  const again = await source.waitFor("the end", ({ msg }) => msg === "resync-ended", since);
  expect(again).toMatchObject({ mailboxes: 2, messages: 5, foreignMessages: 0, refused: 0 });
  expect(await words()).not.toContain("when last compared");

  await Promise.all([source.stop(), replica.stop()]);
});

test("with the replica connected: one that it refuses ends the wish as well, under the name that its own host has for it", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  makeMailbox(two.source, `${INBOX}/.Work`, { messages: 2, seed: 10 });
  two.configure({});
  const replica = two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  const since = source.events.length;
  const uidlist = join(two.replica, `${INBOX}/.Work`, "dovecot-uidlist");
  const whole = readFileSync(uidlist);
  writeFileSync(uidlist, Buffer.concat([whole, Buffer.from("no record\n")]));
  await tell(two, "source", "resync", "-u", "alice");
  const again = await source.waitFor("the end", ({ msg }) => msg === "resync-ended", since);
  expect(again).toMatchObject({ mailboxes: 2, messages: 3, foreignMessages: 0, refused: 1 });
  const isRejected = ({ msg }: DaemonEvent) => msg.startsWith("transaction-rejected");
  expect(await source.waitFor("the rejection", isRejected, since)).toMatchObject({ code: "uidlist-damaged" });
  writeFileSync(uidlist, whole);
  await tell(two, "source", "rejects", "retry", "b");
  await source.waitFor("the end of the rejection", ({ msg }) => msg === "rejection-over", since);
  expect(source.events.slice(since).filter(({ msg }) => msg === "resync-ended")).toHaveLength(1);
  await Promise.all([source.stop(), replica.stop()]);
});

test("at the host of the replica: it is refused, and where to ask is said", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  const replica = two.start("replica");
  await replica.waitFor("it to listen", ({ msg }) => msg === "listening");
  for (const more of [[], ["--store", "mail"]]) {
    const rejects = await tell(two, "replica", "rejects", "list", ...more);
    expect([rejects.code, rejects.stderr]).toStrictEqual([
      64,
      expect.stringMatching(
        /of mail this host has the replica, .* of a \(`mailtwin status` here[\s\S]*Ask at the source/,
      ),
    ]);
    const { code, stderr } = await tell(two, "replica", "resync", ...more);
    expect([code, stderr]).toStrictEqual([
      64,
      expect.stringMatching(/of mail this host has the replica[\s\S]*Ask at the source/),
    ]);
    const explained = await tell(two, "replica", "explain", ...more, "INBOX", "1");
    expect([explained.code, explained.stderr]).toStrictEqual([
      64,
      expect.stringMatching(
        /of mail this host has the replica, and its source is the store mail of a\.[\s\S]*Ask at the source/,
      ),
    ]);
  }
  for (const command of [
    ["pause", "mail"],
    ["resume", "mail"],
    ["rejects", "retry", "mail"],
    ["rejects", "skip", "b"],
  ])
    expect(await tell(two, "replica", ...command)).toMatchObject({
      code: 64,
      stderr: expect.stringMatching(
        /of mail this host has the replica; ask on the host of a\.[\s\S]*Ask at the source/,
      ),
    });
});
