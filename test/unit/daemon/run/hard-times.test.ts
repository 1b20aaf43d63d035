/** What must not end a daemon, or leave a part of it behind: found by a reviewer, each as it happened. */
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { DatabaseSync } from "@photostructure/sqlite";
import { expect, test } from "vitest";
import { until } from "../../../live/lab/until.js";
import { CLI, type DaemonEvent } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";
const isLive = ({ msg, state }: DaemonEvent & { readonly state?: unknown }): boolean =>
  msg === "replica-state" && state === "live";
const isSaid = (name: string) => (event: DaemonEvent) => event.msg === name;

async function livePair(two: TwoDaemons) {
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  const replica = two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  return { replica, source };
}

const untilEqual = (two: TwoDaemons, path: string) =>
  until("both to be equal", () => {
    const [here, there] = [join(two.source, path), join(two.replica, path)];
    return existsSync(join(there, "dovecot-uidlist")) && rawDifferences(here, there).length === 0;
  });

test("a database that somebody else holds for a while ends no daemon, and is waited for; the source hears why", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  const { replica, source } = await livePair(two);
  const db = new DatabaseSync(join(two.dir, "state-b/stores/mail/replica.db"));
  db.exec("BEGIN IMMEDIATE");
  addMessage(join(two.source, INBOX), { seed: 41 });
  await replica.waitFor("the trouble", ({ msg }) => msg === "store-failed" || msg === "store-needs-you");
  expect(replica.isRunning).toBe(true);
  const told = await source.waitFor("its last words", isSaid("replica-needs-you"));
  expect(told).toMatchObject({ code: "state-busy", message: expect.stringContaining("it ended the link, and says: ") });
  const { troubles } = await statusOfReplica(two);
  expect(troubles).toMatchObject([{ code: "state-busy", level: "needs-you" }]);
  db.exec("ROLLBACK");
  db.close();
  await untilEqual(two, INBOX);
  await replica.stop();
});

test("a stop that comes in the middle of a reload is the last word", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  const { replica, source } = await livePair(two);
  await replica.pause(); // so that it takes long to end the store that goes.
  addMessage(join(two.source, INBOX), { seed: 41 });
  await source.waitFor("a commit", () => true, source.events.length - 1);
  const other = join(two.dir, "source2");
  mkdirSync(other);
  makeMailbox(other, "carol/Maildir", { messages: 1, seed: 3 });
  const text = readFileSync(two.configs.source, "utf8").replaceAll("[store.mail", "[store.mail2");
  writeFileSync(
    two.configs.source,
    text.replace(`path = "${two.source}"`, `path = "${other}"`).replace('peer = "b"', 'peer = "b"\nstore = "mail"'),
  );
  const since = source.events.length;
  const reload = promisify(execFile)(process.execPath, [CLI, "reload", "--config", two.configs.source]).catch(
    () => undefined,
  );
  await until("the reload to be under way", () => source.events.length >= since);
  source.signal("SIGTERM");
  expect((await source.exited).code).toBe(0);
  await reload;
  replica.resume();
  const names = source.events.slice(since).map(({ msg }) => msg);
  expect(names.at(-1)).toBe("daemon-stopped");
  expect(source.events.slice(since).filter(({ store }) => store === "mail2")).toStrictEqual([]);
});

test("rights that become wider bring the older mail too, and narrower ones take none away", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({ replicaPeer: 'users = ["alice"]' });
  makeMailbox(two.source, "bob/Maildir", { messages: 3, seed: 20 });
  const { source } = await livePair(two);
  addMessage(join(two.source, INBOX), { seed: 41 });
  await untilEqual(two, INBOX);
  two.configure({ replicaPeer: 'users = ["alice", "bob"]' });
  source.signal("SIGHUP");
  await untilEqual(two, "bob/Maildir");
  const since = source.events.length;
  two.configure({ replicaPeer: 'users = ["alice"]' });
  source.signal("SIGHUP");
  await source.waitFor("live again", isLive, since);
  expect(rawDifferences(join(two.source, "bob/Maildir"), join(two.replica, "bob/Maildir"))).toStrictEqual([]);
});

