/**
 * Makes room on a replica for one mailbox of the source, where another one stands in its place with mail in it, or one without a
 * uidlist: only when a person has asked for that. What the source has of that mail goes to the limbo with its hashes and serves again as bodies;
 * all other mail of it is to be had back from the limbo. The empty mailbox that is left becomes the source's when that is made.
 *
 * INVARIANT: no other mailbox is touched, nor one of the source's that only stands in the wrong place: that moves on by itself.
 */
import type { Asker } from "../../agent/asker.js";
import { displayRaw } from "../../base/raw-name.js";
import type { MailboxRow } from "../../log/state-types.js";
import { meetDestination, surveyDestination } from "../first-contact.js";
import { type EventLog, logNextUid } from "./event-log.js";
import type { SourceStore } from "./source-store.js";

export interface ClearingPorts {
  readonly store: SourceStore;
  readonly asker: Asker;
  readonly log: EventLog;
}

/** `row`: the source's, of which nothing stands on the replica. Killed on the way, it leaves the rest where it is. */
export async function clearPlace(
  { store, asker, log }: ClearingPorts,
  row: MailboxRow,
  signal: AbortSignal,
): Promise<void> {
  const { worker, bodies, reader } = store.side;
  const all = await surveyDestination(asker, signal);
  const isSources = (guid: string) => reader.mailboxes().some((mailbox) => mailbox.guid === guid);
  const standing = all.filter(({ path, guid }) => path === row.path && !isSources(guid));
  if (standing.length === 0) return;
  const mailbox = displayRaw(row.path);
  const { toLimbo, reused } = await meetDestination(
    {
      ...{ asker, worker, bodies, capturer: { rows: [row] }, isAnew: true },
      source: store.adapted,
      stores: { source: "the source", destination: "the replica" },
      onConflict: (_, words) => log.write("conflict-resolved", { mailbox, words }),
      onNextUid: (news) => logNextUid(log, news),
      onKept: () => undefined, // nothing is.
      onRefused: (_, { code, message }) => log.write("mailbox-problem", { mailbox, code, message }),
    },
    standing,
    "limbo",
    signal,
  );
  log.write("place-cleared", { mailbox, toLimbo, reused });
}
