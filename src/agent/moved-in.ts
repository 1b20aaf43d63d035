/**
 * Mailboxes that come from a place which the replica may not know to one that it may: it does not have them, and is not told where they
 * were. They are compared, which makes them anew there. Pure.
 */
import type { Transaction } from "../txn/transaction.js";
import type { Cause } from "./conflict-rules.js";
import type { MayHave } from "./offer-line.js";

/** Whether that transaction is not to be sent as it is. */
export function isMovedIn({ structure }: Pick<Transaction, "structure">, mayHave: MayHave): boolean {
  return structure?.kind === "rename" && mayHave?.(structure.from) === false;
}

export const MOVED_IN: Cause = { code: "mailbox-shared", words: "it has come to where the replica may have it" };
