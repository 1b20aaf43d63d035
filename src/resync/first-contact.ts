/**
 * First contact with a destination that is not empty: what of its mail does the source not have, and what of it is worth keeping
 * at hand? Pure.
 *
 * Memory: the source's messages of the mailbox in columns; of the destination's only those that something is to be done about.
 *
 * A message is the source's if the mailbox with the same GUID, or else at the same path, has one with the same base name.
 * In the source's own mailbox a UID that the destination's Dovecot has passed, or given to other mail, is lost to both sides:
 * a client may have seen it name nothing, or that mail.
 * INVARIANT: a mailbox of another identity (GUID or UIDVALIDITY) keeps none of its UIDs: a client of the destination may have
 * seen them. It begins anew with the source's, and what both have comes again under those.
 */
import { firstAbove } from "../base/ascending.js";
import type { RawPath } from "../base/raw-name.js";
import { type ContactMessage, MessageList, type SourceMessages } from "./contact-columns.js";

export interface ReplicaMailbox {
  readonly path: RawPath;
  /** "" where Dovecot has not given one yet; the UIDVALIDITY is 0 then. */
  readonly guid: string;
  readonly uidValidity: number;
  readonly uidNext: number;
}

/** A file without a UID has UID 0. `marks`: `visibleMarks`, or "" where they are not known. */
export interface ReplicaMessage extends ContactMessage {
  readonly marks: string;
}

export interface SourceMailbox {
  readonly guid: string;
  readonly uidValidity: number;
  readonly messages: SourceMessages;
}

/** Messages, each in its place: many of them may be held packed. */
export interface Listed extends Iterable<ContactMessage> {
  readonly length: number;
}

export interface ContactFinding {
  readonly path: RawPath;
  /** Only the replica has these. */
  readonly foreign: Listed;
  /** The mailbox is the source's own, and these stand in it already. */
  readonly present: number;
  /** Of these, those whose flags or keywords differ: they take the source's. */
  readonly remarked: number;
  /** The mailbox has another identity. */
  readonly isOther: boolean;
  /**
   * Both have these, of the same size, in a mailbox of another identity: their bodies serve again if the bytes are the same. With the
   * source's UIDs.
   */
  readonly copies: Listed;
  /** Both have these, but not of the same size, in a mailbox of another identity. */
  readonly changed: Listed;
  /** Of the foreign ones in the source's own mailbox, those whose UIDs the source's messages have. */
  readonly inTheWay: Listed;
  /** UIDs of the source's messages that the destination has passed: they get new ones, at the source too. Ascending. */
  readonly passed: readonly number[];
  /** The source has messages that come after all that the destination has given out. */
  readonly hasNewer: boolean;
}

/** One mailbox, whose messages come page by page. */
export class ContactComparison {
  readonly #mailbox: ReplicaMailbox;
  readonly #source: SourceMailbox | undefined;
  readonly #isOther: boolean;
  readonly #foreign = new MessageList();
  readonly #copies = new MessageList();
  readonly #changed = new MessageList();
  /** Of the source's messages, by their place: it stands there under its own UID. */
  readonly #inPlace: Uint8Array;
  #count = 0;
  #present = 0;
  #remarked = 0;

  /** `source`: all of that mailbox's messages; undefined if the source has none there. */
  constructor(mailbox: ReplicaMailbox, source: SourceMailbox | undefined) {
    const { guid, uidValidity } = mailbox;
    this.#mailbox = mailbox;
    this.#source = source;
    this.#isOther = source !== undefined && (source.guid !== guid || source.uidValidity !== uidValidity);
    this.#inPlace = new Uint8Array(source?.messages.count ?? 0);
  }

  /** Each message once. */
  add(messages: Iterable<ReplicaMessage>): void {
    for (const message of messages) {
      this.#count += 1;
      const at = this.#source?.messages.find(message.base) ?? -1;
      if (this.#source === undefined || at < 0) this.#foreign.push(message);
      else this.#addKnown(message, this.#source.messages, at);
    }
  }

  /** Undefined: there is nothing to be said of the mailbox. */
  finding(): ContactFinding | undefined {
    const common = { path: this.#mailbox.path, foreign: this.#foreign, isOther: this.#isOther };
    const [copies, changed] = [this.#copies, this.#changed];
    const counts = { present: this.#present, remarked: this.#remarked };
    const uids = this.#isOther ? NO_UIDS : this.#compareUids();
    if (this.#count === 0 && uids.passed.length === 0) return undefined;
    return { ...common, ...counts, copies, changed, ...uids };
  }

  #addKnown({ base, uid, size, marks }: ReplicaMessage, known: SourceMessages, at: number): void {
    if (this.#isOther) {
      const list = known.sizeAt(at) === size ? this.#copies : this.#changed;
      list.push({ base, uid: known.uidAt(at), size });
      return;
    }
    this.#present += 1;
    if (known.isMarkedOtherwise(at, marks)) this.#remarked += 1;
    if (known.uidAt(at) === uid) this.#inPlace[at] = 1;
  }

  #compareUids(): typeof NO_UIDS {
    const known = this.#source?.messages;
    if (known === undefined) return NO_UIDS;
    const uids: number[] = [];
    const passed: number[] = [];
    let hasNewer = false;
    for (let at = 0; at < known.count; at++) {
      const uid = known.uidAt(at);
      if (uid === 0 || known.isShadowed(at)) continue;
      if (this.#foreign.length > 0) uids.push(uid);
      if (uid >= this.#mailbox.uidNext) hasNewer = true;
      else if (this.#inPlace[at] === 0) passed.push(uid);
    }
    return { inTheWay: withUids(this.#foreign, uids), passed: passed.sort((a, b) => a - b), hasNewer };
  }
}

/** Those of them that have one of these UIDs. */
function withUids(messages: MessageList, uids: readonly number[]): MessageList {
  const found = new MessageList();
  const sorted = Uint32Array.from(uids).sort();
  for (const message of messages) {
    const at = firstAbove(sorted, message.uid - 1);
    if (sorted[at] === message.uid) found.push(message);
  }
  return found;
}

const NO_UIDS: Pick<ContactFinding, "inTheWay" | "passed" | "hasNewer"> = {
  inTheWay: new MessageList(),
  passed: [],
  hasNewer: false,
};
