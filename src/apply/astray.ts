/**
 * Mailboxes that somebody renamed in this store: they stand where neither the baseline nor the log has them. They are known by
 * their GUID, and the next transaction that they get puts them back to where it has them, before anything else of it.
 *
 * INVARIANT: a mailbox that is where it should be is never looked for elsewhere, so a copy of its directory is not taken for it.
 */
import type { Clock } from "../base/clock.js";
import type { Dir } from "../base/disk.js";
import { displayRaw, isRawPath, type RawPath } from "../base/raw-name.js";
import { discoverMailboxes } from "../maildir/discover.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import type { ApplyNote } from "./apply-types.js";
import { closeBelow, type Located, locateMailbox } from "./locate.js";
import type { KnownMailbox } from "./mailbox-cache.js";
import { surveyMailbox } from "./survey.js";

/** Looking through the store takes at most this part of the time, however many mailboxes are sought. */
const PAUSE_PER_LOOK = 4;

/** Where the mailboxes of the store stand, read when one is sought. */
export class Whereabouts {
  readonly #storeRoot: string;
  readonly #clock: Pick<Clock, "monotonicMs">;
  #pathByGuid: ReadonlyMap<MailboxGuid, RawPath> = new Map();
  #believedUntilMs = Number.NEGATIVE_INFINITY;
  #stood: ReadonlySet<MailboxGuid> = new Set();

  constructor(storeRoot: string, clock: Pick<Clock, "monotonicMs">) {
    this.#storeRoot = storeRoot;
    this.#clock = clock;
  }

  /** A hint: the caller looks whether it is there. Of several directories with that GUID the first one by path. */
  of(root: Dir, guid: MailboxGuid): RawPath | undefined {
    const startMs = this.#clock.monotonicMs();
    if (startMs >= this.#believedUntilMs) {
      this.#pathByGuid = this.#read(root);
      const endMs = this.#clock.monotonicMs();
      this.#believedUntilMs = endMs + PAUSE_PER_LOOK * (endMs - startMs);
    }
    return this.#pathByGuid.get(guid);
  }

  /** Mailboxes have moved: what was read no longer holds. */
  forget(): void {
    this.#believedUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** What of the source's stood in the store at first contact, before anything was written to it. */
  noteStanding(guids: ReadonlySet<MailboxGuid>): void {
    this.#stood = guids;
  }

  /** Whether the mailbox is the source's and stood somewhere at this run's first contact. */
  hasStood(guid: MailboxGuid): boolean {
    return this.#stood.has(guid);
  }

  /** Also those whose move broke off between `cur/` and the uidlist. */
  #read(root: Dir): ReadonlyMap<MailboxGuid, RawPath> {
    const { mailboxes, problems } = discoverMailboxes(this.#storeRoot);
    const torn = problems.filter(({ code }) => code === "mailbox-without-cur").map(({ path }) => path);
    const pathByGuid = new Map<MailboxGuid, RawPath>();
    for (const path of [...mailboxes.map((mailbox) => mailbox.path), ...torn.filter(isRawPath)]) {
      const { guid } = surveyMailbox(root, path);
      if (guid !== undefined && !pathByGuid.has(guid)) pathByGuid.set(guid, path);
    }
    return pathByGuid;
  }
}

/**
 * As `locateMailbox`; a mailbox that was written before is looked for everywhere, and one that stood somewhere at first contact: by
 * its GUID and UIDVALIDITY it is the source's own, at a wrong place.
 */
export function locateAnywhere(whereabouts: Whereabouts, root: Dir, known: KnownMailbox, txn: Transaction): Located {
  const located = locateMailbox(root, known, txn);
  if (located.kind !== "absent") return located;
  const isWritten = known.baseline !== undefined;
  if (!isWritten && !whereabouts.hasStood(txn.mailbox)) return located;
  known.standsAt = whereabouts.of(root, txn.mailbox);
  if (known.standsAt === undefined) return located;
  const found = locateMailbox(root, known, txn);
  if (isWritten || found.kind !== "found" || found.uidlist.header.uidValidity === txn.uidValidity) return found;
  closeBelow(root, found.dir);
  known.standsAt = undefined;
  return located;
}

/** Whether it was found only because it was looked for everywhere. */
export function isAstray(
  { standsAt, baseline }: KnownMailbox,
  found: RawPath,
  { path, structure }: Transaction,
): boolean {
  const homes = [baseline?.row.path, path, structure?.kind === "rename" ? structure.from : undefined];
  return found === standsAt && !homes.includes(found);
}

/** After it has moved to `path`. */
export function notePutBack(standsAt: RawPath, path: RawPath): ApplyNote {
  const [from, to] = [standsAt, path].map((each) => (each === "" ? "INBOX" : displayRaw(each)));
  return { kind: "mailbox-found-elsewhere", words: `it was renamed to ${from} here, and is ${to} now` };
}
