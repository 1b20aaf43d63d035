/**
 * Whether what was written to this store stands as it was written, and whether anything of it does: a few `stat`s for each mailbox, none
 * for a message. Writes nothing.
 */
import type { Dir } from "../base/disk.js";
import { openBelow } from "../base/open-below.js";
import { type RawPath, splitRaw } from "../base/raw-name.js";
import { MailboxBaseline } from "../log/baseline.js";
import type { MailboxRow } from "../log/state-types.js";
import { CUR, openMessageDir, UIDLIST_FILE } from "../maildir/mailbox-files.js";
import { writtenAs } from "./astray.js";
import type { StandingOutcome, StandingRequest, Stands } from "./compare-types.js";
import { closeBelow } from "./locate.js";
import { isAnyAway } from "./parking.js";
import { NO_GUID } from "./reading.js";
import { refusing } from "./refusing.js";
import type { StoreContext } from "./store-context.js";
import { surveyMailbox } from "./survey.js";

/** A page of the mailboxes that were written, ascending by GUID. */
export function readStanding(context: StoreContext, root: Dir, { after, max }: StandingRequest): StandingOutcome {
  const rows = context.reader.mailboxes().filter(({ guid }) => guid > after);
  const page = rows.sort((a, b) => (a.guid < b.guid ? -1 : 1)).slice(0, max);
  const mailboxes = page.map((row) => {
    const { guid: mailbox, path, uidValidity, uidNext } = row;
    return { mailbox, path, uidValidity, uidNext, stands: standsOf(context, root, row) };
  });
  return { mailboxes, more: page.length < rows.length };
}

/** Whether all that was written is gone. Costs one mailbox's look as long as the one that stood last still does. */
export class Emptiness {
  readonly #context: StoreContext;
  #stood: MailboxRow | undefined;

  constructor(context: StoreContext) {
    this.#context = context;
  }

  /** False where nothing was written. A mailbox that stands elsewhere is not gone, nor is one on its way to another place. */
  isEmptied(root: Dir): boolean {
    const isThere = ({ path, guid }: MailboxRow): boolean => surveyMailbox(root, path).guid === guid;
    if (this.#stood !== undefined && isThere(this.#stood)) return false;
    const rows = this.#context.reader.mailboxes();
    this.#stood = rows.find(isThere);
    if (rows.length === 0 || this.#stood !== undefined || isAnyAway(this.#context)) return false;
    return rows.every((row) => standsOf(this.#context, root, row) === "gone");
  }
}

/**
 * Mail stands there, and nothing that can be read says whose: a uidlist is damaged or was removed, or the system refuses. A directory without
 * a uidlist and without mail in cur/ is what Dovecot makes where all was removed.
 */
function standsUnread(root: Dir, path: RawPath): boolean {
  const looked = refusing({ mailbox: NO_GUID, path }, () => {
    const dir = openBelow(root, splitRaw(path));
    if (dir === undefined) return false;
    try {
      if (dir.stat(UIDLIST_FILE) !== undefined) return true;
      return dir.stat(CUR) !== undefined && hasFile(openMessageDir(dir, CUR));
    } finally {
      closeBelow(root, dir);
    }
  });
  return typeof looked === "boolean" ? looked : looked.divergence.kind !== "path-refused";
}

/** Closes it. */
function hasFile(dir: Dir): boolean {
  try {
    using walk = dir.walk();
    return walk.next(1).length > 0;
  } finally {
    dir.close();
  }
}

function standsOf({ whereabouts, cache, reader }: StoreContext, root: Dir, row: MailboxRow): Stands {
  const { guid, uidValidity, uidNext } = row;
  const found = surveyMailbox(root, row.path);
  if (found.guid === guid) {
    if (found.uidValidity !== uidValidity) return "anew";
    // The next UID of a mailbox never falls. One that is below what was written is that of a copy made before.
    if (found.uidNext === undefined) return "unread";
    return found.uidNext < uidNext ? "older" : "in-place";
  }
  if (found.guid === undefined && standsUnread(root, row.path)) return "unread";
  const baseline = new MailboxBaseline({ reader, digester: cache.digester }, row);
  return whereabouts.of(root, guid, writtenAs({ baseline }, row.path)) === undefined ? "gone" : "moved";
}
