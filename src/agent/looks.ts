/** A replica's answers to one who only looks: how it stands, and nothing counts as over for having been asked. */
import type { CompareMethods } from "../apply/compare-types.js";
import { nextTurn } from "../base/clock.js";
import { type Answer, type Ask, COMPARED_MESSAGES_MAX, STANDING_MAILBOXES_MAX } from "../wire/messages.js";
import { agentError, refusalAs } from "./errors.js";

export function isLook({ kind }: Ask): boolean {
  return kind === "compare" || kind === "standing";
}

/** Throws: why that mailbox cannot be compared, as a divergence's code; peer-confused; what `looks` throws; the abort reason. */
export async function answerLook(looks: CompareMethods, ask: Ask, signal: AbortSignal): Promise<Answer> {
  await nextTurn(); // each answer is one call that waits for nobody.
  signal.throwIfAborted();
  if (ask.kind === "standing") {
    return { kind: "standing", ...looks.standing({ after: ask.after, max: STANDING_MAILBOXES_MAX }) };
  }
  if (ask.kind !== "compare")
    throw agentError("peer-confused", "answering one who only looks: it wants something else");
  const { mailbox, path, afterUid, upTo, sums } = ask;
  const outcome = looks.compare({ mailbox, path, afterUid, upTo, sums, messagesMax: COMPARED_MESSAGES_MAX });
  if (outcome.kind === "diverged") throw refusalAs(outcome.divergence.kind, outcome.divergence.words);
  return { ...outcome, kind: "compare" };
}
