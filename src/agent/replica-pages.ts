/**
 * What a replica tells of itself in pages: of one mailbox, of all that was written to it, and at first contact of all its mail.
 *
 * INVARIANT: pages ascend and end, whatever a peer says: else the link ends (peer-confused). What is kept of them has a limit in bytes.
 */

import { assert } from "../base/assert.js";
import type { RawPath } from "../base/raw-name.js";
import { type MailboxGuid, UID_MAX } from "../maildir/ids.js";
import {
  type Answer,
  type Ask,
  type ComparedMailbox,
  type ComparedMessage,
  type DifferingParts,
  type InventoryMessage,
  type MailboxStanding,
  type PartSums,
  type StandingMailbox,
  TOLD_SPANS_MAX,
  type ToldMailbox,
} from "../wire/messages.js";
import type { Span } from "../wire/sums.js";
import type { Questions } from "./asker.js";
import { agentError } from "./errors.js";

/** More than any mailbox has. */
const MESSAGES_MAX = 2 ** 24;
const QUESTIONS_MAX = 2 ** 16;
/** More than any store has. */
const MAILBOXES_MAX = 2 ** 20;
/** The paths of all mailboxes: a path alone may have some thousand bytes. */
const PATHS_BYTES_MAX = 64 * 1024 * 1024;
/** Names of messages, and some bytes each, of a whole store: those that it alone has are held until its first contact is over. */
const INVENTORY_BYTES_MAX = 2 * 1024 * 1024 * 1024;
const MESSAGE_BYTES = 64;

/** What a replica says of one mailbox: where it differs, then the messages there, page by page. */
export class MailboxPages {
  readonly #asker: Questions;
  readonly #where: { readonly mailbox: MailboxGuid; readonly path: RawPath };
  readonly #seed: number;
  #looked = 0;
  /** Of messages all up to this UID have been told of. */
  #reached = 0;
  #messages = 0;
  #questions = 0;

  /** `seed`: of the marks of this comparison. */
  constructor(asker: Questions, where: { readonly mailbox: MailboxGuid; readonly path: RawPath }, seed: number) {
    this.#asker = asker;
    this.#where = where;
    this.#seed = seed;
  }

