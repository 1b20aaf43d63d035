/** Mail that is held back, had back by the daemon over its link: into files of the state directory, and nothing that replication did not write. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Asker } from "../../../../src/agent/asker.js";
import type { ReplayAgent } from "../../../../src/agent/replay-agent.js";
import { serveSums } from "../../../../src/agent/sums-link.js";
import { systemClock } from "../../../../src/base/clock.js";
import { writtenIn } from "../../../../src/daemon/body-notes.js";
import type { FetchQuery } from "../../../../src/daemon/control/daemon-control.js";
import { FETCHED } from "../../../../src/daemon/reject/fetched-copies.js";
import { fetchedName } from "../../../../src/daemon/reject/replica-mail.js";
import { type FetchedFrom, HeldFetches } from "../../../../src/daemon/run/held-fetches.js";
import type { StateReader } from "../../../../src/log/state-ports.js";
import { openStateReader } from "../../../../src/log/state-reader.js";
import { parseMailboxGuid } from "../../../../src/maildir/ids.js";
import { openMemoryLink } from "../../../../src/wire/memory-link.js";
import { addMessage, type Bench, makeMailbox, openBench } from "../../../live/twin/small-store.js";
import { storeSide } from "../../resync/store-side.js";

const INBOX = "u1/Maildir";
let bench: Bench;
let readers: { readonly source: StateReader & Disposable; readonly replica: StateReader & Disposable };
let stop: AbortController;

beforeEach(async () => {
  bench = openBench();
  stop = new AbortController();
  makeMailbox(bench.source, INBOX, { messages: 3 });
  expect((await bench.sync()).code).toBe(0);
  const open = (name: string) => openStateReader(join(bench.state, name));
  readers = { source: open("source.db"), replica: open("replica.db") };
}, 60_000);
afterEach(() => {
  stop.abort(new Error("the test is over"));
  for (const reader of Object.values(readers)) reader[Symbol.dispose]();
  bench[Symbol.dispose]();
});

/** A link to a replica whose record is that of this reader. */
function openFrom(written: StateReader = readers.replica): FetchedFrom {
  const link = openMemoryLink();
  serveSums(link.replica, storeSide(bench.replica, { areWritten: writtenIn(written) }), stop.signal).catch(
    () => undefined,
  );
  const asker = new Asker({ link: link.source, clock: systemClock });
  const reading = async () => {
    for await (const message of link.source.messages(stop.signal)) if (message.kind === "reply") asker.settle(message);
  };
  reading().catch((error: unknown) => asker.fail(error));
  const notes = { known: async (_: unknown, names: readonly unknown[]) => names.map(() => undefined) };
  const store = { stateDir: bench.state, side: { reader: readers.source, notes } } as unknown as FetchedFrom["store"];
  return { store, agent: { asker } as unknown as ReplayAgent };
}

function query(uids: readonly number[], look = false): FetchQuery {
  const [row] = readers.source.mailboxes();
  return { store: "mail", replica: "b", mailbox: row?.guid ?? parseMailboxGuid("0".repeat(32)), uids, look };
}

const fetched = () => readdirSync(join(bench.state, FETCHED)).sort();

test("into files that nobody else can read; those of the call before go", async () => {
  const fetches = new HeldFetches();
  const from = openFrom();
  expect(await fetches.fetch(from, query([1, 2, 3], true), stop.signal)).toEqual({
    messages: [{ uid: 1 }, { uid: 2 }, { uid: 3 }],
  });
  expect(readdirSync(bench.state)).not.toContain(FETCHED);
  const both = await Promise.all([
    fetches.fetch(from, query([1, 3]), stop.signal),
    fetches.fetch(from, query([2]), stop.signal),
  ]);
  expect(both).toEqual([{ messages: [{ uid: 1 }, { uid: 3 }] }, { messages: [{ uid: 2 }] }]);
  const name = fetchedName(query([2]).mailbox, 2);
  expect(fetched()).toEqual([name]);
  const file = join(bench.state, FETCHED, name);
  const [, second = ""] = readdirSync(join(bench.replica, INBOX, "cur")).sort();
  expect(readFileSync(file)).toEqual(readFileSync(join(bench.replica, INBOX, "cur", second)));
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("what the log does not have is told in its place, and no number of a client fetches it", async () => {
  const why = "it is not held back any more";
  addMessage(join(bench.replica, INBOX), { seed: 77 }); // of the replica alone.
  const fetches = new HeldFetches();
  const from = openFrom();
  expect(await fetches.fetch(from, query([4]), stop.signal)).toEqual({ messages: [{ uid: 4, why }] });
  expect(await fetches.fetch(from, query([3, 4]), stop.signal)).toEqual({ messages: [{ uid: 3 }] });
  expect(await fetches.fetch(from, query([3, 4], true), stop.signal)).toEqual({
    messages: [{ uid: 3 }, { uid: 4, why }],
  });
  const nobody = { ...query([1]), mailbox: parseMailboxGuid("ab".repeat(16)) };
  expect(await fetches.fetch(from, nobody, stop.signal)).toEqual({ messages: [{ uid: 1, why }] });
  expect(await fetches.fetch(from, query([], true), stop.signal)).toEqual({ messages: [] });
});

test("of what the replica's record does not have nothing comes, and a failed call keeps no other one", async () => {
  const nothing = { mailboxByGuid: () => undefined, chunk: () => undefined } as unknown as StateReader;
  const fetches = new HeldFetches();
  const why = "it is not on the replica, or was not written there by replication";
  expect(await fetches.fetch(openFrom(nothing), query([1, 2]), stop.signal)).toEqual({
    messages: [
      { uid: 1, why },
      { uid: 2, why },
    ],
  });
  expect(fetched()).toEqual([]);
  const from = openFrom();
  const gone = AbortSignal.abort(new Error("the client has gone"));
  await expect(fetches.fetch(from, query([1]), gone)).rejects.toThrow("the client has gone");
  expect(await fetches.fetch(from, query([1]), stop.signal)).toEqual({ messages: [{ uid: 1 }] });
});
