/**
 * What one message of a generated mailbox is: its UID, times, name, flags and record, as Dovecot would have left them.
 *
 * Names: `<seconds>.M<microseconds>P<pid>.<host>,S=<bytes>,W=<bytes with CRLF>`; files in cur/ add `:2,` and the flags in
 * ASCII order. A few arrived otherwise: names without sizes whose record carries them, messages with a GUID of their own
 * (copied inside one mailbox), messages appended long after their date.
 */
import type { Random } from "./random.js";

/** Choices of a message that do not depend on its body. */
export interface MessageDraft {
  readonly uid: number;
  /** Whole seconds since 1970: the file's mtime, which is INTERNALDATE. */
  readonly internalDateS: number;
  /** The name up to the sizes. */
  readonly stem: string;
  readonly place: "cur" | "new";
  /** Flag and keyword letters in ASCII order; "" in new/. */
  readonly letters: string;
  readonly sizes: "in-name" | "in-record" | "both";
  /** Message GUID that differs from the base name. */
  readonly guid: string | undefined;
}

export interface MessageSizes {
  readonly bytes: number;
  readonly virtualBytes: number;
}

/** Monday 2021-01-04; the mails of a tree come from here to about four and a half years later. */
const FIRST_MAIL_US = 1_609_718_400_000_000;
const SPAN_US = 4.5 * 365.25 * 86_400_000_000;
const HOSTS = ["mx1", "mx2", "mail-3.example.net"];

export const KEYWORDS = ["$Forwarded", "NonJunk", "$MDNSent", "$label1", "Junk", "$label4", "todo"];

/** Yields the drafts of a mailbox in UID order; the base names are unique in it. */
export function* draftMessages(options: { count: number; isInbox: boolean }, random: Random): Generator<MessageDraft> {
  let timeUs = FIRST_MAIL_US + random.below(86_400_000_000);
  let uid = 0;
  const stepUs = SPAN_US / Math.max(1, options.count);
  for (let at = 0; at < options.count; at++) {
    timeUs += 1 + Math.floor(random.exponential(stepUs));
    uid += random.chance(0.08) ? 2 + random.below(12) : 1;
    const seconds = Math.floor(timeUs / 1_000_000);
    const pid = 300 + random.below(32_000);
    const stem = `${seconds}.M${timeUs % 1_000_000}P${pid}.${random.pick(HOSTS)}`;
    const isNew = random.chance(options.isInbox ? 0.06 : 0.01);
    yield {
      uid,
      internalDateS: random.chance(0.05) ? seconds - random.below(40_000_000) : seconds,
      stem,
      place: isNew ? "new" : "cur",
      letters: isNew ? "" : flagLetters(random),
      sizes: random.chance(0.03) ? "in-record" : random.chance(0.1) ? "both" : "in-name",
      guid: random.chance(0.01) ? `${seconds - 1}.M${random.below(1_000_000)}P${pid}.mx1` : undefined,
    };
  }
}

/** The base name: what stands before `:` in the file's name, and behind it in the record. */
export function baseNameOf(draft: MessageDraft, sizes: MessageSizes): string {
  return draft.sizes === "in-record" ? draft.stem : `${draft.stem},S=${sizes.bytes},W=${sizes.virtualBytes}`;
}

export function fileNameOf(draft: MessageDraft, baseName: string): string {
  return draft.place === "new" ? baseName : `${baseName}:2,${draft.letters}`;
}

/** The message's line in dovecot-uidlist, with its line feed. */
export function recordOf(draft: MessageDraft, baseName: string, sizes: MessageSizes): string {
  const guid = draft.guid === undefined ? "" : ` G${draft.guid},S=${sizes.bytes},W=${sizes.virtualBytes}`;
  const fields = draft.sizes === "in-name" ? "" : ` S${sizes.bytes} W${sizes.virtualBytes}`;
  return `${draft.uid}${guid}${fields} :${baseName}\n`;
}

function flagLetters(random: Random): string {
  let letters = "";
  if (random.chance(0.01)) letters += "D";
  if (random.chance(0.05)) letters += "F";
  if (random.chance(0.03)) letters += "P";
  if (random.chance(0.18)) letters += "R";
  if (random.chance(0.88)) letters += "S";
  if (random.chance(0.01)) letters += "T";
  if (random.chance(0.12)) {
    const first = random.below(KEYWORDS.length);
    letters += letterOf(first);
    if (first + 1 < KEYWORDS.length && random.chance(0.2)) letters += letterOf(first + 1);
  }
  return letters;
}

function letterOf(keyword: number): string {
  return String.fromCharCode(0x61 + keyword);
}
