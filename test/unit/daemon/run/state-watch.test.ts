/** What of a state directory is watched: what this process has open, and nothing of others'. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { watchState } from "../../../../src/daemon/state-watch.js";
import { FakeClock } from "../../../fake-clock.js";
import { until } from "../../../live/lab/until.js";

let state: string;
let clock: FakeClock;
let told: string[];

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "mtl-state-"));
  for (const name of ["lock.db", "source.db", "source.db-wal", "replica.db"]) writeFileSync(join(state, name), "");
  clock = new FakeClock();
  told = [];
});

afterEach(() => rmSync(state, { recursive: true, force: true }));

const onGone = (error: Error) => told.push(error.message);

/** It has looked when it waits again, or has told of something. */
async function look(): Promise<void> {
  await clock.advance(2_000);
  await until("the end of a look", () => clock.timerCount > 0 || told.length > 0);
}

test("a database that somebody else opens and closes is not this process's: its -wal comes and goes", async () => {
  using _watch = watchState({ state, databases: ["source.db"], clock, onGone });
  const wal = join(state, "replica.db-wal");
  writeFileSync(wal, "");
  await look();
  rmSync(wal);
  await look();
  rmSync(join(state, "replica.db"));
  await look();
  expect(told).toStrictEqual([]);
  rmSync(join(state, "source.db-wal"));
  await look();
  expect(told).toStrictEqual([expect.stringMatching(/: source\.db-wal is not there any more$/)]);
});

test("the -wal of an open one is looked for once it has come", async () => {
  using _watch = watchState({ state, databases: ["replica.db"], clock, onGone });
  const wal = join(state, "replica.db-wal");
  writeFileSync(wal, "");
  await look();
  expect(told).toStrictEqual([]);
  rmSync(wal);
  await look();
  expect(told).toStrictEqual([expect.stringMatching(/: replica\.db-wal is not there any more$/)]);
});

test("the lock is looked for, whatever is open", async () => {
  using _watch = watchState({ state, databases: [], clock, onGone });
  await look();
  expect(told).toStrictEqual([]);
  rmSync(join(state, "lock.db"));
  await look();
  expect(told).toStrictEqual([expect.stringMatching(/: lock\.db is not there any more$/)]);
});