test("pause and resume in one breath leave a replica that is served", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  const { source } = await livePair(two);
  const since = source.events.length;
  const ask = (what: string) => promisify(execFile)(process.execPath, [CLI, what, "b", "--config", two.configs.source]);
  for (let round = 0; round < 3; round++) await Promise.all([ask("pause"), ask("resume")]);
  await ask("resume");
  addMessage(join(two.source, INBOX), { seed: 41 });
  await untilEqual(two, INBOX);
  expect(source.events.slice(since).filter(isSaid("replica-needs-you"))).toStrictEqual([]);
  await source.stop();
});

/** Names of what was taken to the limbo of the replica. */
const inLimbo = (two: TwoDaemons): readonly string[] => {
  const limbo = join(two.dir, ".replica.mailtwin/limbo");
  return existsSync(limbo)
    ? readdirSync(limbo, { recursive: true })
        .map(String)
        .filter((name) => name.includes("mailbox"))
    : [];
};

test("a source that has lost its state takes nothing away, and says what to do", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, "bob/Maildir", { messages: 30, seed: 50 });
  const { replica, source } = await livePair(two);
  await source.stop();
  renameSync(join(two.dir, "state-a"), join(two.dir, "state-lost"));
  const again = two.start("source");
  const refused = await again.waitFor("a refusal", isSaid("replica-needs-you"));
  expect(refused).toMatchObject({ code: "replica-of-another" });
  expect(inLimbo(two)).toStrictEqual([]);
  await untilEqual(two, "bob/Maildir");
  // As it says: the replica's half goes too, and both are compared as at first contact.
  await replica.stop();
  renameSync(join(two.dir, "state-b/stores/mail"), join(two.dir, "state-away"));
  two.start("replica");
  await again.waitFor("live again", isLive, again.events.length);
  expect(inLimbo(two)).toStrictEqual([]);
  addMessage(join(two.source, INBOX), { seed: 61 });
  await untilEqual(two, INBOX);
});

test("an empty store in the place of the source, with a state of its own, empties nothing", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  const { source } = await livePair(two);
  await source.stop();
  for (const name of ["state-a", "source"]) renameSync(join(two.dir, name), join(two.dir, `${name}-away`));
  mkdirSync(two.source);
  const other = two.start("source");
  await other.waitFor("a refusal", isSaid("replica-needs-you"));
  await other.stop();
  expect(rawDifferences(join(two.dir, "source-away", INBOX), join(two.replica, INBOX))).toStrictEqual([]);
  // The real one comes back, and goes on.
  for (const name of ["state-a", "source"]) renameSync(join(two.dir, name), join(two.dir, `${name}-other`));
  for (const name of ["state-a", "source"]) renameSync(join(two.dir, `${name}-away`), join(two.dir, name));
  const back = two.start("source");
  await back.waitFor("live again", isLive);
  addMessage(join(two.source, INBOX), { seed: 62 });
  await untilEqual(two, INBOX);
});

test("a replica's store that was not mounted when its daemon began is taken when it is", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  const { replica, source } = await livePair(two);
  await replica.stop();
  renameSync(two.replica, join(two.dir, "unmounted"));
  mkdirSync(two.replica);
  const since = source.events.length;
  two.start("replica");
  await source.waitFor("a refusal", isSaid("replica-needs-you"), since);
  renameSync(two.replica, join(two.dir, "mountpoint"));
  renameSync(join(two.dir, "unmounted"), two.replica);
  addMessage(join(two.source, INBOX), { seed: 63 });
  await untilEqual(two, INBOX);
});

test("a copy of today joins a log with a history: nothing is renumbered, and no body is sent", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  const source = two.start("source");
  await source.waitFor("captured", isSaid("store-captured"));
  const cur = join(two.source, INBOX, "cur");
  for (let round = 0; round < 3; round++) {
    const base = addMessage(join(two.source, INBOX), { seed: 70 + round });
    await until("it to be in the log", () => source.events.length > 0);
    await promisify(setTimeout)(300);
    if (round < 2) rmSync(join(cur, `${base}:2,`));
    await promisify(setTimeout)(300);
  }
  cpSync(two.source, two.replica, { recursive: true, preserveTimestamps: true });
  const before = readFileSync(join(two.source, INBOX, "dovecot-uidlist"), "utf8");
  two.start("replica");
  await source.waitFor("live", isLive);
  expect(readFileSync(join(two.source, INBOX, "dovecot-uidlist"), "utf8")).toBe(before);
  await untilEqual(two, INBOX);
  expect(await statusOfReplica(two)).toMatchObject({ bytesSent: 0, rejects: 0 });
});

