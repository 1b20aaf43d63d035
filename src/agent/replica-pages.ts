/**
 * What a replica tells of itself in pages: of one mailbox, of all that was written to it, and at first contact of all its mail.
 *
 * INVARIANT: pages ascend and end, whatever a peer says: else the link ends (peer-confused). What is kept of them has a limit in bytes.
 */

import type { RawPath } from "../base/raw-name.js";
import { type MailboxGuid, UID_MAX } from "../maildir/ids.js";
import { chunkOf } from "../txn/chunks.js";
import type { Answer, Ask, ComparedMailbox, InventoryMessage, StandingMailbox } from "../wire/messages.js";
import type { Questions } from "./asker.js";
import { agentError } from "./errors.js";
import type { SummedRange } from "./source-states.js";

/** More than any mailbox has. */
const MESSAGES_MAX = 2 ** 24;
const PAGES_MAX = 2 ** 16;
/** More than any store has. */
const MAILBOXES_MAX = 2 ** 20;
/** The paths of all mailboxes: a path alone may have some thousand bytes. */
const PATHS_BYTES_MAX = 64 * 1024 * 1024;
/** Names of messages, and some bytes each, of a whole store: those that it alone has are held until its first contact is over. */
const INVENTORY_BYTES_MAX = 2 * 1024 * 1024 * 1024;
const MESSAGE_BYTES = 64;

/** The pages of one mailbox, each asked for when the last one is worked off. A page tells of what is not as the source has it. */
export class MailboxPages {
  readonly #asker: Questions;
  readonly #where: { readonly mailbox: MailboxGuid; readonly path: RawPath };
  /** All up to this UID has been told of. */
  #reached = 0;
  #messages = 0;
  #pages = 0;

  constructor(asker: Questions, where: { readonly mailbox: MailboxGuid; readonly path: RawPath }) {
    this.#asker = asker;
    this.#where = where;
  }

  /** `own`: what the source has next, above all that was told of. Throws: peer-confused, and the replica's own refusals. */
  async next(own: SummedRange, signal: AbortSignal): Promise<ComparedMailbox> {
    const question = { kind: "compare", ...this.#where, afterUid: this.#reached, ...own } as const;
    const page = await askFor(this.#asker, question, "compare", signal);
    this.#pages += 1;
    this.#messages += page.messages.length;
    if (this.#messages > MESSAGES_MAX || this.#pages > PAGES_MAX) throw confused("its mailbox has no end");
    if (page.reached <= this.#reached) throw confused("its answer leads nowhere");
    if (page.reached > own.upTo) throw confused("its answer is about more than it was asked");
    refuseUntold(page, own, this.#reached);
    this.#reached = page.reached;
    return page;
  }

  /** How many files it has without a UID, as they are now. Throws as `next`. */
  async countUnnumbered(signal: AbortSignal): Promise<number> {
    const question = { kind: "compare", ...this.#where, afterUid: UID_MAX, upTo: UID_MAX, sums: [] } as const;
    return (await askFor(this.#asker, question, "compare", signal)).unnumbered ?? 0;
  }
}

/** Throws: peer-confused, where chunks and messages are not those that the page can be of, and not each other's. */
function refuseUntold({ told, messages, standing, reached }: ComparedMailbox, { sums }: SummedRange, after: number) {
  if (standing === undefined && told.length > 0) throw confused("it tells of messages in no mailbox");
  const own = new Set(sums.map(({ chunk }) => chunk));
  let at = 0;
  let lastUid = after;
  let least = chunkOf(after + 1);
  for (const chunk of told) {
    if (chunk < least || chunk > chunkOf(reached))
      throw confused(`it tells of UIDs that are not in its answer (chunk ${chunk})`);
    least = chunk + 1;
    const first = at;
    for (let next = messages[at]; next !== undefined && chunkOf(next.uid) === chunk; next = messages[at]) {
      if (next.uid <= lastUid) throw confused(`its messages do not ascend (UID ${next.uid} after ${lastUid})`);
      lastUid = next.uid;
      at += 1;
    }
    if (at === first && !own.has(chunk)) throw confused("it tells of UIDs that nobody has");
  }
  const left = messages[at];
  if (left !== undefined) throw confused(`its messages are in no order, or not of its answer (UID ${left.uid})`);
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
