/** `mailtwin resync --clear-place`: beside running daemons, a mailbox of the replica is another one, or has lost its uidlist. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { until } from "../../../live/lab/until.js";
import { CLI, type DaemonEvent } from "../../../live/sites/daemon-process.js";
import { contentsOf } from "../../../live/twin/contents.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addFile, addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";
const WORK = `${INBOX}/.Work`;
const OTHER = `${INBOX}/.Other`;
const CLEAR = ["resync", "--clear-place", "--replica", "b", "-u", "alice", "--mailbox", "Work"];
const TIMEOUT = { timeout: 120_000 };

const isLive = (event: DaemonEvent) => event.msg === "replica-state" && event["state"] === "live";
const isOf = (msg: string) => (event: DaemonEvent) => event.msg === msg && event["mailbox"] === WORK;

async function tell(two: TwoDaemons, ...args: readonly string[]) {
  const command = [CLI, ...args, "--config", two.configs.source];
  const ended = promisify(execFile)(process.execPath, command).then((it) => ({ code: 0, ...it }));
  return ended.catch((error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => error);
}

const untilEqual = (two: TwoDaemons, path = WORK) =>
  until(`both to have the same ${path}`, () => {
    const [here, there] = [join(two.source, path), join(two.replica, path)];
    return existsSync(join(there, "dovecot-uidlist")) && rawDifferences(here, there).length === 0;
  });

async function openLive() {
  const two = openTwoDaemons();
  for (const [index, path] of [INBOX, WORK, OTHER].entries())
    makeMailbox(two.source, path, { messages: 3, seed: 10 * index });
  two.configure({});
  const replica = two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  await untilEqual(two);
  return { two, source, replica };
}

const list = (two: TwoDaemons) => join(two.replica, WORK, "dovecot-uidlist");

/** As if Dovecot had lost its uidlist and numbered all anew. */
function numberAnew(two: TwoDaemons): void {
  const [header = "", ...records] = readFileSync(list(two), "latin1").split("\n");
  const other = header
    .replace(/ V\d+/, " V7")
    .replace(/ N\d+/, " N104")
    .replace(/ G\w+/, ` G${"e".repeat(32)}`);
  const moved = records.map((line) => line.replace(/^(\d+) /, (_, uid) => `${Number(uid) + 100} `));
  writeFileSync(list(two), [other, ...moved].join("\n"), "latin1");
}

const limboOf = (two: TwoDaemons): readonly string[] =>
  readdirSync(two.dir, { recursive: true, encoding: "utf8" }).filter((name) =>
    /limbo\/\d{4}-\d\d-\d\d\/[^/]+$/.test(name),
  );

test.each([
  ["another one", numberAnew],
  ["one without a uidlist", (two: TwoDaemons) => rmSync(list(two))],
] as const)("where %s stands it is refused until a person asks for its place", TIMEOUT, async (_, damage) => {
  const { two, source } = await openLive();
  await using _two = two;
  damage(two);
  addFile(join(two.replica, WORK), { seed: 90 }); // that only the replica has.
  const other = contentsOf(join(two.replica, OTHER));
  const before = contentsOf(join(two.replica, WORK));
  await tell(two, "resync", "--replica", "b", "-u", "alice", "--mailbox", "Work");
  const refused = await source.waitFor("the refusal", isOf("transaction-rejected"));
  expect(refused).toMatchObject({ code: "mailbox-occupied" });
  expect(contentsOf(join(two.replica, WORK))).toStrictEqual(before);
  expect((await tell(two, "rejects", "show", "b", "-u", "alice", "--mailbox", "Work")).stdout).toContain(
    "--clear-place",
  );

  expect(await tell(two, ...CLEAR)).toMatchObject({ code: 0, stdout: "1 mailbox will be compared\n" });
  const cleared = await source.waitFor("it to be cleared", isOf("place-cleared"));
  expect(cleared).toMatchObject({ toLimbo: 1, reused: 3 });
  await untilEqual(two);
  await source.waitFor("it to be equal", isOf("mailbox-compared"));
  expect(limboOf(two).length).toBeGreaterThanOrEqual(1);
  expect(contentsOf(join(two.replica, OTHER))).toStrictEqual(other);
  addMessage(join(two.source, WORK), { seed: 95 });
  await untilEqual(two);
  expect((await tell(two, "verify", "--quiet", "--settle", "1")).code).toBe(0);
});

test("a wish for a place that is not taken moves nothing, then and later", TIMEOUT, async () => {
  const { two, source } = await openLive();
  await using _two = two;
  addMessage(join(two.replica, WORK), { seed: 90 }); // its own, in a mailbox that is the source's.
  expect(await tell(two, ...CLEAR)).toMatchObject({ code: 0 });
  await source.waitFor("the comparison", isOf("mailbox-compared"));
  expect(limboOf(two)).toStrictEqual([]);
  numberAnew(two);
  const mark = source.events.length;
  await tell(two, "resync", "--replica", "b", "-u", "alice", "--mailbox", "Work");
  await source.waitFor("the refusal", isOf("transaction-rejected"), mark);
  expect(limboOf(two)).toStrictEqual([]);
});

test("it is asked for with a mailbox, and of a replica that is connected", TIMEOUT, async () => {
  const { two, replica } = await openLive();
  await using _two = two;
  expect(await tell(two, "resync", "--clear-place")).toMatchObject({ code: 64 });
  expect(await tell(two, ...CLEAR, "--dry-run")).toMatchObject({ code: 64 });
  await tell(two, "pause", "b");
  expect(await tell(two, ...CLEAR)).toMatchObject({
    code: 69,
    stderr: expect.stringContaining("mail/b is not connected"),
  });
  await replica.stop();
});
