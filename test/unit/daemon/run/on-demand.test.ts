/** A replica on demand that dials in, and what is skipped of what a replica refuses: two daemons, as their operator has them. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { until } from "../../../live/lab/until.js";
import { CLI, type DaemonEvent } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";
const WORK = `${INBOX}/.Work`;
const OTHER = `${INBOX}/.Other`;

const isState = (state: string) => (event: DaemonEvent) => event.msg === "replica-state" && event["state"] === state;

const untilEqual = (two: TwoDaemons, path: string) =>
  until(`both to have the same ${path}`, () => {
    const [here, there] = [join(two.source, path), join(two.replica, path)];
    return existsSync(join(there, "dovecot-uidlist")) && rawDifferences(here, there).length === 0;
  });

const ask = async (two: TwoDaemons, which: "source" | "replica", ...args: readonly string[]) =>
  (await promisify(execFile)(process.execPath, [CLI, ...args, "--config", two.configs[which]])).stdout;

test("a replica on demand that dials in gets what it lacks when it comes, and when it is told to come", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configureDialIn('mode = "on-demand"\n');
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  let source = two.start("source");
  await source.waitFor("the source to wait for it", isState("away"));
  await source.waitFor("the mail to be in the log", ({ msg }) => msg === "store-captured");
  expect(await ask(two, "source", "status")).toMatch(
    /all is well\n[\s\S]* b: +away .* 1 behind.*dials in \(on demand\)/,
  );
  const replica = two.start("replica");
  await untilEqual(two, INBOX);

  await source.stop();
  await replica.waitFor("the failure to dial", ({ msg }) => msg === "replica-failed");
  addMessage(join(two.source, INBOX), { seed: 41 });
  source = two.start("source");
  await source.waitFor("it to listen", ({ msg }) => msg === "daemon-started");
  // It dials again by itself in a second or two, which a slow command comes after.
  expect(await ask(two, "replica", "fetch-now", "mail")).toBeOneOf([
    "asked for: 1 replica\n",
    "mail is connected already: what changes is sent as it comes\n",
  ]);
  await untilEqual(two, INBOX);
  addMessage(join(two.source, INBOX), { seed: 42 });
  await untilEqual(two, INBOX); // it stays for as long as it likes.

  await ask(two, "source", "pause", "b");
  await expect(ask(two, "source", "fetch-now")).rejects.toMatchObject({
    ...{ code: 69, stdout: "mail/b is paused, and gets nothing until mailtwin resume mail/b\n" },
  });
  await Promise.all([source.stop(), replica.stop()]);
});

test("what is skipped is compared: refused again while its cause stands, and written when it is gone", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, INBOX, { messages: 2, seed: 1 });
  const replica = two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isState("live"));
  makeMailbox(two.replica, WORK, { messages: 2, seed: 7 }); // by another Dovecot: another identity, other mail.
  const before = readdirSync(join(two.replica, WORK, "cur"));
  makeMailbox(two.source, WORK, { messages: 1, seed: 20 });
  const isRefused = ({ msg }: DaemonEvent) => msg === "transaction-rejected";
  await source.waitFor("the refusal", isRefused);
  const list = () => ask(two, "source", "rejects", "list");
  expect(await list()).toMatch(/mailbox-occupied .* alice\/Maildir\/\.Work /);
  expect(await ask(two, "source", "status")).toContain(
    "On the replica's host, move the mailbox that stands there away",
  );

  // What comes later in the log takes the replica's cursor past what was refused.
  makeMailbox(two.source, OTHER, { messages: 1, seed: 30 });
  await untilEqual(two, OTHER);

  const since = source.events.length;
  expect(await ask(two, "source", "rejects", "skip", "b", "-u", "alice")).toMatch(
    /^1 reject skipped: instead its mailbox is compared, /,
  );
  await source.waitFor("the refusal, as of something new", isRefused, since);
  expect(readdirSync(join(two.replica, WORK, "cur"))).toEqual(before);

  renameSync(join(two.replica, WORK), join(two.replica, INBOX, ".Kept"));
  await ask(two, "source", "rejects", "skip", "b");
  await untilEqual(two, WORK);
  expect(readdirSync(join(two.replica, INBOX, ".Kept", "cur"))).toEqual(before);
  await until("nothing to be refused", async () => (await list()) === "nothing is rejected\n");
  await Promise.all([source.stop(), replica.stop()]);
});
