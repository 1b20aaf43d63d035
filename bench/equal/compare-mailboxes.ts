/**
 * Compares two readings of one mailbox: what an IMAP client can see must be the same on both sides.
 *
 * Not a difference, because a live replica's own Dovecot makes them: letters that mean the same keyword by another index, a
 * file in new/ on one side and in cur/ without flags on the other, the order of letters, records whose file is gone, a size in
 * the record of one side only. With `exact` these count too (a plain copy must not have them).
 */
import { displayRaw } from "../../src/base/raw-name.js";
import type { Differences } from "./difference.js";
import type { MailboxReading, MessageReading } from "./read-mailbox.js";

export interface MailboxCounts {
  messages: number;
  bytes: number;
  /** Messages that have no UID on either side yet. */
  unnumbered: number;
  /** Records in B whose file is gone. */
  deadRecords: number;
}

/** Adds every difference between `a` and `b` to `found` and what was compared to `counts`. */
export function compareMailboxes(
  pair: { readonly mailbox: string; readonly a: MailboxReading; readonly b: MailboxReading; readonly exact: boolean },
  found: Differences,
  counts: MailboxCounts,
): void {
  const { mailbox, a, b } = pair;
  compareHeaders(mailbox, a, b, found);
  for (const problem of b.problems) found.add("damage", mailbox, `in B: ${displayRaw(problem)}`);
  for (const problem of a.problems) found.add("damage", mailbox, `in A: ${displayRaw(problem)}`);
  for (const path of a.duplicates)
    found.add("duplicate", mailbox, `in A: a second file of one base name, ${displayRaw(path)}`);
  for (const path of b.duplicates)
    found.add("duplicate", mailbox, `in B: a second file of one base name, ${displayRaw(path)}`);
  const inA = new Set(a.leftovers);
  for (const path of b.leftovers) if (!inA.has(path)) found.add("leftover", mailbox, `in B only: ${displayRaw(path)}`);
  for (const [base, message] of a.messageByBase) {
    const other = b.messageByBase.get(base);
    const uid = a.uidlist?.recordByBase.get(base)?.uid;
    if (other === undefined)
      found.add("message-missing", mailbox, `UID ${uid ?? "none"} (${displayRaw(base)}) is in A only`);
    else compareMessages({ ...pair, base, message, other }, found, counts);
  }
  for (const base of b.messageByBase.keys()) {
    if (a.messageByBase.has(base)) continue;
    const uid = b.uidlist?.recordByBase.get(base)?.uid;
    found.add("message-extra", mailbox, `UID ${uid ?? "none"} (${displayRaw(base)}) is in B only`);
  }
  for (const base of b.uidlist?.recordByBase.keys() ?? []) if (!b.messageByBase.has(base)) counts.deadRecords++;
}

function compareHeaders(mailbox: string, a: MailboxReading, b: MailboxReading, found: Differences): void {
  found.expectSame("uidvalidity", mailbox, "UIDVALIDITY", a.uidlist?.uidValidity, b.uidlist?.uidValidity);
  found.expectSame("next-uid", mailbox, "the next UID", a.uidlist?.nextUid, b.uidlist?.nextUid);
  found.expectSame("guid", mailbox, "the mailbox GUID", a.uidlist?.guid, b.uidlist?.guid);
  found.expectSame("header-field", mailbox, "the rest of the header", a.uidlist?.otherHeader, b.uidlist?.otherHeader);
}

interface MessagePair {
  readonly mailbox: string;
  readonly base: string;
  readonly a: MailboxReading;
  readonly b: MailboxReading;
  readonly message: MessageReading;
  readonly other: MessageReading;
  readonly exact: boolean;
}

function compareMessages(pair: MessagePair, found: Differences, counts: MailboxCounts): void {
  const { mailbox, base, a, b, message, other } = pair;
  const recordA = a.uidlist?.recordByBase.get(base);
  const recordB = b.uidlist?.recordByBase.get(base);
  counts.messages++;
  counts.bytes += message.size;
  if (recordA === undefined && recordB === undefined) counts.unnumbered++;
  const name = displayRaw(base);
  const called = recordA === undefined ? name : `UID ${recordA.uid} (${name})`;
  found.expectSame("uid", mailbox, `the UID of ${name}`, recordA?.uid, recordB?.uid);
  if (recordA !== undefined && recordB !== undefined) {
    const [fieldsA, fieldsB] = [recordA.fields, recordB.fields];
    found.expectSame(
      "record-field",
      mailbox,
      `the record of ${called}`,
      beside(fieldsA, fieldsB),
      beside(fieldsB, fieldsA),
    );
  }
  found.expectSame("size", mailbox, `the size of ${called}`, message.size, other.size);
  found.expectSame("mtime", mailbox, `the mtime of ${called}`, message.mtimeS, other.mtimeS);
  if (pair.exact) {
    found.expectSame("name", mailbox, `the file of ${called}`, message.path, other.path);
    return;
  }
  if (message.info === other.info && !/[a-z]/.test(message.info)) return; // the same letters, none of them a keyword.
  const flagsA = readInfo(message.info, a.keywordByIndex);
  const flagsB = readInfo(other.info, b.keywordByIndex);
  found.expectSame("flags", mailbox, `the flags of ${called}`, flagsA.flags, flagsB.flags);
  found.expectSame("keywords", mailbox, `the keywords of ${called}`, flagsA.keywords, flagsB.keywords);
}

/** The fields of a record but for the sizes (S, W) that the other one lacks: Dovecot adds them when it learns them. */
function beside(fields: string, other: string): string {
  const keys = new Set(other.split(" ").map((field) => field.charAt(0)));
  const counts = (field: string): boolean => !/^[SW]/.test(field) || keys.has(field.charAt(0));
  return fields.split(" ").filter(counts).join(" ");
}

/** Flags in a fixed order (unknown letters and a `,tail` among them) and keyword names, sorted. */
export function readInfo(
  info: string,
  keywordByIndex: ReadonlyMap<number, string>,
): { readonly flags: string; readonly keywords: string } {
  if (!info.startsWith("2,")) return { flags: info === "" ? "" : `not a flag list: ${info}`, keywords: "" };
  const comma = info.indexOf(",", 2);
  const letters = new Set(comma < 0 ? info.slice(2) : info.slice(2, comma));
  const keywords: string[] = [];
  const flags: string[] = [];
  for (const letter of letters) {
    if (letter < "a" || letter > "z") flags.push(letter);
    else {
      const index = letter.charCodeAt(0) - 0x61;
      // What Dovecot shows for a letter without a name.
      keywords.push(keywordByIndex.get(index) ?? `unknown-${index}`);
    }
  }
  return { flags: flags.sort().join("") + (comma < 0 ? "" : info.slice(comma)), keywords: keywords.sort().join(" ") };
}