  /**
   * How it stands, and which of these parts differ: absent where the replica has not looked at all of it yet. One that has lost what it
   * looked at, and begins anew, says a lower `looked` than before. Throws: peer-confused, and the replica's own refusals.
   */
  async compare(
    sums: PartSums | undefined,
    signal: AbortSignal,
  ): Promise<ComparedMailbox & { readonly isBack: boolean }> {
    const question = {
      ...({ kind: "compare", ...this.#where, seed: this.#seed } as const),
      ...(sums === undefined ? {} : { sums }),
    };
    const answer = await this.#ask(question, "compare", signal);
    const { looked, standing, differing } = answer;
    const isBack = this.#looked > 0 && looked < UID_MAX && looked <= this.#looked;
    if (looked === 0) throw confused("it has looked at nothing");
    this.#looked = looked;
    if (standing !== undefined && sums !== undefined && looked === UID_MAX) refuseUnlikely(differing, sums);
    else if (differing !== undefined)
      throw confused("it tells what differs, and has not been asked, or has not looked");
    return { ...answer, isBack };
  }

  /** The messages of the replica in the first of these spans, which are above all that was told. Throws as `compare`. */
  async tell(spans: readonly Span[], signal: AbortSignal): Promise<ToldMailbox> {
    const asked = spans.slice(0, TOLD_SPANS_MAX);
    const [first, last] = [asked[0], asked.at(-1)];
    assert(first !== undefined && last !== undefined && first.from >= this.#reached, "what is asked was not told yet");
    const page = await this.#ask({ kind: "tell-held", ...this.#where, spans: asked }, "tell-held", signal);
    const { messages, reached, standing } = page;
    this.#messages += messages.length;
    if (this.#messages > MESSAGES_MAX) throw confused("its mailbox has no end");
    if (reached < first.from) throw confused("its answer leads nowhere");
    if (reached >= last.below) throw confused("its answer is about more than it was asked");
    if (standing === undefined && messages.length > 0) throw confused("it tells of messages in no mailbox");
    refuseUntold(messages, asked, reached);
    this.#reached = reached;
    return page;
  }

  /** How it stands now, and how many files it has without a UID. Throws as `compare`. */
  stand(signal: AbortSignal): Promise<MailboxStanding> {
    return this.#ask({ kind: "tell-held", ...this.#where, spans: [] }, "tell-held", signal);
  }

  #ask<K extends Answer["kind"]>(question: Ask, kind: K, signal: AbortSignal) {
    this.#questions += 1;
    if (this.#questions > QUESTIONS_MAX) throw confused("its mailbox has no end");
    return askFor(this.#asker, question, kind, signal);
  }
}

/** Throws: peer-confused, where the bits are not one for each part, or differences are said of what is equal. */
function refuseUnlikely(differing: DifferingParts | undefined, { parts, whole }: PartSums): void {
  if (differing === undefined) throw confused("it does not say what differs");
  const { bits, hasOthers, isEqual } = differing;
  if (bits.length !== Math.ceil(parts.length / 8) || (bits.at(-1) ?? 0) >>> (((parts.length - 1) & 7) + 1) > 0)
    throw confused("it tells of more parts, or of fewer, than it was asked");
  if (isEqual && (whole === undefined || hasOthers || bits.some((byte) => byte > 0)))
    throw confused("it calls equal what differs");
}

/** Throws: peer-confused, where messages do not ascend, or are none of what was asked for, as far as the page reaches. */
function refuseUntold(messages: readonly ComparedMessage[], spans: readonly Span[], reached: number): void {
  let last = -1;
  let at = 0;
  for (const { uid } of messages) {
    if (uid <= last) throw confused(`its messages do not ascend (UID ${uid} after ${last})`);
    last = uid;
    while (at < spans.length && uid >= (spans[at] as Span).below) at += 1;
    if (uid > reached || at === spans.length || uid < (spans[at] as Span).from)
      throw confused(`it tells of UIDs that are not in its answer, or in no question (UID ${uid})`);
  }
}

/** The mail of one store, mailbox by mailbox. */
export class Inventories {
  readonly #asker: Questions;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(asker: Questions, bytesMax = INVENTORY_BYTES_MAX) {
    this.#asker = asker;
    this.#bytesMax = bytesMax;
  }

  /**
   * All of a mailbox, files without a UID (0) among them; a page is asked for when the last one is worked off. Messages ascend by UID and
   * such files by name, each for themselves: a file may get its UID meanwhile. Throws: peer-confused, and the replica's own refusals.
   */
  async *pages(path: RawPath, signal: AbortSignal): AsyncGenerator<readonly InventoryMessage[], void> {
    let messages = 0;
    let [afterUid, afterBase] = [0, ""];
    for (;;) {
      const question = { kind: "inventory", path, afterUid, ...(afterBase === "" ? {} : { afterBase }) } as const;
      const page = await askFor(this.#asker, question, "inventory", signal);
      for (const { base, uid, marks } of page.messages) {
        if (uid === 0 ? base <= afterBase : uid <= afterUid) throw confused("the messages of a mailbox do not ascend");
        if (uid === 0) afterBase = base;
        else afterUid = uid;
        this.#bytes += base.length + marks.length + MESSAGE_BYTES;
      }
      messages += page.messages.length;
      if (messages > MESSAGES_MAX) throw confused("its mailbox has no end");
      if (this.#bytes > this.#bytesMax) throw confused("its mail has no end");
      yield page.messages;
      if (!page.more || page.messages.length === 0) return;
    }
  }
}

/** All that was written to the replica. */
export async function readStanding(asker: Questions, signal: AbortSignal): Promise<readonly StandingMailbox[]> {
  const found: StandingMailbox[] = [];
  let pathsBytes = 0;
  let after: MailboxGuid | "" = "";
  for (;;) {
    const page: Extract<Answer, { kind: "standing" }> = await askFor(
      asker,
      { kind: "standing", after },
      "standing",
      signal,
    );
    for (const it of page.mailboxes) {
      if (it.mailbox <= after) throw confused("its mailboxes do not ascend");
      after = it.mailbox;
      pathsBytes += it.path.length;
      found.push(it);
    }
    if (found.length > MAILBOXES_MAX || pathsBytes > PATHS_BYTES_MAX) throw confused("its mailboxes have no end");
    if (!page.more) return found;
    if (page.mailboxes.length === 0) throw confused("it has more mailboxes, and tells none of them");
  }
}

/** The answer, of the kind that was asked for. Throws: peer-confused, and the replica's own refusals. */
export async function askFor<K extends Answer["kind"]>(
  asker: Questions,
  question: Ask,
  kind: K,
  signal: AbortSignal,
): Promise<Extract<Answer, { kind: K }>> {
  const answer = await asker.ask(question, signal);
  if (answer.kind !== kind) throw confused(`it answered "${answer.kind}"`);
  return answer as Extract<Answer, { kind: K }>;
}

function confused(words: string) {
  return agentError("peer-confused", `comparing with the replica: ${words}`);
}
