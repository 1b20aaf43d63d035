/** A replica's answers in a comparison by sums. */
import { unreachable } from "../base/assert.js";
import type { ReadSide } from "../resync/sums-types.js";
import type { Ask, SumsAnswer, SumsAsk } from "../wire/messages.js";

/** Throws what the side throws. */
export async function answerSums(side: ReadSide, ask: SumsAsk, signal: AbortSignal): Promise<SumsAnswer> {
  switch (ask.kind) {
    case "sum-store":
      return { kind: "store-sum", ...(await side.store(signal)) };
    case "sum-mailboxes":
      return { kind: "mailbox-sums", mailboxes: await side.mailboxes(ask.after, signal) };
    case "sum-ranges":
      return { kind: "range-sums", ranges: await side.ranges(ask, signal) };
    case "mark-messages":
      return { kind: "message-marks", marks: await side.marks(ask, signal) };
    case "tell-messages":
      return { kind: "message-states", states: await side.states(ask, signal) };
    case "hash-messages":
      return { kind: "message-hashes", hashes: await side.hashes(ask, signal) };
    case "read-messages":
      return { kind: "message-parts", parts: await side.parts(ask, signal) };
    default:
      return unreachable(ask);
  }
}

const KINDS: Readonly<Record<SumsAsk["kind"], true>> = {
  ...{ "sum-store": true, "sum-mailboxes": true, "sum-ranges": true },
  ...{ "mark-messages": true, "tell-messages": true, "hash-messages": true, "read-messages": true },
};

export function isOfSums(ask: Ask): ask is SumsAsk {
  return ask.kind in KINDS;
}
