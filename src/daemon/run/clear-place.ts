/**
 * Makes room on a replica for one mailbox of the source, where another one stands in its place with mail in it: only when a person has asked
 * for that. What the source has of that mail goes to the limbo with its hashes and serves again as bodies; all other mail of it is to be had back
 * from the limbo. The empty mailbox that is left becomes the source's when that is made, and keeps its next UID where its UIDVALIDITY is the source's.
 *
 * One without a `dovecot-uidlist` is left alone until Dovecot has looked at it: an index, wherever that is, may know of UIDs that clients have
 * seen under the source's UIDVALIDITY, and nothing here tells of them. Dovecot numbers such a mailbox anew above all of them.
 *
 * INVARIANT: no other mailbox is touched, nor one of the source's that only stands in the wrong place: that moves on by itself.
 */
import type { Asker } from "../../agent/asker.js";
import { refusalAs } from "../../agent/errors.js";
import { askFor } from "../../agent/replica-pages.js";
import { displayRaw } from "../../base/raw-name.js";
import type { MailboxRow } from "../../log/state-types.js";
import type { MailboxGuid } from "../../maildir/ids.js";
import { meetDestination } from "../first-contact.js";
import { mailboxName } from "../words.js";
import { type EventLog, logNextUid } from "./event-log.js";
import type { SourceStore } from "./source-store.js";

export interface ClearingPorts {
  readonly store: SourceStore;
  readonly asker: Asker;
  readonly log: EventLog;
}

interface Occupied {
  /** The source's, of which nothing stands on the replica. */
  readonly row: MailboxRow;
  /** Undefined: no mailbox that says who it is stands there. */
  readonly occupant: MailboxGuid | undefined;
}

/** Killed on the way, it leaves the rest where it is. Throws: mailbox-occupied, what the replica refuses of that mailbox, having moved nothing. */
export async function clearPlace(
  { store, asker, log }: ClearingPorts,
  { row, occupant }: Occupied,
  signal: AbortSignal,
): Promise<void> {
  const { worker, bodies, reader } = store.side;
  const { path } = row;
  if (occupant === undefined) return refuseUnknown({ asker, log }, row, signal);
  if (reader.mailboxByGuid(occupant) !== undefined) return;
  // How it stands, and no messages.
  const question = { kind: "tell-held", mailbox: occupant, path, spans: [], looksOnly: true } as const;
  const { standing } = await askFor(asker, question, "tell-held", signal);
  if (standing === undefined || standing.path !== path) return; // it has gone meanwhile.
  const { uidValidity, uidNext } = standing;
  const mailbox = displayRaw(path);
  const { toLimbo, reused } = await meetDestination(
    {
      ...{ asker, worker, bodies, capturer: { rows: [row] }, isAnew: true, isMet: true },
      source: store.adapted,
      stores: { source: "the source", destination: "the replica" },
      onConflict: (_, words) => log.write("conflict-resolved", { mailbox, words }),
      onNextUid: (news) => logNextUid(log, news),
      onKept: () => undefined, // nothing is.
      onRefused: (_, { code, message }) => log.write("mailbox-problem", { mailbox, code, message }),
    },
    [{ path, guid: occupant, uidValidity, uidNext }],
    "limbo",
    signal,
  );
  if (toLimbo + reused > 0) log.write("place-cleared", { mailbox, toLimbo, reused });
}

/** Throws: mailbox-occupied, where mail stands in a place that has no uidlist. Logged too: another try may write over what the rejection says. */
async function refuseUnknown(
  { asker, log }: Pick<ClearingPorts, "asker" | "log">,
  { path }: MailboxRow,
  signal: AbortSignal,
): Promise<void> {
  const { messages, unnumbered } = await askFor(asker, { kind: "inventory", path, afterUid: 0 }, "inventory", signal);
  if (messages.length + unnumbered === 0) return;
  const refusal = refusalAs(
    "mailbox-occupied",
    `clearing the place of ${mailboxName(path)}: what stands there has no dovecot-uidlist that says who it is, so nothing tells which UIDs its clients know. Have Dovecot open it first, which gives it one (doveadm index -u USER MAILBOX, on the replica's host), then ask again`,
  );
  log.write("mailbox-problem", { mailbox: displayRaw(path), code: refusal.code, message: refusal.message });
  throw refusal;
}
