/** First contact where a mailbox of the source's stands at a wrong path, and another one in its place. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RawPath } from "../../../src/base/raw-name.js";
import { type MailboxGuid, parseMailboxGuid } from "../../../src/maildir/ids.js";
import type { Transaction } from "../../../src/txn/transaction.js";
import {
  bodyOfBase,
  CREATE,
  DEAD_PID,
  openReplica,
  type Replica,
  refuseBody,
  save,
  transaction,
  VALIDITY,
} from "./replica-fixture.js";

let replica: Replica;
beforeEach(async () => {
  replica = await openReplica({ inMemory: true });
});
afterEach(() => replica.remove());

const guidOf = (name: string): MailboxGuid => parseMailboxGuid(Buffer.from(name.padEnd(16, "x")).toString("hex"));

describe("another mailbox stands where one that is here already belongs", () => {
  const put = (name: string, path: string, files: readonly string[], validity: number): void => {
    for (const dir of ["cur", "new", "tmp"]) mkdirSync(replica.path(path, dir), { recursive: true });
    const records = files.map((file, index) => `${index + 1} :${file}\n`).join("");
    writeFileSync(replica.path(path, "dovecot-uidlist"), `3 V${validity} N9 G${guidOf(name)}\n${records}`);
    for (const file of files) writeFileSync(replica.path(path, "cur", `${file}:2,`), bodyOfBase(file));
  };
  const txn = (): Transaction => {
    const at = { mailbox: guidOf("mine"), path: "u/to" as RawPath, structure: CREATE, uidNext: 9 };
    return transaction([save(1, "mail-mine")], at);
  };
  const standingAlready = (theirs: readonly string[]): void => {
    put("inbox", "u", [], 5); // whose the others are.
    put("mine", "u/box", ["mail-mine"], VALIDITY);
    put("theirs", "u/to", theirs, 7);
  };

  const isDone = (): void => {
    expect(readdirSync(replica.path("u")).filter((name) => existsSync(replica.path("u", name, "cur")))).toEqual(["to"]);
    expect(replica.names("u/to")).toEqual(["cur/mail-mine:2,"]);
    expect(replica.text("u/to/dovecot-uidlist")).toContain(guidOf("mine"));
    const limbo = join(replica.scratchRoot, "limbo");
    const names = readdirSync(limbo).flatMap((day) => readdirSync(join(limbo, day)).map((name) => `${day}/${name}`));
    expect(replica.state.limbo.map(({ name }) => name)).toEqual(names);
  };

  test("an empty one goes to the limbo", () => {
    standingAlready([]);
    replica.store.mailboxes({ strangers: [guidOf("theirs")] });
    expect(replica.apply(txn(), refuseBody).kind).toBe("applied");
    isDone();
  });

  test.each(["apply.target-made", "apply.part-moved", "apply.target-cleared"])("also when killed at %s", (point) => {
    standingAlready([]);
    const crashPoint = (name: string): void => {
      if (name === point) throw new Error("killed here");
    };
    replica.open({ crashPoint, pid: DEAD_PID });
    replica.store.mailboxes({ strangers: [guidOf("theirs")] });
    expect(() => replica.apply(txn())).toThrow("killed here");
    for (const laterMs of [10_000, 20_000, 30_000]) {
      replica.open({ laterMs });
      replica.recover();
      replica.store.mailboxes({ strangers: [guidOf("theirs")] });
      if (replica.apply(txn()).kind === "applied") break;
    }
    isDone();
  });

  test("one with mail is left where it is, and both are as they were", () => {
    standingAlready(["mail-theirs"]);
    replica.store.mailboxes({ strangers: [guidOf("theirs")] });
    const before = replica.picture();
    expect(replica.apply(txn())).toMatchObject({ kind: "diverged", divergence: { kind: "mailbox-occupied" } });
    expect(replica.picture()).toBe(before);
  });

  test.each(["with mail", "empty"])("one of the source's, %s, changes places with it", (how) => {
    standingAlready(how === "empty" ? [] : ["mail-theirs"]);
    replica.store.mailboxes({ strangers: [] });
    expect(replica.apply(txn(), refuseBody)).toMatchObject({ kind: "applied", effect: { limbo: [] } });
    expect(replica.names("u/box")).toEqual(how === "empty" ? [] : ["cur/mail-theirs:2,"]);
    expect(replica.names("u/to")).toEqual(["cur/mail-mine:2,"]);
  });
});
