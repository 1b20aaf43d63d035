/** A daemon that reads all bodies again, here and on the replica: what was changed under an unchanged name is found in its turn. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { CLI, type DaemonEvent } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";
const [WORK, BOB] = [`${INBOX}/.Work`, "bob/Maildir"];
const LONG = { timeout: 120_000 };

const isLive = (event: DaemonEvent) => event.msg === "replica-state" && event["state"] === "live";
const named = (msg: string) => (event: DaemonEvent) => event.msg === msg;
const scrub = (every: string) => ({ link: `[store.mail.scrub]\nevery = "${every}"\nmax_rate = "1MiB"\n` });

async function mailtwin(two: TwoDaemons, ...args: readonly string[]) {
  const command = [CLI, ...args, "--config", two.configs.source];
  const ended = promisify(execFile)(process.execPath, command).then((it) => ({ code: 0, ...it }));
  return ended.catch((error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => error);
}

async function statusOf(two: TwoDaemons) {
  const { stdout } = await mailtwin(two, "status", "--json");
  const { stores } = JSON.parse(stdout) as { readonly stores: readonly [{ readonly replicas: readonly [object] }] };
  return stores[0].replicas[0] as {
    readonly scrub: { readonly done: number; readonly startedMs: number };
    readonly troubles: readonly object[];
  };
}

/** Another byte under an unchanged name, with its size and date; returns the file and what it was. */
function changeByte(store: string, mailbox = INBOX) {
  const cur = join(store, mailbox, "cur");
  const file = join(cur, readdirSync(cur).sort()[0] ?? "");
  const whole = readFileSync(file);
  const { atimeMs, mtimeMs } = statSync(file);
  const changed = Buffer.from(whole);
  changed[40] = (changed[40] ?? 0) ^ 1;
  writeFileSync(file, changed);
  utimesSync(file, atimeMs / 1000, mtimeMs / 1000);
  return { file, whole, changed };
}

function uidOf(store: string, file: string): number {
  const base = (file.split("/").at(-1) ?? "").split(":")[0] ?? "";
  const list = readFileSync(join(store, INBOX, "dovecot-uidlist"), "latin1").split("\n");
  return Number(list.find((line) => line.includes(`:${base}`))?.split(" ")[0]);
}

/** Two daemons, live; what was shipped is known at the source. */
async function openLive(two: TwoDaemons) {
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  makeMailbox(two.source, WORK, { messages: 2, seed: 10 });
  two.configure({});
  const [replica, first] = [two.start("replica"), two.start("source")];
  await first.waitFor("live", isLive);
  await first.stop();
  return replica;
}

test("a body that was changed on the replica is repaired, under its UID, name and date", LONG, async () => {
  await using two = openTwoDaemons();
  await openLive(two);
  const { file, whole } = changeByte(two.replica);
  const [uid, { mtimeMs }, list] = [
    uidOf(two.replica, file),
    statSync(file),
    readFileSync(join(two.replica, INBOX, "dovecot-uidlist"), "latin1"),
  ];
  two.configure(scrub("10s"));
  const source = two.start("source");
  const repaired = await source.waitFor("the repair", named("body-repaired"));
  expect(repaired).toMatchObject({ store: "mail", replica: "b", mailbox: INBOX, uid, by: "hash" });
  expect([readFileSync(file), statSync(file).mtimeMs]).toEqual([whole, mtimeMs]);
  expect(readFileSync(join(two.replica, INBOX, "dovecot-uidlist"), "latin1")).toBe(list);
  const ended = await source.waitFor("the end of the round", named("scrub-ended"));
  expect(ended).toMatchObject({ read: 5, repaired: 1, unresolved: 0 });
  expect(rawDifferences(two.source, two.replica)).toEqual([]);
  expect(await statusOf(two)).toMatchObject({
    scrub: { all: 5, unresolved: 0, named: [], endedMs: expect.any(Number) },
    troubles: [],
  });
  expect((await mailtwin(two, "status")).stdout).toMatch(
    /^ {2}b: bodies are read again: .*, 0 unresolved; the last round ended .* ago$/m,
  );
  expect(source.events.filter(({ level }) => Number(level) >= 50)).toEqual([]);
});

test(
  "one that was changed at the source is told of, and the replica's copy stays until a person trusts the source",
  LONG,
  async () => {
    await using two = openTwoDaemons();
    const replica = await openLive(two);
    const { file, whole, changed } = changeByte(two.source);
    const there = file.replace(two.source, two.replica);
    const uid = uidOf(two.source, file);
    two.configure(scrub("10s"));
    const source = two.start("source");
    const found = await source.waitFor("what differs", named("body-differs"));
    expect(found).toMatchObject({ level: 50, mailbox: INBOX, uid, bad: "source", by: "hash" });
    expect(JSON.stringify(source.events)).not.toContain(whole.toString("latin1").slice(20, 40));
    expect(await source.waitFor("the end", named("scrub-ended"))).toMatchObject({ repaired: 0, unresolved: 1 });
    expect([readFileSync(there), readFileSync(file)]).toEqual([whole, changed]);
    expect(await statusOf(two)).toMatchObject({
      scrub: { unresolved: 1, named: [{ mailbox: INBOX, uid, bad: "source" }] },
      troubles: [
        { code: "bodies-differ", level: "needs-you", words: expect.stringContaining(`UID ${uid} of ${INBOX}`) },
      ],
    });

    const deep = await mailtwin(two, "verify", "--settle", "0.1", "--deep", "--repair");
    expect(deep).toMatchObject({
      code: 1,
      stdout: expect.stringContaining(
        `  UID ${uid}: its bytes differ: those in the source were changed, those in the replica are what was read first\n`,
      ),
    });
    expect([readFileSync(there), readFileSync(file)]).toEqual([whole, changed]);

    const trusted = await mailtwin(two, "verify", "--settle", "0.1", "--deep", "--repair", "--trust-source");
    expect(trusted).toMatchObject({ code: 0, stdout: expect.stringMatching(/^mail\/b: equal: 5 messages/m) });
    expect([readFileSync(there), readFileSync(file)]).toEqual([changed, changed]);
    await source.waitFor("all to be well", named("body-well"));
    expect(await statusOf(two)).toMatchObject({ scrub: { unresolved: 0 }, troubles: [] });
    await replica.stop();
  },
);

test("a daemon that is killed in the middle of a round goes on where it was", LONG, async () => {
  await using two = openTwoDaemons();
  makeMailbox(two.source, BOB, { messages: 2, seed: 20 });
  await openLive(two);
  two.configure(scrub("300s"));
  const source = two.start("source");
  await source.waitFor("live", isLive);
  await expect.poll(async () => (await statusOf(two)).scrub.done, { timeout: 30_000 }).toBeGreaterThan(0);
  await source.kill9();
  const again = two.start("source");
  await again.waitFor("live", isLive);
  const { scrub: before } = await statusOf(two);
  expect(before).toMatchObject({ isInRound: true, done: expect.any(Number) });
  expect([2, 3]).toContain(before.done);
  await again.stop();
  two.configure(scrub("10s"));
  const last = two.start("source");
  const ended = await last.waitFor("the end", named("scrub-ended"));
  expect(ended).toMatchObject({ startedMs: before.startedMs, read: 7, repaired: 0, unresolved: 0 });
});