test("a mailbox that is not captured is told when it comes, since when in the status, and when it is over", {
  timeout: 90_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, "bob/Maildir", { messages: 1, seed: 20 });
  const uidlist = join(two.source, "bob/Maildir/dovecot-uidlist");
  const whole = readFileSync(uidlist);
  writeFileSync(uidlist, "3 V1 N2 G\nno record\n");
  const { source } = await livePair(two);
  const told = await source.waitFor("it to be told", isSaid("mailbox-needs-you"));
  expect(told).toMatchObject({ mailbox: "bob/Maildir", code: "uidlist-damaged" });
  const problems = async () => (JSON.parse(await tell(two, "status", "--json")) as Status).stores[0]?.problems ?? [];
  const [first] = await problems();
  await promisify(setTimeout)(50);
  expect(await problems()).toMatchObject([{ mailbox: first?.mailbox, sinceMs: first?.sinceMs }]);
  writeFileSync(uidlist, whole);
  expect(await source.waitFor("it to be over", isSaid("mailbox-well"))).toMatchObject({ mailbox: "bob/Maildir" });
  expect(source.events.filter(isSaid("mailbox-needs-you"))).toHaveLength(1);
});

test("mail that only the replica has is told by a comparison: in the log, and in the status", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  const { source } = await livePair(two);
  expect(await statusOfReplica(two)).not.toHaveProperty("foreign");
  for (const seed of [70, 71]) addMessage(join(two.replica, INBOX), { seed });
  await tell(two, "resync");
  const told = await source.waitFor("it to be told", isSaid("foreign-kept"));
  expect(told).toMatchObject({ mailbox: INBOX, messages: 2 });
  const compared = await source.waitFor("all to be compared", isSaid("replica-compared"));
  expect(compared).toMatchObject({ foreignMessages: 2, foreignMailboxes: 1 });
  const foreign = { messages: 2, mailboxes: 1, named: [{ messages: 2 }] };
  expect(await statusOfReplica(two)).toMatchObject({ foreign });
  expect(await tell(two, "status")).toContain("when last compared only b had 2 messages: 2 in ");
});

test("a replica says that it waits for a source that never came, and when something was last applied", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  const replica = two.start("replica");
  await replica.waitFor("it to listen", isSaid("listening"));
  const store = async () => {
    const place = ["status", "--json", "--config", two.configs.replica];
    const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...place]);
    return (JSON.parse(stdout) as { readonly stores: readonly { readonly lastChangeMs?: number }[] }).stores[0];
  };
  expect(await store()).toMatchObject({
    ...{ level: "healing", isConnected: false, troubles: [{ code: "source-awaited" }] },
  });
  const source = two.start("source");
  await source.waitFor("live", isLive);
  const first = await store();
  expect(first).toMatchObject({ level: "ok", isConnected: true });
  await source.stop();
  await replica.waitFor("it to be gone", isSaid("source-gone"));
  const again = two.start("source");
  await again.waitFor("live", isLive);
  expect((await store())?.lastChangeMs).toBe(first?.lastChangeMs); // another link, and no change.
  addMessage(join(two.source, INBOX), { seed: 41 });
  await untilEqual(two, INBOX);
  const isNewer = async () => ((await store())?.lastChangeMs ?? 0) > (first?.lastChangeMs ?? Number.POSITIVE_INFINITY);
  await until("the change to be told", isNewer);
});

interface Status {
  readonly stores: readonly {
    readonly problems: readonly { readonly mailbox: string; readonly sinceMs: number }[];
    readonly replicas: readonly Readonly<Record<string, unknown>>[];
  }[];
}

async function tell(two: TwoDaemons, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...args, "--config", two.configs.source]);
  return stdout;
}

/** As the source tells it. */
async function statusOfReplica(two: TwoDaemons): Promise<Readonly<Record<string, unknown>>> {
  const status = JSON.parse(await tell(two, "status", "--json")) as Status;
  const replica = status.stores[0]?.replicas[0];
  if (replica === undefined) throw new Error("the status has no replica");
  return replica;
}
