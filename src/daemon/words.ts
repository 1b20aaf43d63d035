/** Words that several reports share. */
import { displayRaw, type RawPath } from "../base/raw-name.js";
import { formatCount } from "../base/text-format.js";

/** A mailbox as people know it: the store's own mailbox is the INBOX. */
export function mailboxName(path: RawPath): string {
  return path === "" ? "INBOX" : displayRaw(path);
}

/** "1 message", "1,234 messages". */
export function countOf(
  count: number,
  thing: "message" | "mailbox" | "transaction" | "flag change" | "change" | "problem",
): string {
  const things = thing === "mailbox" ? "mailboxes" : `${thing}s`;
  return `${formatCount(count)} ${count === 1 ? thing : things}`;
}

/** The first few names, then how many more. */
export function namesOf(paths: readonly RawPath[], namedMax = 5): string {
  const named = paths.slice(0, namedMax).map(mailboxName).join(", ");
  return paths.length > namedMax ? `${named}, and ${formatCount(paths.length - namedMax)} more` : named;
}
