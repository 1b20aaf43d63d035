/** Two mailboxes of ours changed places, and the mover's transaction did not come to its end at once. */
import { rmSync, writeFileSync } from "node:fs";
import { beforeEach, expect, test } from "vitest";
import type { RawPath } from "../../../src/base/raw-name.js";
import { eachReplica } from "./each-replica.js";
import { CREATE, DEAD_PID, GUID, HOST, OTHER_GUID, type Replica, save, transaction } from "./replica-fixture.js";

let replica: Replica;
eachReplica((opened) => {
  replica = opened;
});
beforeEach(() => {
  replica.apply(transaction([save(1, "one")], { structure: CREATE }));
  const other = { mailbox: OTHER_GUID, path: "to" as RawPath, structure: CREATE };
  replica.apply(transaction([save(1, "other")], other));
});

const MOVE = transaction([save(2, "two")], {
  path: "to" as RawPath,
  structure: { kind: "rename", from: "box" as RawPath },
});

function expectChanged(): void {
  const rows = [...replica.state.mailboxes.values()];
  expect(Object.fromEntries(rows.map(({ guid, path }) => [guid, path]))).toEqual({ [GUID]: "to", [OTHER_GUID]: "box" });
  expect(replica.names("box")).toEqual(["cur/other:2,"]);
  expect(replica.names("to")).toEqual(["cur/one:2,", "cur/two:2,"]);
}

test("its lock is in other hands then: where the other one is, is recorded all the same", () => {
  const lock = replica.path("to/dovecot-uidlist.lock");
  let unlocks = 0;
  const crashPoint = (name: string): void => {
    if (name === "apply.unlocked") unlocks += 1;
    if (name === "apply.unlocked" && unlocks === 2) writeFileSync(lock, `${process.ppid}:${HOST}`);
  };
  replica.open({ crashPoint });
  const key = replica.nextKey();
  expect(replica.stage(key, MOVE).kind).toBe("staged");
  expect(replica.execute(key).kind).toBe("busy");
  rmSync(lock);
  expect(replica.execute(key).kind).toBe("applied");
  expectChanged();
});

test.each(["apply.displaced-in", "apply.uidlist-written"])("killed at %s: the next run records it", (point) => {
  const crashPoint = (name: string): void => {
    if (name === point) throw new Error("killed");
  };
  replica.open({ crashPoint, pid: DEAD_PID });
  expect(() => replica.apply(MOVE)).toThrow("killed");
  for (let attempt = 1, kind = ""; kind !== "applied"; attempt++) {
    expect(attempt).toBeLessThan(6);
    replica.open({ laterMs: 10_000 * attempt });
    replica.recover();
    kind = replica.apply(MOVE).kind;
  }
  expectChanged();
});
