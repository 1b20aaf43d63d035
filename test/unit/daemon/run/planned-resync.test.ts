/** `mailtwin resync --dry-run` beside running daemons: what a comparison would do is told, nothing is written, and a resync does that. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { PlanAnswer } from "../../../../src/daemon/control/plan-answer.js";
import { until } from "../../../live/lab/until.js";
import { CLI, type DaemonEvent } from "../../../live/sites/daemon-process.js";
import { contentsOf } from "../../../live/twin/contents.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { rowsIn } from "../../agent/state-rows.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";
const WORK = `${INBOX}/.Work`;
const GONE = `${INBOX}/.Gone`;

const DATABASE = /(^|\/)(source|replica)\.db$/;

const isLive = (event: DaemonEvent) => event.msg === "replica-state" && event["state"] === "live";

async function tell(two: TwoDaemons, which: "source" | "replica", ...args: readonly string[]) {
  const command = [CLI, ...args, "--config", two.configs[which]];
  const ended = promisify(execFile)(process.execPath, command).then((it) => ({ code: 0, ...it }));
  return ended.catch((error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => error);
}

const plan = (two: TwoDaemons, ...args: readonly string[]) => tell(two, "source", "resync", "--dry-run", ...args);

/** Databases of that host: all but how far the log is known to have come, and what of it is not needed any more. */
function stateOf(two: TwoDaemons, name: "a" | "b"): readonly string[] {
  const dir = join(two.dir, `state-${name}`);
  const files = readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((each) => DATABASE.test(each));
  expect(files.length).toBeGreaterThan(0);
  return files.flatMap((file) => rowsIn(join(dir, file), ["cursor", "entry"]).map((row) => `${file}: ${row}`));
}

const everything = (two: TwoDaemons) => [
  contentsOf(two.source),
  contentsOf(two.replica),
  stateOf(two, "a"),
  stateOf(two, "b"),
];

/** The file of a UID in cur/ of a mailbox. */
function fileOf(dir: string, uid: number): string {
  const lines = readFileSync(join(dir, "dovecot-uidlist"), "latin1").split("\n").slice(1);
  const record = lines.find((line) => line.startsWith(`${uid} `)) ?? "";
  const base = record.slice(record.indexOf(" :") + 2);
  const name = readdirSync(join(dir, "cur")).find((each) => each.split(":")[0] === base) ?? "none";
  return join(dir, "cur", name);
}

async function openLive() {
  const two = openTwoDaemons();
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  makeMailbox(two.source, WORK, { messages: 2, seed: 10 });
  makeMailbox(two.source, GONE, { messages: 2, seed: 20 });
  makeMailbox(two.source, "bob/Maildir", { messages: 1, seed: 30 });
  two.configure({});
  const replica = two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  return { two, source, replica };
}

/** Of the replica, past its daemon. Returns the base name of a message that only it has then. */
function damage(two: TwoDaemons): string {
  const inbox = join(two.replica, INBOX);
  renameSync(fileOf(inbox, 1), `${fileOf(inbox, 1)}F`);
  utimesSync(fileOf(inbox, 2), 1_000_000_000, 1_000_000_000);
  const own = addMessage(inbox, { seed: 70 });
  rmSync(join(two.replica, GONE), { recursive: true });
  renameSync(join(two.replica, WORK), join(two.replica, `${INBOX}/.Job`));
  return own;
}

const wordsOfDamage = (own: string) => [
  "mail/b: alice/Maildir",
  "  change flags of 1 message: the source's are others",
  "    UID 1: flags none in the source, \\Flagged in the replica",
  "  change UID, name, size, date or record of 1 message: the source's are others",
  expect.stringMatching(/^ {4}UID 2: date 2017-.* in the source, 2001-09-09T01:46:40Z in the replica$/),
  "  raise the source's UIDNEXT from 4 to 5: the replica has given out the UIDs between, and no message gets one of them again",
  "  leave 1 message: only the replica has it",
  `    UID 4 (${own})`,
  "mail/b: alice/Maildir/.Gone",
  "  make the mailbox: it is gone from the replica",
  expect.stringMatching(/^ {2}add 2 messages \(1\.\d+ kB\): the replica lacks them$/),
  expect.stringMatching(/^ {4}UID 1 \(\d+ bytes\)$/),
  expect.stringMatching(/^ {4}UID 2 \(\d+ bytes\)$/),
  "mail/b: alice/Maildir/.Work",
  '  rename it from "alice/Maildir/.Job": the source has it here',
  "mail/b: bob/Maildir: equal",
  expect.stringMatching(/^mail\/b: in all: .*1 mailbox made.*$/),
  expect.stringMatching(/^mail\/b: 3 mailboxes of 4 would be changed \(.*\)$/),
  "",
];

