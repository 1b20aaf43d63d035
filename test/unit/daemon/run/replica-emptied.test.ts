/** Mailboxes that are removed from a replica while its link is live, between two daemons. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { until } from "../../../live/lab/until.js";
import { CLI, type DaemonEvent } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const [ALICE, WORK, BOB] = ["alice/Maildir", "alice/Maildir/.Work", "bob/Maildir"];

async function statusAt(config: string) {
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, "status", "--json", "--config", config]);
  return JSON.parse(stdout) as { readonly level: string };
}

const isLive = ({ msg, state }: DaemonEvent & { readonly state?: unknown }) =>
  msg === "replica-state" && state === "live";

async function livePair(two: TwoDaemons) {
  two.configure({});
  for (const [i, path] of [ALICE, WORK, BOB].entries()) makeMailbox(two.source, path, { messages: 3, seed: 10 * i });
  const replica = two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  await untilEqual(two);
  return { source, replica };
}

const untilEqual = (two: TwoDaemons) =>
  until("both to be equal", () =>
    [ALICE, WORK, BOB].every((path) => {
      const [here, there] = [join(two.source, path), join(two.replica, path)];
      return existsSync(join(there, "dovecot-uidlist")) && rawDifferences(here, there).length === 0;
    }),
  );

async function untilWell(two: TwoDaemons): Promise<void> {
  for (const config of [two.configs.source, two.configs.replica])
    await until("all to be well", async () => (await statusAt(config)).level === "ok");
}

test("all are gone: one mail later both hosts say that they need a person, and nothing is made anew; put back, all goes on", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  const { source, replica } = await livePair(two);
  for (const name of ["alice", "bob"]) renameSync(join(two.replica, name), join(two.dir, name));
  addMessage(join(two.source, WORK), { seed: 41 });
  const told = (code: string) => (event: DaemonEvent) => event["code"] === code && event.msg.endsWith("-needs-you");
  await source.waitFor("it to be found", told("replica-emptied"));
  await replica.waitFor("the source's words", told("source-refuses"));
  for (const config of [two.configs.source, two.configs.replica])
    await until("its status", async () => (await statusAt(config)).level === "needs-you");
  expect(readdirSync(two.replica)).toStrictEqual([]);
  for (const name of ["alice", "bob"]) renameSync(join(two.dir, name), join(two.replica, name));
  addMessage(join(two.source, BOB), { seed: 42 });
  await untilEqual(two);
  await untilWell(two);
  await Promise.all([source.stop(), replica.stop()]);
});

test("all are gone, and no mail comes: both hosts say so all the same; put back and asked, all goes on", {
  timeout: 90_000,
}, async () => {
  await using two = openTwoDaemons();
  const { source, replica } = await livePair(two);
  for (const name of ["alice", "bob"]) renameSync(join(two.replica, name), join(two.dir, name));
  mkdirSync(join(two.replica, "alice/Maildir/cur"), { recursive: true }); // a Dovecot there has made it, with another identity.
  const told = (code: string) => (event: DaemonEvent) => event["code"] === code && event.msg.endsWith("-needs-you");
  await source.waitFor("it to be found", told("replica-emptied"));
  await replica.waitFor("the source's words", told("source-refuses"));
  for (const config of [two.configs.source, two.configs.replica])
    await until("its status", async () => (await statusAt(config)).level === "needs-you");
  expect(readdirSync(two.replica)).toStrictEqual(["alice"]);
  rmSync(join(two.replica, "alice"), { recursive: true });
  for (const name of ["alice", "bob"]) renameSync(join(two.dir, name), join(two.replica, name));
  await promisify(execFile)(process.execPath, [CLI, "fetch-now", "b", "--config", two.configs.source]);
  addMessage(join(two.source, BOB), { seed: 42 });
  await untilEqual(two);
  await untilWell(two);
  await Promise.all([source.stop(), replica.stop()]);
});

test("the store itself is gone, and no mail comes: both hosts say so; put back, all goes on", {
  timeout: 90_000,
}, async () => {
  await using two = openTwoDaemons();
  const { source, replica } = await livePair(two);
  renameSync(two.replica, join(two.dir, "away"));
  const told = ({ msg }: DaemonEvent) => msg.endsWith("-needs-you");
  await source.waitFor("it to be found", told);
  const isOwn = ({ msg, code }: DaemonEvent) => msg === "store-needs-you" && code === "destination-emptied";
  const { hint } = await replica.waitFor("its own words", isOwn);
  expect(hint).toContain(`Mount or restore ${two.replica}. `);
  expect(hint).toContain(`move ${two.dir}/state-b/stores/mail away`);
  for (const config of [two.configs.source, two.configs.replica])
    await until("its status", async () => (await statusAt(config)).level === "needs-you");
  expect(existsSync(two.replica)).toBe(false);
  renameSync(join(two.dir, "away"), two.replica);
  await promisify(execFile)(process.execPath, [CLI, "fetch-now", "b", "--config", two.configs.source]);
  addMessage(join(two.source, BOB), { seed: 42 });
  await untilEqual(two);
  await untilWell(two);
  await Promise.all([source.stop(), replica.stop()]);
});

test("one user's are removed: one mail for one of them, and all come back", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  const { source, replica } = await livePair(two);
  rmSync(join(two.replica, "alice"), { recursive: true });
  addMessage(join(two.source, WORK), { seed: 41 });
  await untilEqual(two);
  await untilWell(two);
  expect(source.events.filter(isLive)).toHaveLength(1); // by the link that there was.
  await Promise.all([source.stop(), replica.stop()]);
});
