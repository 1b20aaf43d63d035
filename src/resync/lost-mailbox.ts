/**
 * Mailboxes that one side cannot show any more: renamed or deleted since the look, or their owner keeps them from being read. The comparison
 * goes on with the others.
 */
import { MailtwinError } from "../base/errors.js";
import type { Finding, Side } from "./differences.js";
import { resyncError } from "./errors.js";
import type { SummedSide } from "./sums-types.js";

/** As `side`, and its errors say which side it was. */
export function namedSide(side: SummedSide, which: Side): SummedSide {
  const named = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      if (!isLost(error)) throw error;
      throw resyncError("compared-unknown", error.message, error, { side: which });
    }
  };
  return {
    store: (signal) => side.store(signal),
    mailboxes: (after, signal) => side.mailboxes(after, signal),
    ranges: (of, signal) => named(side.ranges(of, signal)),
    marks: (of, signal) => named(side.marks(of, signal)),
    states: (of, signal) => named(side.states(of, signal)),
    hashes: (of, signal) => named(side.hashes(of, signal)),
  };
}

/** What `work` on one mailbox came to, or the finding that a side of `namedSide` has lost it. Throws all else. */
export async function unlessLost<T>(work: Promise<T>): Promise<T | { readonly lost: Finding }> {
  try {
    return await work;
  } catch (error) {
    const side = isLost(error) ? error.detail["side"] : undefined;
    if (!isLost(error) || (side !== "a" && side !== "b")) throw error;
    return { lost: { kind: "unread", side, words: error.message } };
  }
}

function isLost(error: unknown): error is MailtwinError {
  return error instanceof MailtwinError && error.code === "compared-unknown";
}
