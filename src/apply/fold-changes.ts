/**
 * How each kind of change alters the draft, and what makes a transaction impossible here.
 *
 * INVARIANT: a UID that is bound to one base name is never given to another, and a new UID is at or above the
 * replica's next UID: Dovecot would renumber it, or a client would see a UID come back (R6, R12). A UID below it whose
 * message is not here is passed, whether a record without a file stands there or none.
 * INVARIANT: an expunge removes a file only if UID and base name are bound to each other here. In doubt nothing goes.
 */
import { unreachable } from "../base/assert.js";
import type { BaseName, Uid } from "../maildir/ids.js";
import { fieldOf, isRecordFields } from "../maildir/uidlist-write.js";
import { mergeMarks } from "../txn/marks.js";
import type { MessageMarks, MessageState } from "../txn/message-state.js";
import type { Change, ExpungeChange, MarksChange, RebindChange, Transaction } from "../txn/transaction.js";
import type { ApplyNote } from "./apply-types.js";
import { type Divergence, divergence } from "./divergence.js";
import type { Draft } from "./draft.js";
import type { BodyTrust } from "./held-bodies.js";
import type { LimboSubject, PresentFile } from "./mailbox-view.js";
import { changedMarks, infoOf, marksFromSource, marksOfInfo, NO_NAME_MARKS } from "./marks.js";
import { uidsAtOdds } from "./uids-at-odds.js";

export interface FoldContext {
  readonly txn: Transaction;
  readonly draft: Draft;
  /** Changes whose body does not exist any more at the source. */
  readonly gone: ReadonlySet<number>;
  readonly voidBelow: number;
  readonly notes: ApplyNote[];
  readonly trust: BodyTrust;
  /** Files that would do as the body of the change at that index, if they were known to be it. */
  readonly held: Map<number, PresentFile>;
  /** Index of the last save of each base name: an expunge before it is one half of a renumbering. */
  readonly saveIndexByBase: ReadonlyMap<string, number>;
}

/** Undefined when the change fits. */
export function foldChange(context: FoldContext, change: Change, index: number): Divergence | undefined {
  switch (change.kind) {
    case "save":
      return foldMessage(context, change.message, index);
    case "marks":
      return foldMarks(context, change);
    case "expunge":
      return foldExpunge(context, change, index);
    case "rebind":
      return foldRebind(context, change, index);
    default:
      return unreachable(change);
  }
}

function foldMessage(context: FoldContext, message: MessageState, index: number): Divergence | undefined {
  const { txn, draft, notes } = context;
  const { uid, base } = message;
  const bound = draft.recordAt(uid);
  const holder = holderOf(draft, uid);
  if (holder !== undefined && holder !== base) return boundOtherwise(context, message, holder);
  // Comes and goes within the transaction. Looked at first, since a repetition finds its UID burned.
  if (holder === undefined && isExpungedLater(txn, message, index)) return undefined;
  const draftMessage = draft.message(base);
  const present = draftMessage.body === "file" ? draftMessage.file : undefined;
  const isFit = present !== undefined && present.size === message.size;
  const isChecked = isFit && context.trust.isChecked(index, present);
  // One that the source has no more cannot be checked any more; what removes it follows.
  const isBelieved = isChecked || !context.trust.insists || context.gone.has(index);
  // A number: staged for an earlier change of this transaction.
  const hasBody = typeof draftMessage.body === "number" || (isFit && isBelieved);
  if (isFit && !isBelieved) context.held.set(index, present);
  if (!hasBody && context.gone.has(index)) {
    notes.push({ kind: "uid-burned", uid, words: `UID ${uid} is left out: its message is expunged further on` });
    return undefined;
  }
  if (holder === undefined && uid < context.voidBelow) {
    burn(context, uid);
    return undefined;
  }
  if (holder === undefined && isPassed(draft, uid)) return uidPassed(context, uid);
  const record = { uid, base, fields: usableFields(message, notes) };
  const elsewhere = draft.recordOf(base);
  if (elsewhere !== undefined && elsewhere.uid !== uid) draft.unbind(elsewhere);
  if (bound === undefined || bound.base !== base || bound.fields !== record.fields) draft.bind(record);
  else draft.deadUids.delete(uid);
  if (!hasBody) {
    if (draftMessage.body === "file" && draftMessage.file !== undefined) {
      draftMessage.limbo = { uid, base, size: draftMessage.file.size, cause: "foreign" };
    }
    draftMessage.body = index;
  }
  const before = hasBody ? draftMessage.marks : NO_NAME_MARKS;
  draftMessage.marks = marksFromSource(message, before, draft.keywords);
  draftMessage.mtimeS = message.mtimeS;
  keepApplied(draft, { ...message, fields: record.fields }, isChecked);
  return undefined;
}

