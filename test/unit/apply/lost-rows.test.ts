/** What a killed process had moved and came not to record: found again by the next one, or the one after that. */
import { existsSync, mkdirSync, readdirSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ForeignRequest } from "../../../src/apply/apply-types.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import { OVERRIDE_PAUSE_MS } from "../../../src/maildir/dotlock.js";
import { parseBaseName } from "../../../src/maildir/ids.js";
import type { Transaction } from "../../../src/txn/transaction.js";
import { MortalDisk } from "../../contract/mortal-disk.js";
import { insist, isKilled, isKilledAfter } from "./killed-after.js";
import {
  CREATE,
  DEAD_PID,
  expunge,
  GUID,
  marks,
  OTHER_GUID,
  openReplica,
  type Replica,
  save,
  transaction,
} from "./replica-fixture.js";

let replica: Replica;
const openFilled = async (): Promise<void> => {
  replica = await openReplica({ inMemory: true });
  replica.apply(transaction([save(1, "one"), save(2, "two")], { structure: CREATE }));
};
beforeEach(openFilled);
afterEach(() => replica.remove());

/** Messages of a mailbox that is not listed without a reason. */
const LARGE = 520;

function inLimbo(): string[] {
  const root = join(replica.scratchRoot, "limbo");
  const days = existsSync(root) ? readdirSync(root) : [];
  return days.flatMap((day) => readdirSync(join(root, day)).map((name) => `${day}/${name}`)).sort();
}

/** Kills it before each write until `isThere`, each time on a fresh replica. */
async function killOnce(prepare: () => void, txn: Transaction, isThere: () => boolean): Promise<void> {
  for (let writes = 0; !isThere(); writes++) {
    replica.remove();
    await openFilled();
    prepare();
    expect(isKilledAfter(replica, writes, txn), `${writes} writes`).toBe(true);
  }
}

test("the row of an expunge says what it was, whichever run makes it", async () => {
  const txn = transaction([expunge(1, "one")], { uidNext: 3 });
  await killOnce(
    () => undefined,
    txn,
    () => inLimbo().length > 0,
  );
  expect(replica.state.limbo).toEqual([]);
  insist(replica, txn);
  const [name] = inLimbo();
  expect(replica.state.limbo).toMatchObject([
    { name, mailbox: GUID, path: "box", uid: 1, base: "one", cause: "expunge", size: expect.any(Number) },
  ]);
  expect(replica.state.intents).toEqual([]);
});

test("a request that was cut off after it, for the same mailbox, settles nothing of a transaction", async () => {
  const txn = transaction([expunge(1, "one")], { uidNext: 3 });
  await killOnce(
    () => undefined,
    txn,
    () => inLimbo().length > 0,
  );
  replica.open({ laterMs: 10_000 });
  replica.state.putIntent({ id: 77, bytes: replica.store.intentOfForeign({ path: txn.path }) });
  replica.recover();
  expect(replica.state.intents).toHaveLength(1);
  await setTimeout(OVERRIDE_PAUSE_MS + 10); // the lock of the process that was killed has just gone.
  expect(replica.apply(txn).kind).toBe("applied");
  expect(replica.state.intents).toEqual([]);
  expect(replica.state.limbo.map(({ name }) => name)).toEqual(inLimbo());
});

test("that of a second file of a message has its base name, and never serves as a body", async () => {
  const second = () => writeFileSync(replica.path("box/cur/one:2,F"), "of another program");
  const txn = transaction([marks(1, "one", {}, { flags: 1 })], { uidNext: 3 });
  await killOnce(second, txn, () => inLimbo().length > 0);
  insist(replica, txn);
  expect(replica.state.limbo).toMatchObject([{ uid: 0, base: "one", cause: "foreign", size: 18 }]);
});

