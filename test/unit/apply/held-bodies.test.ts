/** Bodies that are here already: none becomes a replicated message before it is known to be the source's, byte for byte. */
import { readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { ExecuteOutcome, PrepareOutcome } from "../../../src/apply/apply-types.js";
import { sha256 } from "../../../src/base/hash.js";
import type { Change, Transaction } from "../../../src/txn/transaction.js";
import { encodeTransaction } from "../../../src/txn/transaction-codec.js";
import { eachReplica } from "./each-replica.js";
import {
  bodyOfBase,
  CREATE,
  expunge,
  message,
  OTHER_GUID,
  type Replica,
  save,
  transaction,
  VALIDITY,
} from "./replica-fixture.js";

let replica: Replica;
eachReplica((opened) => {
  replica = opened;
  expect(run(transaction([save(1, "one")], { structure: CREATE }))).toMatchObject({ kind: "applied" });
});

const hashOf = (bytes: Uint8Array): string => sha256(bytes).toString("hex");
/** As long as the body of that name, and another. */
const imposter = (base: string): Uint8Array => Buffer.alloc(bodyOfBase(base).length, "x");

function prepare(key: number, txn: Transaction): Extract<PrepareOutcome, { kind: "ready" }> {
  const prepared = replica.store.prepare({ key, bytes: encodeTransaction(txn), voidBelow: 0, verifies: true });
  if (prepared.kind !== "ready") throw new Error(`it is not ready: ${JSON.stringify(prepared)}`);
  return prepared;
}

function send(key: number, indexes: readonly number[], txn: Transaction): void {
  const bodies = indexes.map((index) => {
    const change = txn.changes[index];
    const bytes = bodyOfBase(change !== undefined && "message" in change ? change.message.base : "");
    return { index, bytes, sha256: hashOf(bytes) };
  });
  expect(replica.store.stageMany({ key, bodies })).toEqual({ kind: "staged" });
}

/** What the source was asked for, in the order of the questions. */
let sent: string[] = [];

/** As a session that verifies: sends what is wanted, compares what is held, and records the outcome. */
function run(txn: Transaction): ExecuteOutcome {
  sent = [];
  const key = replica.nextKey();
  const { wants, held = [] } = prepare(key, txn);
  const hashes = replica.store.hashHeld({ key, indexes: held.map(({ index }) => index) });
  const isSame = ({ index, sha256: hash }: { readonly index: number; readonly sha256: string }): boolean => {
    const change = txn.changes[index];
    return change !== undefined && "message" in change && hashOf(bodyOfBase(change.message.base)) === hash;
  };
  const confirmed = hashes.filter(isSame).map(({ index }) => index);
  const differing = held.filter(({ index }) => !confirmed.includes(index));
  sent.push(...wants.map(({ base }) => `wanted ${base}`), ...differing.map(({ base }) => `differs ${base}`));
  sent.push(...held.filter(({ index }) => confirmed.includes(index)).map(({ base }) => `same ${base}`));
  replica.store.confirmHeld({ key, indexes: confirmed });
  send(
    key,
    [...wants, ...differing].map(({ index }) => index),
    txn,
  );
  let outcome = replica.store.execute({ key });
  if (outcome.kind === "lacking") {
    sent.push(...outcome.wants.map(({ base }) => `lacking ${base}`));
    send(
      key,
      outcome.wants.map(({ index }) => index),
      txn,
    );
    outcome = replica.store.execute({ key });
  }
  if (outcome.kind === "applied") replica.state.record(outcome.effect);
  return outcome;
}

function limboBodies(outcome: ExecuteOutcome): string[] {
  const rows = outcome.kind === "applied" ? outcome.effect.limbo : [];
  return rows.map(({ name }) => readFileSync(`${replica.scratchRoot}/limbo/${name}`, "latin1"));
}

describe("a file without a record", () => {
  test("with the source's bytes is bound, and nothing is sent", () => {
    writeFileSync(replica.path("box/cur/two:2,S"), bodyOfBase("two"));
    const { ino } = statSync(replica.path("box/cur/two:2,S"));
    expect(run(transaction([save(2, "two")]))).toMatchObject({ kind: "applied" });
    expect(sent).toEqual(["same two"]);
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,"]);
    expect(statSync(replica.path("box/cur/two:2,")).ino).toBe(ino);
    expect(run(transaction([save(2, "two")])).kind).toBe("applied");
    expect(sent).toEqual([]); // known by now.
  });

  test("of the same size with other bytes goes to the limbo", () => {
    writeFileSync(replica.path("box/cur/two:2,S"), imposter("two"));
    const outcome = run(transaction([save(2, "two")]));
    expect(sent).toEqual(["differs two"]);
    expect(replica.names("box")).toEqual(["cur/one:2,", "cur/two:2,"]);
    expect(replica.text("box/cur/two:2,")).toContain("body of two");
    expect(limboBodies(outcome)).toEqual([Buffer.from(imposter("two")).toString("latin1")]);
  });

  test("that is replaced after it was compared is not believed", () => {
    writeFileSync(replica.path("box/cur/two:2,"), bodyOfBase("two"));
    const key = replica.nextKey();
    const txn = transaction([save(2, "two")]);
    expect(prepare(key, txn)).toMatchObject({ wants: [], held: [{ index: 0, base: "two" }] });
    expect(replica.store.hashHeld({ key, indexes: [0] })).toEqual([{ index: 0, sha256: hashOf(bodyOfBase("two")) }]);
    replica.store.confirmHeld({ key, indexes: [0] });
    writeFileSync(replica.path("box/cur/other"), imposter("two"));
    renameSync(replica.path("box/cur/other"), replica.path("box/cur/two:2,"));
    expect(replica.store.execute({ key })).toMatchObject({ kind: "lacking", wants: [{ index: 0 }] });
    send(key, [0], txn);
    expect(replica.store.execute({ key }).kind).toBe("applied");
    expect(replica.text("box/cur/two:2,")).toContain("body of two");
  });

  test("that vanishes before it is read has to come", () => {
    writeFileSync(replica.path("box/cur/two:2,"), bodyOfBase("two"));
    const key = replica.nextKey();
    const txn = transaction([save(2, "two")]);
    prepare(key, txn);
    rmSync(replica.path("box/cur/two:2,"));
    expect(replica.store.hashHeld({ key, indexes: [0] })).toEqual([]);
    expect(() => replica.store.confirmHeld({ key, indexes: [0] })).toThrow(/was not told/);
    expect(replica.store.execute({ key })).toMatchObject({ kind: "lacking", wants: [{ index: 0 }] });
  });

  test("whose message the source has no more is bound, to be expunged by what follows", () => {
    writeFileSync(replica.path("box/cur/two:2,"), bodyOfBase("two"));
    const key = replica.nextKey();
    prepare(key, transaction([save(2, "two")]));
    replica.store.gone({ key, index: 0 });
    expect(replica.store.execute({ key }).kind).toBe("applied");
    expect(run(transaction([expunge(2, "two")], { uidNext: 3 }))).toMatchObject({ effect: { limbo: [{ uid: 2 }] } });
    expect(replica.names("box")).toEqual(["cur/one:2,"]);
  });
});

describe("a message that was applied", () => {
  test("is known by its inode: a repetition asks for nothing", () => {
    renameSync(replica.path("box/cur/one:2,"), replica.path("box/cur/one:2,FS"));
    expect(run(transaction([save(1, "one")])).kind).toBe("applied");
    expect(sent).toEqual([]);
  });

  test("and was overwritten since is compared again", () => {
    writeFileSync(replica.path("box/cur/one:2,"), imposter("one"));
    const outcome = run(transaction([save(1, "one")]));
    expect(sent).toEqual(["differs one"]);
    expect(replica.text("box/cur/one:2,")).toContain("body of one");
    expect(limboBodies(outcome)).toHaveLength(1);
  });
});

describe("a body in another mailbox", () => {
  const other = (changes: readonly Change[]): Transaction =>
    transaction(changes, { mailbox: OTHER_GUID, path: "other" as Transaction["path"], structure: CREATE });
  const copy = (): Change => {
    const { uid, base } = message(1, "one");
    const saved = message(5, "one", { mtimeS: 1_600_000_001 });
    return { kind: "save", message: saved, origin: { mailbox: transaction([]).mailbox, uid, base } };
  };

  test("that was placed here is linked without a question", () => {
    expect(run(other([copy()])).kind).toBe("applied");
    expect(sent).toEqual([]);
    expect(statSync(replica.path("other/cur/one:2,")).nlink).toBe(2);
  });

  test("that somebody has changed is compared, and not used", () => {
    writeFileSync(replica.path("box/cur/one:2,"), imposter("one"));
    expect(run(other([copy()])).kind).toBe("applied");
    expect(sent).toEqual(["differs one"]);
    expect(replica.text("other/cur/one:2,")).toContain("body of one");
    expect(readFileSync(replica.path("box/cur/one:2,")).equals(imposter("one"))).toBe(true);
  });

  test("in the limbo is compared, and used", () => {
    run(transaction([expunge(1, "one")], { uidNext: 2 }));
    expect(run(other([copy()])).kind).toBe("applied");
    expect(sent).toEqual(["same one"]);
    expect(replica.text("other/cur/one:2,")).toContain("body of one");
  });

  test("that was staged and never compared leaves nothing behind", () => {
    run(transaction([expunge(1, "one")], { uidNext: 2 }));
    const key = replica.nextKey();
    expect(prepare(key, transaction([save(2, "one", { mtimeS: 1_600_000_001 })]))).toMatchObject({
      held: [{ index: 0 }],
    });
    expect(readdirSync(replica.path("box/tmp"))).toHaveLength(1);
    replica.store.drop({ key });
    expect(readdirSync(replica.path("box/tmp"))).toEqual([]);
  });
});

test("a copy of the whole mailbox by other means is compared once, then known", () => {
  for (const name of ["two:2,S", "three:2,"]) {
    const base = name.split(":")[0] ?? "";
    writeFileSync(replica.path("box/cur", name), bodyOfBase(base));
    utimesSync(replica.path("box/cur", name), 1, 1_600_000_000 + (base === "two" ? 2 : 3));
  }
  writeFileSync(
    replica.path("box/dovecot-uidlist"),
    `3 V${VALIDITY} N4 G${transaction([]).mailbox}\n1 :one\n2 :two\n3 :three\n`,
  );
  const txn = transaction([save(2, "two", { letters: "S" }), save(3, "three")]);
  expect(run(txn).kind).toBe("applied");
  expect(sent).toEqual(["same two", "same three"]);
  replica.open();
  expect(run(txn).kind).toBe("applied");
  expect(sent).toEqual([]);
});
