/** A replica's answers to one who only looks: how it stands, and nothing counts as over for having been asked. */
import type { CompareMethods, Diverged } from "../apply/compare-types.js";
import { nextTurn } from "../base/clock.js";
import { UID_MAX } from "../maildir/ids.js";
import { type Answer, type Ask, COMPARED_MESSAGES_MAX, STANDING_MAILBOXES_MAX } from "../wire/messages.js";
import { agentError, refusalAs } from "./errors.js";

/** Of so many messages the files are looked at in one call. */
const LOOKED_AT_ONCE = 2048;

export function isLook({ kind }: Ask): boolean {
  return kind === "compare" || kind === "tell-held" || kind === "standing";
}

/** Throws: why that mailbox cannot be compared, as a divergence's code; peer-confused; what `looks` throws; the abort reason. */
export async function answerLook(looks: CompareMethods, ask: Ask, signal: AbortSignal): Promise<Answer> {
  await nextTurn(); // each answer is one call that waits for nobody.
  signal.throwIfAborted();
  switch (ask.kind) {
    case "standing":
      return { kind: "standing", ...looks.standing({ after: ask.after, max: STANDING_MAILBOXES_MAX }) };
    case "tell-held": {
      const { mailbox, path, spans } = ask;
      const told = readOf(looks.tellHeld({ mailbox, path, spans, messagesMax: COMPARED_MESSAGES_MAX }));
      return { ...told, kind: "tell-held" };
    }
    case "compare":
      return compare(looks, ask, signal);
    default:
      throw agentError("peer-confused", "answering one who only looks: it wants something else");
  }
}

async function compare(
  looks: CompareMethods,
  { mailbox, path, seed, sums }: Extract<Ask, { readonly kind: "compare" }>,
  signal: AbortSignal,
): Promise<Answer> {
  const request = { mailbox, path, seed, ...(sums === undefined ? {} : { sums }), messagesMax: LOOKED_AT_ONCE };
  for (;;) {
    const looked = readOf(looks.compare(request));
    if (looked.looked >= UID_MAX) return { ...looked, kind: "compare" };
    await nextTurn();
    signal.throwIfAborted();
  }
}

function readOf<T extends { readonly kind: "read" }>(outcome: T | Diverged): T {
  if (outcome.kind === "read") return outcome;
  throw refusalAs(outcome.divergence.kind, outcome.divergence.words);
}
