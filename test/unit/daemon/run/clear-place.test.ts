/** `mailtwin resync --clear-place`: beside running daemons, a mailbox of the replica is another one, or has lost its uidlist. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
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
const OWN = `${INBOX}/.Own`;
const RESYNC = ["resync", "--replica", "b", "-u", "alice", "--mailbox", "Work"];
const CLEAR = [...RESYNC, "--clear-place"];
const TIMEOUT = { timeout: 120_000 };

const isLive = (event: DaemonEvent) => event.msg === "replica-state" && event["state"] === "live";
const isOf = (msg: string, path = WORK) => {
  return (event: DaemonEvent) => event.msg === msg && event["mailbox"] === path;
};
const isRefusal = (event: DaemonEvent) => event.msg.startsWith("transaction-rejected") && event["mailbox"] === WORK;

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
  for (const path of [INBOX, WORK, OTHER]) await untilEqual(two, path);
  return { two, source, replica };
}

const list = (two: TwoDaemons) => join(two.replica, WORK, "dovecot-uidlist");
const uidsIn = (store: string) => {
  const text = readFileSync(join(store, WORK, "dovecot-uidlist"), "latin1");
  const [, ...records] = text.trimEnd().split("\n");
  return records.map((line) => Number(line.split(" ", 1)[0]));
};

/** As Dovecot does where a uidlist was lost. `validity`: another UIDVALIDITY; undefined: it has that of an index. */
function numberAnew(two: TwoDaemons, validity: number | undefined, text = readFileSync(list(two), "latin1")): void {
  const [header = "", ...records] = text.split("\n");
  const other = header.replace(/ N\d+/, " N104").replace(/ G\w+/, ` G${"e".repeat(32)}`);
  const moved = records.map((line) => line.replace(/^(\d+) /, (_, uid) => `${Number(uid) + 100} `));
  const numbered = validity === undefined ? other : other.replace(/ V\d+/, ` V${validity}`);
  writeFileSync(list(two), [numbered, ...moved].join("\n"), "latin1");
}

const limboOf = (two: TwoDaemons): readonly string[] =>
  readdirSync(two.dir, { recursive: true, encoding: "utf8" }).filter((name) =>
    /limbo\/\d{4}-\d\d-\d\d\/[^/]+$/.test(name),
  );

/** Equal, taken up again by the log, and verified. */
async function expectMadeAnew(two: TwoDaemons): Promise<void> {
  await untilEqual(two);
  addMessage(join(two.source, WORK), { seed: 95 });
  await untilEqual(two);
  expect((await tell(two, "verify", "--quiet", "--settle", "1")).code).toBe(0);
}

test("where another one stands it is refused until a person asks for its place", TIMEOUT, async () => {
  const { two, source } = await openLive();
  await using _two = two;
  numberAnew(two, 7);
  addFile(join(two.replica, WORK), { seed: 90 }); // that only the replica has.
  const other = contentsOf(join(two.replica, OTHER));
  const before = contentsOf(join(two.replica, WORK));
  await tell(two, ...RESYNC);
  expect(await source.waitFor("the refusal", isRefusal)).toMatchObject({ code: "mailbox-occupied" });
  expect(contentsOf(join(two.replica, WORK))).toStrictEqual(before);
  expect((await tell(two, "rejects", "list", "--json")).stdout).toContain("mailtwin resync --clear-place");

  expect(await tell(two, ...CLEAR)).toMatchObject({ code: 0, stdout: "1 mailbox will be compared\n" });
  const cleared = await source.waitFor("it to be cleared", isOf("place-cleared"));
  expect(cleared).toMatchObject({ toLimbo: 1, reused: 3 });
  await source.waitFor("it to be equal", isOf("mailbox-compared"));
  expect(uidsIn(two.replica)).toStrictEqual([1, 2, 3]);
  expect(limboOf(two).length).toBeGreaterThanOrEqual(1);
  expect(contentsOf(join(two.replica, OTHER))).toStrictEqual(other);
  await expectMadeAnew(two);
});

