/** Whether anything stands of what was written to a store. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { RawPath } from "../../../src/base/raw-name.js";
import { type MailboxGuid, parseMailboxGuid } from "../../../src/maildir/ids.js";
import { CREATE, openReplica, type Replica, save, transaction } from "./replica-fixture.js";

const guidOf = (name: string): MailboxGuid => parseMailboxGuid(Buffer.from(name.padEnd(16, "x")).toString("hex"));
let replica: Replica;

beforeEach(async () => {
  replica = await openReplica({ inMemory: true });
});

afterEach(() => replica.remove());

function create(name: string) {
  const at = { mailbox: guidOf(name), path: `${name}/box` as RawPath, structure: CREATE, uidNext: 9 };
  return replica.apply(transaction([save(1, `mail-${name}`)], at));
}

test("a store that nothing was written to is not emptied; one is when the last mailbox is gone", () => {
  expect(replica.store.emptied()).toBe(false);
  for (const name of ["a", "b"]) expect(create(name).kind).toBe("applied");
  expect(replica.store.emptied()).toBe(false);
  rmSync(replica.path("a"), { recursive: true });
  expect(replica.store.emptied()).toBe(false);
  rmSync(replica.path("b"), { recursive: true });
  expect(replica.store.emptied()).toBe(true);
  mkdirSync(replica.path("b/box/cur"), { recursive: true });
  expect(replica.store.emptied()).toBe(true);
});

test("a mailbox that was renamed there is not gone", () => {
  expect(create("a").kind).toBe("applied");
  renameSync(replica.path("a/box"), replica.path("a/elsewhere"));
  expect(replica.store.emptied()).toBe(false);
});

test.each([
  ["whose uidlist is damaged", () => writeFileSync(replica.path("a/box/dovecot-uidlist"), "garbage\n"), "unread"],
  ["whose uidlist was removed, with its mail", () => rmSync(replica.path("a/box/dovecot-uidlist")), "unread"],
  [
    "whose uidlist was removed, and all mail",
    () => {
      rmSync(replica.path("a/box/dovecot-uidlist"));
      for (const name of readdirSync(replica.path("a/box/cur"))) rmSync(replica.path("a/box/cur", name));
    },
    "gone",
  ],
  [
    "that a file took the place of",
    () => {
      rmSync(replica.path("a/box"), { recursive: true });
      writeFileSync(replica.path("a/box"), "x");
    },
    "gone",
  ],
])("a mailbox %s", (_what, happen, stands) => {
  expect(create("a").kind).toBe("applied");
  happen();
  expect(replica.store.standing({ after: "", max: 9 }).mailboxes.map((it) => it.stands)).toStrictEqual([stands]);
  expect(replica.store.emptied()).toBe(stands === "gone");
});

test("a mailbox on its way to another place is not gone", () => {
  expect(create("a").kind).toBe("applied");
  const parked = join(replica.scratchRoot, "parked");
  mkdirSync(parked, { recursive: true });
  renameSync(replica.path("a/box"), join(parked, guidOf("a")));
  expect(replica.store.emptied()).toBe(false);
});

test("a mailbox is not made in an emptied store", () => {
  expect(create("a").kind).toBe("applied");
  rmSync(replica.path("a"), { recursive: true });
  expect(create("b")).toMatchObject({ kind: "diverged", divergence: { kind: "mailbox-missing" } });
  expect(existsSync(replica.path("b"))).toBe(false);
});
