/** Deletions that are held back, in words. */
import { formatCount } from "../base/text-format.js";
import type { BrakeReport, HeldMailbox } from "../capture/capture-types.js";
import { countOf, mailboxName } from "./words.js";

const NAMED_MAX = 3;

/** "What was being done, to what: why it failed", without a full stop. */
export function wordsOfBrake(brake: BrakeReport): string {
  const { held, mailboxes, named } = brake;
  const why = wordsOfWhy({ ...brake, mounts: brake.mounts.map(mailboxName) }).join("; ");
  if (mailboxes === 0) return `replicating deletions: ${why}; nothing of it is gone now, or has been looked for yet`;
  const first = named.slice(0, NAMED_MAX).map(wordsOfHeld);
  const more = mailboxes > first.length ? [`${formatCount(mailboxes - first.length)} more`] : [];
  return `replicating deletions: ${why}; held back: ${countOf(held, "message")} in ${countOf(mailboxes, "mailbox")} (${[...first, ...more].join(", ")})`;
}

/** `mounts`: as they are shown. */
export function wordsOfWhy({
  why,
  messages,
  limit,
  mounts,
}: Pick<BrakeReport, "why" | "messages" | "limit"> & { readonly mounts: readonly string[] }): readonly string[] {
  const where = why === "messages" ? "" : " in deleted mailboxes";
  const many = `${countOf(messages, "message")}${where} went within a short while, more than ${formatCount(limit)}`;
  const [mount, ...others] = mounts.slice(0, NAMED_MAX);
  const shown = `${[mount, ...others].join(", ")}${mounts.length > NAMED_MAX ? ", ..." : ""}`;
  const lost = mount === undefined ? [] : [`the file system that belongs there is not mounted at ${shown}`];
  return why === "mount-missing" ? lost : [many, ...lost];
}

function wordsOfHeld({ path, messages, isWhole }: HeldMailbox): string {
  return `${mailboxName(path)}: ${isWhole ? "the mailbox with " : ""}${formatCount(messages)}`;
}
