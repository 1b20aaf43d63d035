/** Group commit: one transaction for what waits, and failures that stay alone. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Db, openDb } from "../../../src/log/db.js";
import { GroupCommit } from "../../../src/log/group-commit.js";
import { type TempDir, tempDir } from "./state-fixtures.js";

let dir: TempDir;
let db: Db;
let begun: string[];
let group: GroupCommit;

beforeEach(() => {
  dir = tempDir();
  db = openDb(join(dir.path, "a.db"), "create");
  db.exec("CREATE TABLE t (a INTEGER PRIMARY KEY) STRICT");
  begun = [];
  const watched: Db = {
    path: db.path,
    get inTransaction() {
      return db.inTransaction;
    },
    exec: (sql) => {
      begun.push(sql);
      db.exec(sql);
    },
    prepare: (sql) => db.prepare(sql),
    [Symbol.dispose]: () => db[Symbol.dispose](),
  };
  group = new GroupCommit(watched);
});

afterEach(() => {
  db[Symbol.dispose]();
  dir[Symbol.dispose]();
});

const insert = (value: number) => (): number => {
  db.prepare("INSERT INTO t VALUES (?)").run(value);
  return value;
};
const values = (): unknown[] =>
  db
    .prepare("SELECT a FROM t ORDER BY a")
    .all()
    .map((row) => row["a"]);

describe("GroupCommit", () => {
  test("what is called together is one transaction, and settles in order", async () => {
    const order: number[] = [];
    await Promise.all([1, 2, 3].map((n) => group.run(insert(n)).then((value) => order.push(value))));
    expect(order).toStrictEqual([1, 2, 3]);
    expect(begun).toStrictEqual(["BEGIN IMMEDIATE", "COMMIT"]);
    expect(values()).toStrictEqual([1, 2, 3]);
  });

  test("a failing write is rejected with its own error, and the others are committed", async () => {
    const boom = new Error("boom");
    const failing = () => {
      insert(9)();
      throw boom;
    };
    const settled = await Promise.allSettled([group.run(insert(1)), group.run(failing), group.run(insert(2))]);
    expect(settled[1]).toStrictEqual({ status: "rejected", reason: boom });
    expect([settled[0].status, settled[2].status]).toStrictEqual(["fulfilled", "fulfilled"]);
    expect(values()).toStrictEqual([1, 2]);
    expect(db.inTransaction).toBe(false);
  });

  test("goes on after a failure", async () => {
    await expect(group.run(() => [insert(1)(), insert(1)()])).rejects.toThrow(/UNIQUE/);
    await group.run(insert(1));
    expect(values()).toStrictEqual([1]);
  });

  test("more than fit in one transaction are done in several", async () => {
    await Promise.all(Array.from({ length: 600 }, (_, i) => group.run(insert(i))));
    expect(begun.filter((sql) => sql === "COMMIT")).toHaveLength(3);
    expect(values()).toHaveLength(600);
  });
});