const DAMAGE_AS_JSON = [
  {
    ...{ store: "mail", replica: "b", kind: "planned", mailboxes: 4, messages: 8, equal: 1, toChange: 3, failed: 0 },
    ...{ further: 0, comparing: false, heldBack: 0 },
    plans: [
      {
        ...{ mailbox: INBOX, changing: false },
        actions: [
          { kind: "marks", count: 1, messages: [{ uid: 1 }] },
          { kind: "rebind" },
          { kind: "raise", count: 1, messages: [] },
          { kind: "keep" },
        ],
      },
      {
        mailbox: GONE,
        actions: [
          { kind: "make", count: 1, messages: [] },
          { kind: "add", count: 2 },
        ],
      },
      { mailbox: WORK, actions: [{ kind: "rename" }] },
    ],
  },
];

test("all that differs, in words and as JSON; nothing is written; a resync does it, and then there is nothing to do", {
  timeout: 120_000,
}, async () => {
  const { two, source, replica } = await openLive();
  await using _ = two;
  const equal = await plan(two);
  expect(equal).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^mail\/b: nothing to do: 8 messages in 4 mailboxes are equal \(.*\)\n$/),
    stderr: "",
  });

  const own = damage(two);
  const before = everything(two);
  const events = [source.events.length, replica.events.length];
  const told = await plan(two, "--verbose");
  const json = await plan(two, "--json");
  const one = await plan(two, "-u", "alice", "--mailbox", "Gone");
  expect(everything(two)).toStrictEqual(before);
  const since = (daemon: typeof source, at = 0) => daemon.events.slice(at).map(({ msg }) => msg);
  expect([since(source, events[0]), since(replica, events[1])]).toStrictEqual([[], []]);

  expect([told.code, told.stderr]).toStrictEqual([0, ""]);
  expect(told.stdout.split("\n")).toStrictEqual(wordsOfDamage(own));
  const { replicas } = JSON.parse(json.stdout) as PlanAnswer;
  expect(replicas).toMatchObject(DAMAGE_AS_JSON);
  expect(one.stdout).toMatch(
    /^mail\/b: alice\/Maildir\/\.Gone\n[\s\S]*\nmail\/b: 1 mailbox of 1 would be changed \(.*\)\n$/,
  );

  const at = source.events.length;
  await tell(two, "source", "resync");
  await source.waitFor("the end", ({ msg }) => msg === "replica-compared", at);
  const after = await plan(two);
  expect(after.stdout.split("\n").slice(0, 3)).toStrictEqual([
    "mail/b: alice/Maildir",
    "  leave 1 message: only the replica has it",
    `    UID 4 (${own})`,
  ]);
  expect(after.stdout).toMatch(
    /\nmail\/b: nothing to do: of 8 messages in 4 mailboxes nothing is to be changed \(.*\)\n$/,
  );
  const namesIn = (store: string, mailbox: string) => readdirSync(join(store, mailbox, "cur")).sort();
  for (const mailbox of [WORK, GONE]) expect(namesIn(two.replica, mailbox)).toStrictEqual(namesIn(two.source, mailbox));
  await Promise.all([source.stop(), replica.stop()]);
});

test("what is refused there stays refused, and is told with its cause", { timeout: 90_000 }, async () => {
  const { two, source, replica } = await openLive();
  await using _ = two;
  const uidlist = join(two.replica, WORK, "dovecot-uidlist");
  const whole = readFileSync(uidlist);
  writeFileSync(uidlist, Buffer.concat([whole, Buffer.from("no record\n")]));
  const first = await plan(two, "-u", "alice");
  expect(first.code).toBe(1);
  expect(first.stdout).toMatch(/^mail\/b: alice\/Maildir\/\.Work\n {2}not compared: .*line 4.*\n/);
  expect(first.stdout).toMatch(/\nmail\/b: nothing to do: .*, 1 mailbox could not be compared \(.*\)\n$/);
  // Nobody was asked for anything: neither host has a trouble for it.
  const refused = async (which: "source" | "replica") => {
    const { stores } = JSON.parse((await tell(two, which, "status", "--json")).stdout) as {
      readonly stores: readonly {
        readonly refused?: object;
        readonly replicas?: readonly { readonly rejects: number }[];
      }[];
    };
    return [stores[0]?.refused, stores[0]?.replicas?.[0]?.rejects];
  };
  expect([await refused("source"), await refused("replica")]).toStrictEqual([
    [undefined, 0],
    [undefined, undefined],
  ]);
  await tell(two, "source", "resync", "--mailbox", WORK);
  await until("it to be refused", async () => (await refused("replica"))[0] !== undefined);
  writeFileSync(uidlist, whole);
  const second = await plan(two, "-u", "alice");
  expect(second).toMatchObject({ code: 0, stdout: expect.stringMatching(/nothing to do: 7 messages in 3 mailboxes/) });
  await Promise.all([source.stop(), replica.stop()]);
});

