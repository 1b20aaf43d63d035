/** What may be on its way to one replica. */
import { expect, test } from "vitest";
import { OfferWindow } from "../../../src/agent/offer-window.js";
import { parseMailboxGuid } from "../../../src/maildir/ids.js";
import type { Transaction } from "../../../src/txn/transaction.js";
import { encodeTransaction } from "../../../src/txn/transaction-codec.js";

const MIB = 1024 * 1024;
const mailbox = parseMailboxGuid("a".repeat(32));

/** Over 1 MiB. */
function longOne(): Uint8Array {
  const changes = Array.from({ length: 512 }, (_, i) => {
    const fields = ` W${"1".repeat(2040)}`;
    const message = { uid: i + 1, base: `${i}.M1P1.h`, flags: 0, keywords: [], odd: "", tail: "", size: 1, mtimeS: 1 };
    return { kind: "save", message: { ...message, fields } };
  });
  const common = { mailbox, path: "a", uidValidity: 1, uidNext: 600, headerExtra: "", capturedMs: 1, changes };
  return encodeTransaction({ ...common, fileOwner: { uid: 0, gid: 0, mode: 0o600 } } as unknown as Transaction);
}

test("long transactions fill it before short ones do, and make room when they are settled", () => {
  const bytes = longOne();
  const window = new OfferWindow();
  let ids: number[] = [];
  while (!window.isFull) ids = [...ids, window.add({ mailbox, lsn: ids.length + 1, bytes, isNext: true }).id];
  expect(ids.length * bytes.length).toBeGreaterThanOrEqual(32 * MIB);
  expect((ids.length - 1) * bytes.length).toBeLessThan(32 * MIB);
  window.delete(1);
  expect(window.isFull).toBe(false);
});
