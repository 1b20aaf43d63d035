/**
 * A process to be killed: appends to a log and has it trimmed without pause, with one replica that keeps up and one that is away,
 * gets marked, and is compared again. Says what was done on stdout when its promise has resolved: `append LAST`, `cursor LSN`,
 * `clear LSN`. Arguments: the compiled program's directory, the database.
 */
import { pathToFileURL } from "node:url";

const [, , compiled = "", path = ""] = process.argv;
/** @param {string} name */
const load = (name) => import(pathToFileURL(`${compiled}/${name}`).href);
const { keepLogWithin } = await load("log/keep-log-within.js");
const { openStateReader } = await load("log/state-reader.js");
const { openStateWriter } = await load("log/state-writer.js");

const writer = await openStateWriter(path, { create: true });
const reader = openStateReader(path);
const limits = { maxBytes: 400_000, maxAgeMs: 1_000_000, recentEntries: 10 };
for (const replica of ["near", "away"]) await writer.addReplica(replica, 5);

async function append() {
  for (;;) {
    const from = reader.lastLsn() + 1;
    const transactions = Array.from({ length: 250 }, (_, i) => ({
      mailbox: "1".padStart(32, "0"),
      ...{ capturedMs: 5, bytes: new Uint8Array(Buffer.from(String(from + i))) },
    }));
    const lsns = await writer.appendCaptured({ mailboxes: [], removedMailboxIds: [], chunks: [], transactions });
    process.stdout.write(`append ${lsns.at(-1)}\n`);
  }
}

async function keep() {
  for (;;) {
    const lsn = Math.max(0, reader.lastLsn() - 300);
    await writer.setCursor("near", lsn);
    process.stdout.write(`cursor ${lsn}\n`);
    const { needsResync } = await keepLogWithin({ reader, writer }, { limits, nowMs: 6 });
    if (needsResync.length === 0) continue;
    const comparedAt = reader.lastLsn();
    if (await writer.clearResync("away", comparedAt)) process.stdout.write(`clear ${comparedAt}\n`);
  }
}

await Promise.all([append(), keep()]);