/**
 * Base name of the message that has that UID here: its record and its file. A record without a file names nothing: the
 * message was expunged here, and Dovecot lets the record stand until it rewrites the uidlist. It is none of ours that a crash
 * left half done, for a body is in its place before its record is written.
 */
function holderOf(draft: Draft, uid: number): string | undefined {
  const base = draft.recordAt(uid)?.base;
  return base !== undefined && draft.hasBody(base) ? base : undefined;
}

/** A client here may have been told that it names nothing. */
function isPassed({ view }: Draft, uid: number): boolean {
  return view.adoption === undefined && uid < view.uidNext;
}

function burn({ notes }: FoldContext, uid: Uid): void {
  notes.push({ kind: "uid-burned", uid, words: `UID ${uid} is left out: the source has given its message another` });
}

function isExpungedLater({ changes }: Transaction, { uid, base }: MessageState, index: number): boolean {
  const last = changes.at(-1);
  // Changes of one message come in its own order, expunges mostly at the end: no search where there is none.
  if (last?.kind === "save") return false;
  return changes.slice(index + 1).some((it) => it.kind === "expunge" && it.uid === uid && it.base === base);
}

function foldMarks(context: FoldContext, change: MarksChange): Divergence | undefined {
  const { draft, notes } = context;
  const { uid, base } = change;
  const bound = draft.recordAt(uid);
  const holder = holderOf(draft, uid);
  if (holder !== undefined && holder !== base) return boundOtherwise(context, change, holder);
  const message = draft.message(base);
  const isPresent = bound?.base === base && message.body !== "none";
  if (isPresent) message.marks = changedMarks(message.marks, change, draft.keywords);
  else notes.push({ kind: "message-absent", uid, words: `flags of UID ${uid} are not set: it is not here` });
  const applied = draft.appliedAt(uid);
  if (applied !== undefined && applied.base === base) {
    const marks = mergeMarks({ ...marksOfInfo(applied.info), keywords: applied.keywords }, change.before, change.after);
    const info = infoOf(marksFromSource(marks, NO_NAME_MARKS, draft.keywords));
    draft.keep({ ...applied, info, keywords: lettered(draft, marks) }, draft.put.get(uid)?.index);
  } else if (isPresent && typeof message.body === "string" && message.file !== undefined) {
    const { size, mtimeS } = message.file;
    const keywords = draft.keywords.namesOf(message.marks.letters);
    draft.keep(
      { uid, base, info: infoOf(message.marks), keywords, size, mtimeS, fields: bound.fields, ino: 0 },
      undefined,
    );
  }
  return undefined;
}

function foldExpunge(
  { draft, saveIndexByBase }: FoldContext,
  change: ExpungeChange,
  index: number,
): Divergence | undefined {
  const { uid, base } = change;
  const bound = draft.recordAt(uid);
  const applied = draft.appliedAt(uid);
  if (applied?.base === base) draft.disown(uid);
  if (bound === undefined || bound.base !== base) return undefined;
  if ((saveIndexByBase.get(base) ?? -1) > index) {
    draft.unbind(bound);
    return undefined;
  }
  const message = draft.message(base);
  if (message.body === "file") message.limbo = subjectOf({ uid, base }, message.file?.size, applied);
  message.body = "none";
  draft.letDie(bound);
  return undefined;
}

