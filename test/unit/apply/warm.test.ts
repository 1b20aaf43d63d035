/** Uidlists that are read before the first mail comes. */
import { appendFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { FaultDisk } from "../../contract/fault-disk.js";
import { eachReplica } from "./each-replica.js";
import { CREATE, type Replica, save, transaction } from "./replica-fixture.js";

let replica: Replica;
eachReplica((opened) => {
  replica = opened;
});

/** Many messages: the files are of no account here. */
const MESSAGES = 5_001;

test("the uidlist of a large mailbox is read once, before its next transaction", () => {
  const saves = Array.from({ length: 500 }, (_, i) => save(i + 1, `m${i + 1}`));
  replica.apply(transaction(saves, { structure: CREATE }));
  for (let first = 501; first <= MESSAGES; first += 500) {
    const count = Math.min(500, MESSAGES - first + 1);
    replica.apply(transaction(Array.from({ length: count }, (_, i) => save(first + i, `m${first + i}`))));
  }
  const disk = new FaultDisk(openNodeDisk());
  replica.open({ disk });
  const reads = () =>
    disk.calls.filter(({ operation, path }) => operation === "openFile" && path.endsWith("/dovecot-uidlist")).length;
  replica.store.warm();
  expect(reads()).toBe(1);
  replica.stage(replica.nextKey(), transaction([save(MESSAGES + 1, "next")]));
  expect(reads()).toBe(1);
});

test("what cannot be read is left to whoever needs it", () => {
  replica.apply(transaction([save(1, "one")], { structure: CREATE }));
  writeFileSync(replica.path("box/dovecot-uidlist"), "rubbish\n");
  appendFileSync(replica.path("box/dovecot-uidlist"), "more\n");
  expect(() => replica.store.warm()).not.toThrow();
});
