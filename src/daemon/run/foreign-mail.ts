/**
 * Mail that only a replica has, in mailboxes that the source has too: as the last comparison of each found it, since the daemon began.
 * It stays where it is; people are to know of it.
 */
import type { RawPath } from "../../base/raw-name.js";
import type { StateReader } from "../../log/state-ports.js";
import type { MailboxGuid } from "../../maildir/ids.js";
import type { ForeignStatus } from "../control/status.js";
import { mailboxName } from "../words.js";

/** Named in a status; of all the sum is told. */
const NAMED_MAX = 100;

export class ForeignMail {
  readonly #foundByMailbox = new Map<MailboxGuid, { readonly messages: number; readonly comparedMs: number }>();

  /** Returns whether it is news, and something. */
  note(mailbox: MailboxGuid, messages: number, comparedMs: number): boolean {
    const isNews = (this.#foundByMailbox.get(mailbox)?.messages ?? 0) !== messages;
    if (messages === 0) this.#foundByMailbox.delete(mailbox);
    else this.#foundByMailbox.set(mailbox, { messages, comparedMs });
    return isNews && messages > 0;
  }

  /** Undefined: none is known of. Mailboxes that the source does not have any more are told of otherwise. `mayHave`: others are not told of. */
  status(reader: Pick<StateReader, "mailboxByGuid">, mayHave: (path: RawPath) => boolean): ForeignStatus | undefined {
    const standing = [...this.#foundByMailbox].flatMap(([guid, found]) => {
      const path = reader.mailboxByGuid(guid)?.path;
      return path === undefined || !mayHave(path) ? [] : [{ mailbox: mailboxName(path), ...found }];
    });
    if (standing.length === 0) return undefined;
    const messages = standing.reduce((sum, it) => sum + it.messages, 0);
    const named = standing.sort((a, b) => b.messages - a.messages).slice(0, NAMED_MAX);
    return { messages, mailboxes: standing.length, named };
  }
}
