/** A daemon whose replica was in use: the source's next UIDs are raised, and its log says so. */
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { until } from "../../../live/lab/until.js";
import type { DaemonEvent } from "../../../live/sites/daemon-process.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const [ALICE, BOB] = ["alice/Maildir", "bob/Maildir"];
const isLive = ({ msg, state }: DaemonEvent & { readonly state?: unknown }): boolean =>
  msg === "replica-state" && state === "live";
const named = (events: readonly DaemonEvent[], name: string) => events.filter(({ msg }) => msg === name);

const uidlistOf = (store: string, mailbox: string) => readFileSync(join(store, mailbox, "dovecot-uidlist"), "latin1");
const nextOf = (store: string, mailbox: string) => / N(\d+)/.exec(uidlistOf(store, mailbox))?.[1];
const uidOf = (store: string, mailbox: string, base: string) =>
  new RegExp(`^(\\d+) .*:${base}$`, "m").exec(uidlistOf(store, mailbox))?.[1];

/** Both stores have three messages of each user, and the replica two more of each. */
function makeCopy({ source, replica }: TwoDaemons): void {
  for (const [seed, mailbox] of [ALICE, BOB].entries()) makeMailbox(source, mailbox, { messages: 3, seed: 100 * seed });
  cpSync(source, replica, { recursive: true, preserveTimestamps: true });
  for (const mailbox of [ALICE, BOB]) for (const seed of [50, 51]) addMessage(join(replica, mailbox), { seed });
}

test("each mailbox once; what comes then has one UID on both sides", { timeout: 90_000 }, async () => {
  await using two = openTwoDaemons();
  makeCopy(two);
  two.configure({ link: 'foreign = "keep"\n' });
  const takes = two.start("replica");
  const sends = two.start("source");
  await sends.waitFor("live", isLive);
  const raised = [ALICE, BOB].map((mailbox) => ({ mailbox, from: 4, to: 6, level: 30 }));
  expect(named(sends.events, "next-uid-raised")).toMatchObject(raised);
  const base = addMessage(join(two.source, ALICE), { seed: 60 });
  await until("the new message", () => uidOf(two.replica, ALICE, base) !== undefined);
  expect([uidOf(two.source, ALICE, base), uidOf(two.replica, ALICE, base)]).toEqual(["6", "6"]);
  expect(named(sends.events, "conflict-resolved")).toEqual([]);
  expect(named(sends.events, "next-uid-raised")).toHaveLength(2);
  await sends.stop();
  await takes.stop();
});

test("not of what the replica may not have", { timeout: 90_000 }, async () => {
  await using two = openTwoDaemons();
  makeCopy(two);
  two.configure({ link: 'foreign = "keep"\n', replicaPeer: 'users = ["alice"]' });
  const before = uidlistOf(two.source, BOB);
  const takes = two.start("replica");
  const sends = two.start("source");
  await sends.waitFor("live", isLive);
  expect(named(sends.events, "next-uid-raised")).toMatchObject([{ mailbox: ALICE, from: 4, to: 6 }]);
  expect([nextOf(two.source, ALICE), uidlistOf(two.source, BOB)]).toEqual(["6", before]);
  await sends.stop();
  await takes.stop();
});
