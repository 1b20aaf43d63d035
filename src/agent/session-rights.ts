/**
 * What a source whose rights are limited to some mailboxes may have done: anything else that it says ends the link.
 *
 * INVARIANT: nothing of a message was acted on before it has passed here.
 */
import { displayRaw, type RawPath } from "../base/raw-name.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { decodeTransaction } from "../txn/transaction-codec.js";
import type { Ask, Offer } from "../wire/messages.js";
import { agentError } from "./errors.js";

export interface SessionRights {
  readonly mayWrite: (path: RawPath) => boolean;
  /** Where that mailbox was written; undefined for one that was not. */
  readonly pathOf: (mailbox: MailboxGuid) => RawPath | undefined;
}

/** Throws: source-without-right, txn-invalid. */
export function refuseOffer({ payload, mailbox }: Offer, rights: SessionRights): void {
  const { path, structure } = decodeTransaction(payload);
  const paths = [path, rights.pathOf(mailbox), structure?.kind === "rename" ? structure.from : undefined];
  for (const each of paths) if (each !== undefined) refusePath(each, rights);
}

/** Throws: source-without-right. */
export function refuseAsk(ask: Ask, rights: SessionRights): void {
  switch (ask.kind) {
    case "inventory":
    case "foreign":
    case "compare":
      refusePath(ask.path, rights);
      return;
    case "yield-uids": {
      const path = rights.pathOf(ask.mailbox);
      if (path !== undefined) refusePath(path, rights);
      return;
    }
    case "survey":
    case "standing":
      return; // names of mailboxes, and nothing of their mail.
  }
}

function refusePath(path: RawPath, { mayWrite }: SessionRights): void {
  if (mayWrite(path)) return;
  throw agentError("source-without-right", `serving the source: it has no right to the mailbox ${displayRaw(path)}`);
}