/**
 * INVARIANT: what a source may have back from the limbo is what it has sent: a file of that name which it has not written, or which is of
 * another size by now, is foreign mail, whatever a source says of its UID.
 */
function subjectOf(
  { uid, base }: { readonly uid: Uid; readonly base: BaseName },
  found: number | undefined,
  applied: { readonly base: string; readonly size: number } | undefined,
): LimboSubject {
  const size = found ?? applied?.size ?? 0;
  return { uid, base, size, cause: applied?.base === base && applied.size === size ? "expunge" : "foreign" };
}

function foldRebind(context: FoldContext, change: RebindChange, index: number): Divergence | undefined {
  const { draft } = context;
  const { fromUid, fromBase, message } = change;
  const from = draft.recordAt(fromUid);
  const isSameName = fromBase === message.base;
  if (from !== undefined && from.base === fromBase && (fromUid !== message.uid || !isSameName)) {
    const target = fromUid === message.uid ? fromBase : holderOf(draft, message.uid);
    if (target !== undefined && target !== fromBase && target !== message.base) {
      return boundOtherwise(context, message, target);
    }
    if (target === undefined && message.uid < context.voidBelow) {
      // It stays bound until the source's next word about it; a file without a record would get a UID from Dovecot.
      burn(context, message.uid);
      if (draft.appliedAt(fromUid)?.base === fromBase) draft.disown(fromUid);
      return undefined;
    }
    if (target === undefined && isPassed(draft, message.uid)) return uidPassed(context, message.uid);
    if (!isSameName && !draft.moveBase(fromBase, message.base)) {
      // Both names are there, or neither: the new one counts, as at the source.
      const old = draft.message(fromBase);
      const left = { uid: fromUid, base: fromBase };
      if (old.body === "file") old.limbo = subjectOf(left, old.file?.size, draft.appliedAt(fromUid));
      old.body = "none";
    }
    if (fromUid === message.uid) draft.bind({ uid: message.uid, base: message.base, fields: from.fields });
    else draft.unbind(from);
  }
  if (fromUid !== message.uid && draft.appliedAt(fromUid)?.base === fromBase) draft.disown(fromUid);
  return foldMessage(context, message, index);
}

function keepApplied(draft: Draft, message: MessageState, isChecked: boolean): void {
  const { uid, base, size, mtimeS, fields } = message;
  const { body, file } = draft.message(base);
  const info = infoOf(marksFromSource(message, NO_NAME_MARKS, draft.keywords));
  const record = { uid, base, info, keywords: lettered(draft, message), size, mtimeS, fields };
  if (typeof body === "number") draft.keep({ ...record, ino: 0 }, body);
  else draft.keep({ ...record, ino: isChecked ? (file?.ino ?? 0) : 0 }, undefined);
}

/** Keywords that have a letter here; the others were refused and are not in the name. */
function lettered(draft: Draft, marks: MessageMarks): string[] {
  return draft.keywords.namesOf(draft.keywords.knownLetters(marks.keywords));
}

function usableFields({ uid, fields }: MessageState, notes: ApplyNote[]): string {
  if (isRecordFields(fields)) return fields;
  notes.push({ kind: "fields-dropped", uid, words: `the record fields of UID ${uid} are none that Dovecot keeps` });
  const guid = fieldOf(fields, "G");
  const kept = fields
    .split(" ")
    .filter((field) => /^[A-Z]/.test(field))
    .join(" ");
  if (isRecordFields(kept)) return kept;
  return guid !== undefined && isRecordFields(`G${guid}`) ? `G${guid}` : "";
}

function uidPassed(context: FoldContext, uid: number): Divergence {
  const { mailbox, path } = context.txn;
  return divergence({ kind: "uid-passed", mailbox, path, firstUid: uid, ...uidsAtOdds(context, uid) });
}

function boundOtherwise(
  context: FoldContext,
  { uid, base }: Pick<MessageState, "uid" | "base">,
  found: string,
): Divergence {
  const { mailbox, path } = context.txn;
  return divergence({ kind: "uid-bound-otherwise", mailbox, path, uid, base, found, ...uidsAtOdds(context, uid) });
}
