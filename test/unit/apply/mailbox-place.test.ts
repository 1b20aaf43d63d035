/** What a path leads to is closed again, whatever stands on the way; and what others put there meanwhile is not replaced. */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { RawPath } from "../../../src/base/raw-name.js";
import { CREATE, openReplica, type Replica, save, transaction } from "./replica-fixture.js";

let replica: Replica;
beforeEach(async () => {
  replica = await openReplica({ inMemory: true });
});
afterEach(() => replica.remove());

const make = (path: string) => transaction([save(1, "one")], { path: path as RawPath, structure: CREATE });

test("a link or a file on the way costs no descriptor, however often it is met", () => {
  mkdirSync(replica.path("u/in"), { recursive: true });
  symlinkSync("/nowhere", replica.path("u/in/link"));
  writeFileSync(replica.path("u/in/file"), "");
  const refuse = (): void => {
    for (const path of ["u/in/link/box", "u/in/file/box"]) expect(replica.apply(make(path)).kind).toBe("diverged");
  };
  refuse();
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 20; i++) refuse();
  expect(readdirSync("/proc/self/fd").length).toBeLessThan(before + 20);
});

test("a mailbox that a login makes where another one is about to move is met by the next attempt", () => {
  expect(replica.apply(make("box")).kind).toBe("applied");
  const login = (name: string): void => {
    if (name !== "apply.parents-made" || existsSync(replica.path("to"))) return;
    for (const part of ["cur", "new", "tmp"]) mkdirSync(replica.path("to", part), { recursive: true });
    writeFileSync(replica.path("to/dovecot-uidlist"), `3 V1 N1 G${"9".repeat(32)}\n`);
  };
  replica.open({ crashPoint: login });
  const to = { path: "to" as RawPath, structure: { kind: "rename", from: "box" as RawPath } } as const;
  const txn = transaction([], { ...to, uidNext: 2 });
  expect(replica.apply(txn)).toMatchObject({ kind: "busy" });
  expect(replica.names("box")).toEqual(["cur/one:2,"]);
  expect(replica.apply(txn)).toMatchObject({ kind: "applied" });
  expect(replica.names("to")).toEqual(["cur/one:2,"]);
  expect(replica.state.limbo).toMatchObject([{ cause: "delete" }]);
});

test("a file in the new/ of what is no mailbox yet is not replaced by one of that name", () => {
  mkdirSync(replica.path("box/new"), { recursive: true });
  const base = "one".padEnd(254, "x"); // no room for ":2,": such a message stays in new/.
  writeFileSync(replica.path("box/new", base), "another");
  const outcome = replica.apply(transaction([save(1, base)], { structure: CREATE }));
  const texts = readdirSync(replica.path("box"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.startsWith("one"))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
  expect([outcome.kind, texts]).toEqual(["diverged", ["another"]]);
});
