/**
 * What a source whose rights are limited to some mailboxes may have done: anything else that it says ends the link.
 *
 * INVARIANT: nothing of a message was acted on before it has passed here.
 */
import { displayRaw, type RawPath, ROOT_PATH } from "../base/raw-name.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { decodeTransaction } from "../txn/transaction-codec.js";
import type { Ask, Offer } from "../wire/messages.js";
import { agentError } from "./errors.js";

export interface SessionRights {
  readonly mayWrite: (path: RawPath) => boolean;
  /** Where that mailbox was written; undefined for one that was not. */
  readonly pathOf: (mailbox: MailboxGuid) => RawPath | undefined;
}

/** Throws: source-without-right, peer-confused, transaction-invalid. */
export function refuseOffer({ payload, mailbox: named }: Offer, rights: SessionRights): void {
  const { mailbox, path, structure, changes } = decodeTransaction(payload);
  if (mailbox !== named) throw misnamed();
  refusePath(path, rights);
  refuseMailbox(mailbox, rights);
  if (structure?.kind === "rename") {
    refusePath(structure.from, rights);
    if (structure.displaces !== undefined) refuseMailbox(structure.displaces, rights);
  }
  // What is had from there is read by whoever reads what is made of it.
  for (const change of changes)
    if (change.kind === "save" && change.origin !== undefined) refuseMailbox(change.origin.mailbox, rights);
}

/** What an offer says of itself is not what its transaction says. */
export function misnamed() {
  return agentError("peer-confused", "taking an offer of the source: its transaction is of another mailbox");
}

/** Throws: source-without-right. */
export function refuseAsk(ask: Ask, rights: SessionRights): void {
  switch (ask.kind) {
    case "inventory":
    case "foreign":
      refusePath(ask.path, rights);
      return;
    case "compare":
    case "tell-held":
      refuseMailbox(ask.mailbox, rights);
      // A mailbox that the source does not have any more has no path there.
      if (ask.path !== ROOT_PATH || rights.pathOf(ask.mailbox) === undefined) refusePath(ask.path, rights);
      return;
    case "yield-uids":
      refuseMailbox(ask.mailbox, rights);
      return;
    default:
      return; // answered with what it may write (session-requests.ts).
  }
}

/**
 * The failure that a question has for its answer, of a mailbox that is asked about at a place of the source's and was written at another
 * one, when the rights were others, or by another source: that mailbox stays as it is. Undefined: it may pass on to `refuseAsk`.
 */
export function failureElsewhere(ask: Ask, { mayWrite, pathOf }: SessionRights): Error | undefined {
  if ((ask.kind !== "compare" && ask.kind !== "tell-held") || !mayWrite(ask.path)) return undefined;
  const written = pathOf(ask.mailbox);
  if (written === undefined || mayWrite(written)) return undefined;
  const words = `comparing the mailbox ${displayRaw(ask.path)}: the replica has it where the source has no right`;
  return agentError("mailbox-rejected", words);
}

function refuseMailbox(mailbox: MailboxGuid, rights: SessionRights): void {
  const path = rights.pathOf(mailbox);
  if (path !== undefined) refusePath(path, rights);
}

function refusePath(path: RawPath, { mayWrite }: SessionRights): void {
  if (mayWrite(path)) return;
  throw agentError(
    "source-without-right",
    `serving the source: it may not write the mailbox ${displayRaw(path)} here: users in its [peer.NAME] of this host names others`,
  );
}
