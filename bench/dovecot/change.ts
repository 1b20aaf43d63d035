/**
 * Flag changes, copies, moves and expunges as Dovecot does them on files, in its order: STORE renames first and writes
 * `dovecot-keywords` after it; COPY links into the target's tmp/, then renames under the target's lock; MOVE is a COPY and
 * then an expunge; an expunged record stays in the uidlist until the next rewrite.
 */
import { linkSync, readFileSync, renameSync, statSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { errnoOf } from "../../src/base/errors.js";
import { nodePath } from "../../src/base/raw-name.js";
import { readKeywords, readUidlist } from "../equal/read-uidlist.js";
import { monotonicMs, unixMs } from "../measure/clock.js";
import { newBaseName } from "./deliver.js";
import { listMessages, type StoredMessage } from "./list-messages.js";
import { underUidlistLock } from "./uidlist-lock.js";
import { appendRecords, growIndexLog } from "./uidlist-tail.js";

export interface Change {
  readonly message: StoredMessage;
  /** Monotonic clock, just before the change became visible. */
  readonly atMs: number;
}

/** Sets the flags to these letters (`FS`) and these keywords, by name. Throws when the keyword file is full. */
export function storeFlags(
  mailbox: string,
  message: StoredMessage,
  wanted: { readonly flags: string; readonly keywords: readonly string[] },
): Change {
  growIndexLog(mailbox);
  return underUidlistLock(mailbox, () => {
    const { letters, added } = lettersOf(mailbox, wanted.keywords);
    const kept = unknownPartOf(message.info);
    const info = [...new Set(wanted.flags + letters + kept.letters)].sort().join("") + kept.tail;
    const path = `cur/${message.base}:2,${info}`;
    const atMs = monotonicMs();
    renameSync(nodePath(`${mailbox}/${message.path}`), nodePath(`${mailbox}/${path}`));
    if (added !== undefined) replaceKeywords(mailbox, added);
    growIndexLog(mailbox);
    return { message: { ...message, path, info: `2,${info}` }, atMs };
  });
}

/**
 * COPY: the base name is kept, and with it the GUID, unless the target knows that name already (a copy inside one mailbox, or
 * back into one that it came from); then it gets a new name and the GUID becomes a G field.
 */
export function copyMessage(
  source: string,
  target: string,
  message: StoredMessage,
  keywords: readonly string[],
): Change {
  const guid = guidFieldOf(source, message.base);
  const isTaken = readUidlist(readFileSync(nodePath(`${target}/dovecot-uidlist`))).recordByBase.has(message.base);
  const base = isTaken ? newBaseName(readFileSync(nodePath(`${source}/${message.path}`))) : message.base;
  const fields = guid ?? (isTaken ? `G${message.base}` : undefined);
  const staged = `${target}/tmp/${base.split(",")[0]}.${process.pid}`;
  linkSync(nodePath(`${source}/${message.path}`), nodePath(staged));
  return underUidlistLock(target, () => {
    const { letters, added } = lettersOf(target, keywords);
    const flags = message.info.replace(/^2,/, "").replace(/[a-z]|,.*/g, "");
    const info = [...new Set(flags + letters)].sort().join("");
    const path = `cur/${base}:2,${info}`;
    const atMs = monotonicMs();
    renameSync(nodePath(staged), nodePath(`${target}/${path}`));
    appendRecords(target, [fields === undefined ? { base } : { base, fields }], { sync: false });
    if (added !== undefined) replaceKeywords(target, added);
    growIndexLog(target);
    return { message: { base, path, info: `2,${info}` }, atMs };
  });
}

/** Removes the file; the record stays. */
export function expungeMessage(mailbox: string, message: StoredMessage): Change {
  growIndexLog(mailbox);
  return underUidlistLock(mailbox, () => {
    const atMs = monotonicMs();
    unlinkSync(nodePath(`${mailbox}/${message.path}`));
    growIndexLog(mailbox);
    return { message, atMs };
  });
}

/** MOVE: the target is complete before the source's file goes. */
export function moveMessage(
  source: string,
  target: string,
  message: StoredMessage,
  keywords: readonly string[],
): Change {
  const change = copyMessage(source, target, message, keywords);
  expungeMessage(source, message);
  return change;
}

/** SELECT: what is in new/ moves to cur/. */
export function openMailbox(mailbox: string): number {
  const arrived = listMessages(mailbox).filter((message) => message.path.startsWith("new/"));
  if (arrived.length === 0) return 0;
  return underUidlistLock(mailbox, () => {
    for (const { base, path } of arrived)
      renameSync(nodePath(`${mailbox}/${path}`), nodePath(`${mailbox}/cur/${base}:2,`));
    growIndexLog(mailbox);
    return arrived.length;
  });
}

/** Keyword names of a message by its mailbox's own file. */
export function keywordsOf(mailbox: string, message: StoredMessage): readonly string[] {
  const names = readKeywords(keywordFile(mailbox)).nameByIndex;
  const letters = message.info.startsWith("2,") ? message.info.slice(2).replace(/,.*/, "") : "";
  return [...letters]
    .filter((letter) => letter >= "a" && letter <= "z")
    .flatMap((letter) => names.get(letter.charCodeAt(0) - 0x61) ?? []);
}

/** Letters that Dovecot does not know and a `,tail`: it keeps both. */
function unknownPartOf(info: string): { readonly letters: string; readonly tail: string } {
  const [letters = "", ...tail] = info.replace(/^2,/, "").split(",");
  return { letters: letters.replace(/[DFPRSTa-z]/g, ""), tail: tail.map((part) => `,${part}`).join("") };
}

function guidFieldOf(mailbox: string, base: string): string | undefined {
  const record = readUidlist(readFileSync(nodePath(`${mailbox}/dovecot-uidlist`))).recordByBase.get(base);
  return record?.fields.split(" ").find((field) => field.startsWith("G"));
}

function lettersOf(
  mailbox: string,
  keywords: readonly string[],
): { readonly letters: string; readonly added: string | undefined } {
  const before = keywordFile(mailbox).toString("latin1");
  const names = new Map(
    [...readKeywords(Buffer.from(before, "latin1")).nameByIndex].map(([index, name]) => [name, index]),
  );
  let text = before;
  let letters = "";
  for (const keyword of keywords) {
    const index = names.get(keyword) ?? names.size;
    if (index > 25) throw new Error(`keyword ${keyword} in ${mailbox}: all 26 letters are taken`);
    if (!names.has(keyword)) text += `${index} ${keyword}\n`;
    names.set(keyword, index);
    letters += String.fromCharCode(0x61 + index);
  }
  return { letters, added: text === before ? undefined : text };
}

/** Readers compare whole seconds of the mtime, so it moves on by at least one. */
function replaceKeywords(mailbox: string, text: string): void {
  const path = `${mailbox}/dovecot-keywords`;
  const beforeS = Math.floor((statSync(nodePath(path), { throwIfNoEntry: false })?.mtimeMs ?? 0) / 1000);
  writeFileSync(nodePath(`${path}.lock`), text, { encoding: "latin1", mode: 0o600 });
  const mtimeS = Math.max(Math.floor(unixMs() / 1000), beforeS + 1);
  utimesSync(nodePath(`${path}.lock`), mtimeS, mtimeS);
  renameSync(nodePath(`${path}.lock`), nodePath(path));
}

function keywordFile(mailbox: string): Buffer {
  try {
    return readFileSync(nodePath(`${mailbox}/dovecot-keywords`));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}
