/** `mailtwin verify` beside a running daemon: its replicas are compared with their source while both run. */
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { CLI, type DaemonEvent } from "../../../live/sites/daemon-process.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";

const isLive = (event: DaemonEvent) => event.msg === "replica-state" && event["state"] === "live";

async function verify(two: TwoDaemons, ...args: readonly string[]) {
  const command = [CLI, "verify", "--settle", "0.2", "--config", two.configs.source, ...args];
  const ended = promisify(execFile)(process.execPath, command).then((it) => ({ code: 0, ...it }));
  return ended.catch((error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => error);
}

/** By a client of the replica. */
function flagOne(two: TwoDaemons): void {
  const cur = join(two.replica, INBOX, "cur");
  const name = readdirSync(cur).find((each) => each.endsWith(":2,")) ?? "";
  renameSync(join(cur, name), join(cur, `${name}F`));
}

test("equal, and then not: in words, in JSON, and quietly", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  makeMailbox(two.source, `${INBOX}/.Work`, { messages: 2, seed: 10 });
  two.configure({});
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);

  const equal = await verify(two);
  expect(equal).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^mail\/b: equal: 5 messages in 2 mailboxes \(.*\)\n$/),
  });
  expect(await verify(two, "--quiet")).toMatchObject({ code: 0, stdout: "", stderr: "" });

  addMessage(join(two.source, `${INBOX}/.Work`), { seed: 30 }); // it is on its way, and is no difference.
  expect(await verify(two, "--replica", "b")).toMatchObject({ code: 0 });

  flagOne(two);
  const found = await verify(two);
  expect(found).toMatchObject({ code: 1, stderr: "" });
  expect(found.stdout.split("\n")).toEqual([
    "mail/b: alice/Maildir",
    expect.stringMatching(/^ {2}UID [13]: flags none in the source, \\Flagged in the replica$/),
    expect.stringMatching(
      /^mail\/b: not equal: 1 mailbox differs; the source has 6 messages in 2 mailboxes, the replica 6 messages in 2 mailboxes \(/,
    ),
    "",
  ]);
  const json = await verify(two, "--json");
  expect(json).toMatchObject({ code: 1, stderr: "" });
  const sum = { mailboxes: 2, messages: 6 };
  expect(JSON.parse(json.stdout)).toMatchObject({
    equal: false,
    replicas: [
      {
        ...{
          store: "mail",
          replica: "b",
          kind: "verified",
          equal: false,
          looks: 2,
          read: 0,
          repaired: 0,
          a: sum,
          b: sum,
        },
        differences: [{ mailbox: INBOX, further: 0, changing: false, findings: [{ kind: "message" }] }],
      },
    ],
  });
  expect(source.events.filter(({ level }) => Number(level) >= 40)).toEqual([]);
});

test("one that is away, or paused, is not compared, and that is no proof", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  two.configure({});
  const source = two.start("source");
  await source.waitFor("the store", ({ msg }) => msg === "store-captured");
  expect(await verify(two)).toMatchObject({
    code: 1,
    stdout: "mail/b: not compared: it is not connected, and can be compared when it is there\n",
  });
  const json = await verify(two, "--json", "--quiet");
  expect(JSON.parse(json.stdout)).toStrictEqual({
    equal: false,
    replicas: [
      {
        ...{ store: "mail", replica: "b", kind: "unverified", code: "replica-away" },
        words: "it is not connected, and can be compared when it is there",
      },
    ],
  });
  expect(await verify(two, "--replica", "nobody")).toMatchObject({ code: 64 });
});

test("a peer that may have some users' mail is compared in that, and nothing else is told", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  makeMailbox(two.source, "bob/Maildir", { messages: 2, seed: 10 });
  two.configure({ replicaPeer: 'users = ["alice"]' });
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  expect(await verify(two)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^mail\/b: equal: 3 messages in 1 mailbox \(/),
  });
  mkdirSync(join(two.replica, "bob"), { recursive: true });
  makeMailbox(two.replica, "bob/Maildir", { messages: 1, seed: 77 });
  const other = await verify(two);
  expect(other.code).toBe(1);
  expect(other.stdout).toMatch(/bob\/Maildir\n {2}only the replica has this mailbox \(1 message\)\n/);
});
