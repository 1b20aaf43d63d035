/** A daemon meets a replica for the first time that has a mailbox of its source under another UIDVALIDITY: it takes the source's, and the log says so. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { DaemonEvent } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons } from "./two-daemons.js";

const [ALICE, BOB] = ["alice/Maildir", "bob/Maildir"];
const isLive = ({ msg, state }: DaemonEvent & { readonly state?: unknown }): boolean =>
  msg === "replica-state" && state === "live";

test("its clients fetch that mailbox anew, and it is told once, in words", { timeout: 90_000 }, async () => {
  await using two = openTwoDaemons();
  for (const [seed, mailbox] of [ALICE, BOB].entries())
    makeMailbox(two.source, mailbox, { messages: 3, seed: 100 * seed });
  cpSync(two.source, two.replica, { recursive: true, preserveTimestamps: true });
  const own = join(two.replica, ALICE, "dovecot-uidlist");
  const text = readFileSync(own, "latin1");
  writeFileSync(own, text.replace(/V\d+/, "V7"));
  two.configure({});
  const takes = two.start("replica");
  const sends = two.start("source");
  await sends.waitFor("live", isLive);
  expect(rawDifferences(two.source, two.replica)).toEqual([]);
  const after = Number(/V(\d+)/.exec(text)?.[1]);
  const words = `mailbox ${ALICE} of the replica has UIDVALIDITY ${after} now, as at the source, and had 7: clients of the replica take it for another mailbox, and fetch its 3 messages anew`;
  expect(sends.events.filter(({ msg }) => msg === "mailbox-renumbered")).toMatchObject([
    { mailbox: ALICE, before: 7, after, messages: 3, words, level: 40 },
  ]);
  await sends.stop();
  await takes.stop();
});
