/** Words that several reports share. */
import { displayRaw, type RawPath } from "../base/raw-name.js";
import { formatCount } from "../base/text-format.js";
import type { RenumberedReport } from "./reporter.js";

/** A mailbox as people know it: the store's own mailbox is the INBOX. */
export function mailboxName(path: RawPath): string {
  return path === "" ? "INBOX" : displayRaw(path);
}

/** Of one name in a text for people. A path of the system may have 4095 bytes, a mailbox thousands of levels. */
const NAME_CHARS_MAX = 200;
/** Of a text that has names with blanks in them. */
const TEXT_CHARS_MAX = 10 * NAME_CHARS_MAX;

/** For people: names beyond 200 characters without their middle, and so the whole, however many blanks they have. */
export function withoutMiddles(text: string): string {
  if (text.length <= NAME_CHARS_MAX) return text;
  return withoutMiddle(
    text.replace(/\S{201,}/g, (name) => withoutMiddle(name, NAME_CHARS_MAX)),
    TEXT_CHARS_MAX,
  );
}

/** `charsMax` in all; no character is cut in two. The end says which of many it is, the beginning whose. */
export function withoutMiddle(text: string, charsMax = NAME_CHARS_MAX): string {
  const chars = text.length <= charsMax ? [] : [...text];
  if (chars.length <= charsMax) return text;
  const kept = charsMax - 3;
  const head = Math.ceil(kept / 2);
  return `${chars.slice(0, head).join("")}[…]${chars.slice(chars.length - (kept - head)).join("")}`;
}

/** With a full stop, unless it ends a sentence by itself: "did you mean b?". */
export function asSentence(message: string): string {
  return /[.?!…]$/.test(message) ? message : `${message}.`;
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

/** Of an option that was given and does nothing; undefined where it was not given. */
export function wordsOfLateForeign(choice: "refuse" | "keep" | "limbo"): string | undefined {
  if (choice === "refuse") return undefined;
  const except = choice === "keep" ? "" : ", except in mailboxes that SRC deletes";
  return `--foreign ${choice} has no effect after first contact${except}: mail that only DST has stays there`;
}

/** What it means for clients. */
export function wordsOfRenumbered({ path, before, after, messages }: RenumberedReport): string {
  const what =
    messages === 0 ? "and have to forget what they had of it" : `and fetch its ${countOf(messages, "message")} anew`;
  return `mailbox ${path === "" ? "INBOX" : path} of the replica has UIDVALIDITY ${after} now, as at the source, and had ${before}: clients of the replica take it for another mailbox, ${what}`;
}
