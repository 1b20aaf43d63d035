/** What a comparison of two stores found, in words for people. */
import { displayRaw, type RawPath } from "../../base/raw-name.js";
import { formatCount } from "../../base/text-format.js";
import { imapFlagNames } from "../../maildir/message-name.js";
import { fieldOf } from "../../maildir/uidlist-write.js";
import type { Finding, MailboxDifference, Side } from "../../resync/differences.js";
import type { BodyVerdict } from "../../resync/judge-body.js";
import { messageGuid } from "../../txn/diff.js";
import type { MessageState } from "../../txn/message-state.js";
import { countOf, mailboxName, withoutMiddle } from "../words.js";

/** What the two sides are called. */
export type SideNames = Readonly<Record<Side, string>>;

export const REPLICATED: SideNames = { a: "the source", b: "the replica" };

/** One line each, without the mailbox. Messages beyond `messagesMax` are counted. */
export function wordsOfDifference(
  { findings, further }: MailboxDifference,
  names: SideNames,
  messagesMax = Number.POSITIVE_INFINITY,
): readonly string[] {
  const lines: string[] = [];
  let messages = 0;
  for (const finding of findings) {
    const isMessage = finding.kind === "message" || finding.kind === "body";
    if (isMessage) messages += 1;
    if (!isMessage || messages <= messagesMax) lines.push(wordsOfFinding(finding, names));
  }
  const untold = Math.max(0, messages - messagesMax) + further;
  if (untold > 0)
    lines.push(lines.length === 0 ? `${countOf(untold, "message")} differ` : `and ${countOf(untold, "message")} more`);
  return lines;
}

export function wordsOfFinding(finding: Finding, names: SideNames): string {
  switch (finding.kind) {
    case "only":
      return `only ${names[finding.side]} has this mailbox (${countOf(finding.messages, "message")})`;
    case "path":
      return `it is "${shownName(finding.a)}" in ${names.a}, "${shownName(finding.b)}" in ${names.b}`;
    case "uidvalidity":
      return `UIDVALIDITY ${finding.a} in ${names.a}, ${finding.b} in ${names.b}: clients take it for another mailbox, and its messages were not compared`;
    case "uidnext":
      return `UIDNEXT ${finding.a} in ${names.a}, ${finding.b} in ${names.b}`;
    case "unread":
      return `it could not be read in ${names[finding.side]}: ${finding.words}`;
    case "unnumbered":
      return `${countOf(finding.files, "message")} without a UID in ${names[finding.side]}`;
    case "twice":
      return `${formatCount(finding.paths.length)} mailboxes of ${names[finding.side]} say that they are this one: ${finding.paths.map((path) => `"${shownName(path)}"`).join(", ")}`;
    case "message":
      return `UID ${finding.uid}: ${wordsOfMessage(finding.a, finding.b, names)}`;
    case "body":
      return `UID ${finding.uid}: ${wordsOfBody(finding, names)}`;
  }
}

export function shownName(path: RawPath): string {
  return withoutMiddle(mailboxName(path));
}

/** One message under one UID; undefined on the side that has it not. */
export function wordsOfMessage(a: MessageState | undefined, b: MessageState | undefined, names: SideNames): string {
  if (a === undefined || b === undefined) return `only in ${a === undefined ? names.b : names.a}`;
  if (a.base !== b.base && messageGuid(a) !== messageGuid(b))
    return `another message: ${shown(a.base)} in ${names.a}, ${shown(b.base)} in ${names.b}`;
  const aspects = [
    aspect("file", shown(a.base), shown(b.base), names),
    aspect("GUID", shown(messageGuid(a)), shown(messageGuid(b)), names),
    aspect("flags", flagsOf(a), flagsOf(b), names),
    aspect("keywords", keywordsOf(a), keywordsOf(b), names),
    aspect("size", `${formatCount(a.size)} bytes`, `${formatCount(b.size)} bytes`, names),
    aspect("date", dateOf(a), dateOf(b), names),
    aspect("POP3 UIDL", fieldShown(a, "P"), fieldShown(b, "P"), names),
    aspect("POP3 order", fieldShown(a, "O"), fieldShown(b, "O"), names),
    aspect("what follows the flags in its file name", shown(a.odd + a.tail), shown(b.odd + b.tail), names),
  ].filter((words) => words !== undefined);
  return aspects.length === 0 ? "what its file name or its record says differs" : aspects.join("; ");
}

function aspect(what: string, a: string, b: string, names: SideNames): string | undefined {
  return a === b ? undefined : `${what} ${a} in ${names.a}, ${b} in ${names.b}`;
}

function flagsOf({ flags }: MessageState): string {
  const names = imapFlagNames(flags);
  return names.length === 0 ? "none" : names.join(" ");
}

function keywordsOf({ keywords }: MessageState): string {
  return keywords.length === 0 ? "none" : keywords.map(shown).join(" ");
}

function dateOf({ mtimeS }: MessageState): string {
  const date = new Date(mtimeS * 1000);
  return Number.isNaN(date.getTime()) ? `${mtimeS} s` : date.toISOString().replace(".000Z", "Z");
}

function fieldShown({ fields }: MessageState, key: "P" | "O"): string {
  return shown(fieldOf(fields, key) ?? "");
}

/** A file name, or a keyword. */
export function shown(text: string): string {
  return text === "" ? "nothing" : withoutMiddle(displayRaw(text));
}

function wordsOfBody({ a, b, verdict }: Extract<Finding, { kind: "body" }>, names: SideNames): string {
  const what =
    a === undefined || b === undefined
      ? `its bytes cannot be read in ${a === undefined ? names.a : names.b}`
      : "its bytes differ";
  const whose = verdict === undefined ? undefined : wordsOfVerdict(verdict, names);
  return whose === undefined ? what : `${what}: ${whose}`;
}

/** Undefined where nothing tells them apart. */
export function wordsOfVerdict(verdict: BodyVerdict, { a, b }: SideNames): string | undefined {
  switch (verdict.kind) {
    case "equal":
    case "unknown":
      return undefined;
    case "changed-alike":
      return "those in both are the same, and others than were read first";
    case "both-bad":
      return verdict.by === "unreadable" ? "those of neither can be read" : "neither are those that were read first";
    case "replica-bad":
      return `those in ${b} were changed`;
    case "source-bad":
      return `those in ${a} were changed, those in ${b} are ${verdict.by === "hash" ? "what was read first" : "likely whole"}`;
  }
}