test("in a large mailbox a file whose record is lacking is found by the third run as by the second", async () => {
  const many = Array.from({ length: LARGE }, (_, i) => save(i + 3, `m${i + 3}`));
  const txn = transaction([save(LARGE + 3, "late", { letters: "S" })]);
  const fill = (): void => {
    for (const some of [many.slice(0, 500), many.slice(500)])
      expect(replica.apply(transaction(some)).kind).toBe("applied");
  };
  await killOnce(fill, txn, () => existsSync(replica.path("box/cur/late:2,S")));
  replica.open({ pid: DEAD_PID - 1, laterMs: 10_000 }); // not the same process.
  replica.recover(); // and is killed then.
  renameSync(replica.path("box/cur/late:2,S"), replica.path("box/cur/late:2,FS")); // by a reader.
  replica.open({ laterMs: 20_000 });
  replica.recover();
  expect(replica.apply(txn)).toMatchObject({ kind: "applied" });
  expect(replica.names("box").filter((name) => name.includes("late"))).toHaveLength(1);
  expect(replica.text("box/dovecot-uidlist")).toContain(`${LARGE + 3} :late\n`);
});

describe("what the source asks for beside its transactions, killed before each write", () => {
  const theirs = "theirs" as RawPath;
  const fill = (): void => {
    for (const name of ["cur", "new", "tmp", "child/cur"]) mkdirSync(replica.path("theirs", name), { recursive: true });
    writeFileSync(replica.path("theirs/dovecot-uidlist"), `3 V12 N3 G${OTHER_GUID}\n1 :a\n2 :b\n`);
  };
  const mail = (): void => {
    for (const base of ["a", "b"]) writeFileSync(replica.path("theirs/cur", `${base}:2,S`), `foreign ${base}`);
  };

  test.each<readonly [string, ForeignRequest, () => void, number]>([
    ["mail", { path: theirs, action: "limbo", bases: ["a", "b"].map(parseBaseName) }, mail, 2],
    ["an empty mailbox around a folder", { path: theirs, action: "limbo", bases: [] }, () => undefined, 1],
  ])("%s: each file in the limbo has its row after the next start", async (_, request, prepare, goal) => {
    const run = (disk: MortalDisk, pid: number): void => {
      replica.open({ disk, pid, laterMs: 10_000 });
      replica.recover();
      replica.state.putIntent({ id: 77, bytes: replica.store.intentOfForeign(request) });
      const outcome = replica.store.foreign(request);
      if (outcome.kind === "applied") replica.state.record(outcome.effect, [77]);
    };
    let kills = 0;
    for (let isDead = true; isDead; kills++) {
      replica.remove();
      await openFilled();
      fill();
      prepare();
      isDead = isKilled(replica, kills, (disk) => run(disk, DEAD_PID));
      replica.open({ laterMs: 10_000 });
      replica.recover();
      expect(replica.state.limbo.map(({ name }) => name).sort(), `killed after ${kills} writes`).toEqual(inLimbo());
      expect(replica.state.intents).toEqual([]);
      for (let attempt = 0; attempt < 3; attempt++) run(new MortalDisk(1000), process.pid);
      expect(replica.state.limbo.map(({ name }) => name).sort(), `killed after ${kills} writes`).toEqual(inLimbo());
      expect(inLimbo()).toHaveLength(goal);
    }
    expect(kills).toBeGreaterThan(5);
    expect(replica.state.limbo.map(({ cause }) => cause)).toEqual(goal === 1 ? ["delete"] : ["foreign", "foreign"]);
  });

  test("a lock that is taken away when all is done: what is in the limbo is recorded all the same", () => {
    fill();
    mail();
    const request: ForeignRequest = { path: theirs, action: "limbo", bases: ["a", "b"].map(parseBaseName) };
    const crashPoint = (name: string): void => {
      if (name === "apply.bodies-in-limbo") unlinkSync(replica.path("theirs/dovecot-uidlist.lock"));
    };
    replica.open({ crashPoint });
    const outcome = replica.store.foreign(request);
    expect(outcome).toMatchObject({ kind: "diverged", limbo: [{ cause: "foreign" }, { cause: "foreign" }] });
    const names = outcome.kind === "diverged" ? outcome.limbo.map(({ name }) => name) : [];
    expect(names.sort()).toEqual(inLimbo());
    expect(names).toHaveLength(2);
  });
});
