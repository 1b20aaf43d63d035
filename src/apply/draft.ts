/**
 * A mailbox as it is to become: starts as the view, takes the changes of a transaction one after the other.
 *
 * Folding first and writing afterwards makes a plan the net effect: a message that is saved and expunged in one
 * transaction is never written, one whose flags change three times is renamed once, and what is already as it should
 * be gives no step (so applying a transaction twice is applying it once).
 */
import type { BaselineRecord } from "../log/state-types.js";
import type { BaseName, Uid } from "../maildir/ids.js";
import { parseMessageName } from "../maildir/message-name.js";
import type { UidlistRecord } from "../maildir/uidlist-write.js";
import type { LimboSubject, MailboxView, PlannedRecord, PresentFile } from "./mailbox-view.js";
import { KeywordDraft, type NameMarks, NO_NAME_MARKS } from "./marks.js";

/** One message that the transaction touches. `file` is what stands on disk now, perhaps under an older base name. */
export interface DraftMessage {
  base: BaseName;
  readonly file: PresentFile | undefined;
  /** Files that share its base name: they go. */
  readonly seconds: readonly PresentFile[];
  /** Where its body is to come from: the file that is there, a staged one (the index of the change), or nowhere. */
  body: "file" | number | "none";
  /** Why the present file goes, if it does. */
  limbo: LimboSubject | undefined;
  /** As on disk, before any change. */
  readonly marksNow: NameMarks;
  marks: NameMarks;
  /** Text between the first ":" and our ":2,": another program's, kept. */
  readonly foreignInfo: string;
  /** Wanted INTERNALDATE; undefined = as it is. */
  mtimeS: number | undefined;
}

export class Draft {
  readonly view: MailboxView;
  readonly keywords: KeywordDraft;
  readonly #messages = new Map<string, DraftMessage>();
  /** Laid over the view; undefined = dropped. */
  readonly #recordByUid = new Map<number, UidlistRecord | undefined>();
  readonly #uidByBase = new Map<string, number | undefined>();
  readonly put = new Map<number, PlannedRecord>();
  readonly dropped = new Map<number, Uid>();
  /** Records whose file goes. They stay until a rewrite is due for another reason, as with Dovecot. */
  readonly deadUids: Set<number>;

  constructor(view: MailboxView) {
    this.view = view;
    this.keywords = new KeywordDraft(view.keywords);
    this.deadUids = new Set(view.deadUids);
  }

  /** Untouched messages that a step must be made for, in the order in which they were first named. */
  get messages(): Iterable<DraftMessage> {
    return this.#messages.values();
  }

  /** Changed records: undefined for dropped ones. */
  get records(): ReadonlyMap<number, UidlistRecord | undefined> {
    return this.#recordByUid;
  }

  recordAt(uid: number): UidlistRecord | undefined {
    if (this.#recordByUid.has(uid)) return this.#recordByUid.get(uid);
    return this.view.adoption === undefined ? this.view.recordByUid.get(uid) : undefined;
  }

  recordOf(base: string): UidlistRecord | undefined {
    if (this.#uidByBase.has(base)) {
      const uid = this.#uidByBase.get(base);
      return uid === undefined ? undefined : this.recordAt(uid);
    }
    return this.view.adoption === undefined ? this.view.recordByBase.get(base) : undefined;
  }

  bind(record: UidlistRecord): void {
    const before = this.recordAt(record.uid);
    if (before !== undefined && before.base !== record.base) this.#uidByBase.set(before.base, undefined);
    this.#recordByUid.set(record.uid, record);
    this.#uidByBase.set(record.base, record.uid);
    this.deadUids.delete(record.uid);
  }

  unbind(record: UidlistRecord): void {
    this.#recordByUid.set(record.uid, undefined);
    this.#uidByBase.set(record.base, undefined);
  }

  /** Its file goes. A record that only this transaction would have added is not added. */
  letDie(record: UidlistRecord): void {
    if (this.view.adoption === undefined && this.view.recordByUid.has(record.uid)) this.deadUids.add(record.uid);
    else this.unbind(record);
  }

  message(base: BaseName): DraftMessage {
    const known = this.#messages.get(base);
    if (known !== undefined) return known;
    const file = this.view.fileByBase.get(base);
    const name = file === undefined ? undefined : parseMessageName(file.name);
    const marksNow = name ?? NO_NAME_MARKS;
    const { foreign = "", hasInfo = true } = name ?? {};
    const message: DraftMessage = {
      base,
      file,
      seconds: this.view.secondsByBase.get(base) ?? [],
      body: file === undefined ? "none" : "file",
      limbo: undefined,
      marksNow,
      marks: marksNow,
      foreignInfo: hasInfo ? foreign : foreign.slice(0, Math.max(0, foreign.lastIndexOf(":"))),
      mtimeS: undefined,
    };
    this.#messages.set(base, message);
    return message;
  }

  /** Whether the message of that base name has a file, or a staged body, as far as the draft goes. */
  hasBody(base: string): boolean {
    const drafted = this.#messages.get(base);
    return drafted === undefined ? this.view.fileByBase.has(base) : drafted.body !== "none";
  }

  /** The same message under another base name. False if a file of that name is there already: then nothing changed. */
  moveBase(from: BaseName, to: BaseName): boolean {
    const message = this.message(from);
    if (message.body === "none" || this.message(to).body !== "none") return false;
    this.#messages.delete(from);
    message.base = to;
    this.#messages.set(to, message);
    return true;
  }

  appliedAt(uid: number): BaselineRecord | undefined {
    if (this.dropped.has(uid) && !this.put.has(uid)) return undefined;
    return this.put.get(uid)?.record ?? this.view.appliedByUid.get(uid);
  }

  keep(record: BaselineRecord, index: number | undefined): void {
    this.put.set(record.uid, { record, index });
    this.dropped.delete(record.uid);
  }

  /** Forgets what was applied under that UID. */
  disown(uid: Uid): void {
    this.put.delete(uid);
    if (this.view.appliedByUid.has(uid)) this.dropped.set(uid, uid);
  }
}
