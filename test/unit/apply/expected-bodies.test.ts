/** What crosses to the thread that stages, in place of the transaction. */
import { expect, test } from "vitest";
import { expectedAt, expectedBodies } from "../../../src/apply/expected-bodies.js";
import type { FileOwner } from "../../../src/txn/message-state.js";
import { NO_MARKS } from "../../../src/txn/message-state.js";
import type { Change } from "../../../src/txn/transaction.js";
import { message, save, transaction } from "./replica-fixture.js";

test("size, date and owner of each body, and nothing for changes without one, also in another thread", () => {
  const moved = message(2, "two", { size: 7, mtimeS: -5 });
  const { uid, base } = message(3, "three");
  const other: FileOwner = { uid: 5, gid: 6, mode: 0o640 };
  const empty = save(9, "empty", { size: 0, mtimeS: 11 });
  const changes: Change[] = [
    { kind: "rebind", fromUid: uid, fromBase: base, message: moved },
    { kind: "marks", uid, base, before: NO_MARKS, after: NO_MARKS },
    empty.kind === "save" ? { ...empty, owner: other } : empty,
    { kind: "expunge", uid, base },
  ];
  const txn = transaction(changes);
  const expected = structuredClone(expectedBodies(txn));
  expect(changes.map((_, index) => expectedAt(expected, index))).toEqual([
    { size: 7, mtimeS: -5, owner: txn.fileOwner },
    undefined,
    { size: 0, mtimeS: 11, owner: other },
    undefined,
  ]);
  expect(expectedAt(expected, changes.length)).toBeUndefined();
  expect(expected).toMatchObject({ mailbox: txn.mailbox, path: txn.path });
});