test("UIDs that were given out under the source's UIDVALIDITY name nothing else afterwards", TIMEOUT, async () => {
  const { two, source } = await openLive();
  await using _two = two;
  numberAnew(two, undefined);
  await tell(two, ...CLEAR);
  await source.waitFor("it to be cleared", isOf("place-cleared"));
  await untilEqual(two);
  expect(uidsIn(two.replica)).toHaveLength(3);
  expect(Math.min(...uidsIn(two.replica))).toBeGreaterThanOrEqual(104);
  await expectMadeAnew(two);
});

test("one without a uidlist is left alone until Dovecot has numbered it", TIMEOUT, async () => {
  const { two, source } = await openLive();
  await using _two = two;
  const text = readFileSync(list(two), "latin1");
  rmSync(list(two));
  const before = contentsOf(join(two.replica, WORK));
  await tell(two, ...CLEAR);
  const told = await source.waitFor("why not", isOf("mailbox-problem"));
  expect(told).toMatchObject({ code: "mailbox-occupied", message: expect.stringContaining("doveadm index -u USER") });
  await source.waitFor("the refusal", isRefusal);
  expect(contentsOf(join(two.replica, WORK))).toStrictEqual(before);
  expect(limboOf(two)).toStrictEqual([]);
  expect(source.events.filter(({ msg }) => msg === "place-cleared")).toStrictEqual([]);

  numberAnew(two, undefined, text);
  await tell(two, ...CLEAR);
  expect(await source.waitFor("it to be cleared", isOf("place-cleared"))).toMatchObject({ toLimbo: 0, reused: 3 });
  await untilEqual(two);
  expect(Math.min(...uidsIn(two.replica))).toBeGreaterThanOrEqual(104);
});

test("mail of the replica's own elsewhere is as safe as before: nothing changes places with it", TIMEOUT, async () => {
  const { two, source } = await openLive();
  await using _two = two;
  makeMailbox(two.replica, OWN, { messages: 2, seed: 70 });
  numberAnew(two, 7);
  await tell(two, ...CLEAR);
  await source.waitFor("it to be cleared", isOf("place-cleared"));
  await untilEqual(two);
  const before = [OWN, OTHER].map((path) => contentsOf(join(two.replica, path)));
  renameSync(join(two.source, OTHER), join(two.source, OWN));
  const refused = await source.waitFor("the refusal", isOf("transaction-rejected", OWN));
  expect(refused).toMatchObject({ code: "mailbox-occupied" });
  expect([OWN, OTHER].map((path) => contentsOf(join(two.replica, path)))).toStrictEqual(before);
});

test("a wish for a place that is not taken moves nothing, then and later", TIMEOUT, async () => {
  const { two, source } = await openLive();
  await using _two = two;
  addMessage(join(two.replica, WORK), { seed: 90 }); // its own, in a mailbox that is the source's.
  expect(await tell(two, ...CLEAR)).toMatchObject({ code: 0 });
  await source.waitFor("the comparison", isOf("mailbox-compared"));
  expect(limboOf(two)).toStrictEqual([]);
  numberAnew(two, 7);
  const mark = source.events.length;
  await tell(two, ...RESYNC);
  await source.waitFor("the refusal", isRefusal, mark);
  expect(limboOf(two)).toStrictEqual([]);
});

test("it is asked for with a mailbox, and of one replica, which is connected", TIMEOUT, async () => {
  const { two, replica } = await openLive();
  await using _two = two;
  expect(await tell(two, "resync", "--clear-place")).toMatchObject({ code: 64 });
  expect(await tell(two, ...CLEAR, "--dry-run")).toMatchObject({ code: 64 });
  const before = `listen.unix = ["${two.dir}/in"]\n[peer.c]\nmay_read = ["mail"]\n`;
  const text = readFileSync(two.configs.source, "utf8").replace("[peer.b]", `${before}[peer.b]`);
  writeFileSync(two.configs.source, `${text}[store.mail.replica.c]\npeer = "c"\n`);
  expect(await tell(two, "reload")).toMatchObject({ code: 0 });
  const both = await tell(two, "resync", "--clear-place", "-u", "alice", "--mailbox", "Work");
  expect(both).toMatchObject({ code: 64, stderr: expect.stringContaining("mail/b, mail/c have it") });
  await tell(two, "pause", "b");
  expect(await tell(two, ...CLEAR)).toMatchObject({
    code: 69,
    stderr: expect.stringContaining("mail/b is not connected"),
  });
  await replica.stop();
});
