/** Deletions that are held back, in words. */
import { formatCount } from "../base/text-format.js";
import type { BrakeReport, HeldMailbox } from "../capture/capture-types.js";
import { countOf, mailboxName } from "./words.js";

const NAMED_MAX = 3;

/** "What was being done, to what: why it failed", without a full stop. */
export function wordsOfBrake({ why, messages, limit, held, mailboxes, named }: BrakeReport): string {
  const where = why === "messages" ? "" : " in deleted mailboxes";
  const many = `${countOf(messages, "message")}${where} went within a short while, more than ${formatCount(limit)}`;
  if (mailboxes === 0) return `replicating deletions: ${many}; nothing of it is gone now, or has been looked for yet`;
  const first = named.slice(0, NAMED_MAX).map(wordsOfHeld);
  const more = mailboxes > first.length ? [`${formatCount(mailboxes - first.length)} more`] : [];
  return `replicating deletions: ${many}; held back: ${countOf(held, "message")} in ${countOf(mailboxes, "mailbox")} (${[...first, ...more].join(", ")})`;
}

function wordsOfHeld({ path, messages, isWhole }: HeldMailbox): string {
  return `${mailboxName(path)}: ${isWhole ? "the mailbox with " : ""}${formatCount(messages)}`;
}
