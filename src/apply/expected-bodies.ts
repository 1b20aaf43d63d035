/**
 * What the bodies of a transaction have to be, as far as it concerns whoever stages them. In columns, by the index of the
 * change: another thread gets them for next to nothing, and does not have to decode the transaction once more.
 */
import type { FileOwner, MessageState } from "../txn/message-state.js";
import type { Transaction } from "../txn/transaction.js";

export interface ExpectedBodies extends Pick<Transaction, "mailbox" | "path"> {
  /** -1 where a change brings no body. */
  readonly sizes: Float64Array;
  /** INTERNALDATE in whole seconds. */
  readonly mtimesS: Float64Array;
  readonly owner: FileOwner;
  /** Where it is another one. */
  readonly ownerByIndex: ReadonlyMap<number, FileOwner>;
}

export interface ExpectedBody extends Pick<MessageState, "size" | "mtimeS"> {
  /** Owner and mode of its file. */
  readonly owner: FileOwner;
}

export function expectedBodies({ mailbox, path, changes, fileOwner: owner }: Transaction): ExpectedBodies {
  const sizes = new Float64Array(changes.length).fill(-1);
  const mtimesS = new Float64Array(changes.length);
  const ownerByIndex = new Map<number, FileOwner>();
  for (const [index, change] of changes.entries()) {
    if (change.kind !== "save" && change.kind !== "rebind") continue;
    sizes[index] = change.message.size;
    mtimesS[index] = change.message.mtimeS;
    if (change.kind === "save" && change.owner !== undefined) ownerByIndex.set(index, change.owner);
  }
  return { mailbox, path, sizes, mtimesS, owner, ownerByIndex };
}

/** Undefined for a change that brings no body, or is none. */
export function expectedAt(
  { sizes, mtimesS, owner, ownerByIndex }: ExpectedBodies,
  index: number,
): ExpectedBody | undefined {
  const [size = -1, mtimeS = 0] = [sizes[index], mtimesS[index]];
  return size < 0 ? undefined : { size, mtimeS, owner: ownerByIndex.get(index) ?? owner };
}