test("one that is paused or away is not compared; a name that nobody knows, and the wrong host, are refused as of a resync", {
  timeout: 90_000,
}, async () => {
  const { two, replica } = await openLive();
  await using _ = two;
  await tell(two, "source", "pause", "b");
  const paused = "mail/b: not compared: it is paused, and can be compared when it is there\n";
  expect(await plan(two)).toMatchObject({ code: 69, stdout: paused, stderr: "" });
  const json = await plan(two, "--json");
  expect([json.code, JSON.parse(json.stdout)]).toStrictEqual([
    69,
    {
      replicas: [
        {
          ...{ store: "mail", replica: "b", kind: "unplanned", code: "replica-away" },
          words: "it is paused, and can be compared when it is there",
        },
      ],
      limited: [],
    },
  ]);
  expect(await plan(two, "--mailbox", "Nowhere")).toMatchObject({ code: 64, stdout: "" });
  expect(await plan(two, "--replica", "nobody")).toMatchObject({ code: 64, stdout: "" });
  expect(await tell(two, "replica", "resync", "--dry-run")).toMatchObject({
    code: 64,
    stderr: expect.stringMatching(/of mail this host has the replica[\s\S]*Ask at the source/),
  });
  await replica.stop();
  await tell(two, "source", "resume", "b");
  expect(await plan(two)).toMatchObject({ code: 69, stdout: expect.stringContaining("it is not connected") });
});

test("of a peer that is limited to some users nothing of others is told", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  makeMailbox(two.source, "bob/Maildir", { messages: 2, seed: 10 });
  two.configure({ replicaPeer: 'users = ["alice"]' });
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  expect(await plan(two)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(" 3 messages in 1 mailbox are equal"),
  });
  expect(await plan(two, "-u", "bob")).toMatchObject({
    code: 77,
    stdout: "mail/b may not have 1 mailbox of that (users of [peer.b])\n",
  });
});

test("what the brake holds back is told as what stays", { timeout: 90_000 }, async () => {
  await using two = openTwoDaemons();
  makeMailbox(two.source, INBOX, { messages: 6, seed: 1 });
  makeMailbox(two.source, WORK, { messages: 5, seed: 10 });
  two.configure({ link: "[store.mail.brake]\nmessages = 1\nin_deleted_mailboxes = 1\n" });
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  for (const uid of [1, 2, 3, 4]) rmSync(fileOf(join(two.source, INBOX), uid));
  rmSync(join(two.source, WORK), { recursive: true });
  const held = async () => (await tell(two, "source", "deletions", "list")).stdout;
  await until("all of it to be held", async () => (await held()).includes("held back: 9 messages in 2 mailboxes"));
  const before = contentsOf(two.replica);
  const { code, stdout } = await plan(two);
  expect(code).toBe(1); // one of them does not stand at the source, and cannot be compared.
  expect(stdout.split("\n").filter((line) => !line.startsWith("    "))).toStrictEqual([
    "mail/b: alice/Maildir",
    "  leave 4 messages: gone at the source, and their deletion is held back (mailtwin deletions list)",
    "mail/b: alice/Maildir/.Work",
    "  not compared: comparing the mailbox: mail of it is gone at the source, and its deletion is held back until a person has decided (mailtwin deletions list)",
    "  leave 5 messages: gone at the source, and their deletion is held back (mailtwin deletions list)",
    expect.stringMatching(/^mail\/b: of the store, 9 messages that went at the source are held back, and stay /),
    "mail/b: in all: 9 messages left whose deletion is held back",
    expect.stringMatching(/^mail\/b: nothing to do: .*, 1 mailbox could not be compared \(/),
    "",
  ]);
  expect(contentsOf(two.replica)).toStrictEqual(before);
});
