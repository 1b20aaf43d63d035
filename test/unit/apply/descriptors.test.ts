/** Whatever the system refuses in one mailbox, no descriptor is lost: a long run would come to its end by it. */
import { mkdirSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import { makeSystemError } from "../../../src/base/system-error.js";
import type { Structure, Transaction } from "../../../src/txn/transaction.js";
import { type DiskCall, type DiskOperation, FaultDisk } from "../../contract/fault-disk.js";
import { CREATE, marks, OTHER_GUID, openReplica, type Replica, save, transaction } from "./replica-fixture.js";

let replica: Replica;
beforeEach(async () => {
  replica = await openReplica({ inMemory: true });
});
afterEach(() => replica.remove());

const at = (path: string, structure?: Structure, changes: Transaction["changes"] = []): Transaction =>
  transaction(changes, { path: path as RawPath, structure, uidNext: 4 });
const rename = (from: string): Structure => ({ kind: "rename", from: from as RawPath });
const make = (path: string): void => {
  expect(replica.apply(at(path, CREATE, [save(1, "one"), save(2, "two")])).kind).toBe("applied");
};
const makeOther = (path: string): void => {
  const other = { mailbox: OTHER_GUID, path: path as RawPath, structure: CREATE };
  expect(replica.apply(transaction([save(1, "other")], other)).kind).toBe("applied");
};

/** Of those that nothing here can be refused for: the directory is open, or is not looked for. */
const SPARED = new Set<DiskOperation>(["close", "openRoot", "statSelf"]);

/** Refuses one call. */
class RefusingDisk extends FaultDisk {
  refused: DiskCall | undefined;
  #left: number;

  constructor(calls: number) {
    super(openNodeDisk());
    this.#left = calls;
  }

  override perform<T>(call: DiskCall, name: string, run: () => T): T {
    if (SPARED.has(call.operation) || this.#left-- !== 0) return super.perform(call, name, run);
    this.refused = call;
    throw makeSystemError("EACCES", { doing: "trying", path: call.path });
  }
}

const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

test.each<readonly [string, () => unknown, Transaction]>([
  ["made", () => undefined, at("deep/box", CREATE, [save(1, "one")])],
  ["made where folders stand", () => makeOther("box/child"), at("box", CREATE, [save(1, "one")])],
  ["renamed", () => make("a/box"), at("to", rename("a/box"))],
  ["renamed to where folders stand", () => [make("box"), makeOther("to/child")], at("to", rename("box"))],
  ["renamed onto another", () => [make("box"), makeOther("to")], at("to", rename("box"))],
  [
    "renamed onto another with folders",
    () => [make("box"), makeOther("to"), mkdirSync(replica.path("to/x/cur"), { recursive: true })],
    at("to", rename("box")),
  ],
  ["deleted from around a folder", () => [make("box"), makeOther("box/child")], at("box", { kind: "delete" })],
  [
    "given mail without a tmp/",
    () => [make("box"), rmdirSync(replica.path("box/tmp"))],
    at("box", undefined, [save(3, "three")]),
  ],
  [
    "rid of a second file",
    () => [make("box"), writeFileSync(replica.path("box/cur/one:2,F"), "of another program")],
    at("box", undefined, [marks(1, "one", {}, { flags: 1 })]),
  ],
])("a mailbox that is %s: each call is refused once", async (_, prepare, txn) => {
  let refusals = 0;
  for (;;) {
    replica.remove();
    replica = await openReplica({ inMemory: true });
    prepare();
    const disk = new RefusingDisk(refusals);
    replica.open({ disk });
    const before = openDescriptors();
    try {
      replica.apply(txn);
    } catch (error) {
      expect(error).toMatchObject({ code: "scratch-missing" });
    }
    if (disk.refused === undefined) break;
    const { operation, path } = disk.refused;
    expect(openDescriptors() - before, `${operation} ${path}`).toBe(0);
    refusals += 1;
  }
  expect(refusals).toBeGreaterThan(10);
});
