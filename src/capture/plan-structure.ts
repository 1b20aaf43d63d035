/**
 * Compares the mailboxes that stand on disk with those that the baseline knows, by GUID: a rename is a rename. Pure.
 *
 * INVARIANT: a mailbox is not missing while its directory stands there without an identity, or cannot be looked into: a
 * uidlist that someone removed, or a permission that is lacking, must not delete mail on a replica. Nor while a copy of another
 * mailbox stands there: whose mail that is a person has to say. What another user claims keeps none.
 */
import type { RawPath } from "../base/raw-name.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { FoundMailbox } from "./capture-types.js";

export interface KnownMailbox {
  readonly path: RawPath;
  readonly guid: MailboxGuid;
  /** "" = not to be trusted. */
  readonly fingerprint: string;
}

export interface StructurePlan {
  /** New, renamed, or different from the baseline: to be examined whole. Parents first. */
  readonly examine: readonly FoundMailbox[];
  /** In the baseline, nowhere on disk. One look is not enough to believe it (missing-mailboxes.ts). */
  readonly missing: readonly KnownMailbox[];
  /** The same GUID stands at two paths (a copied directory): only the known or first one counts. */
  readonly duplicates: readonly Duplicate[];
  /** None of the known mailboxes stands any more, whatever else does: another store, or one that was made anew. */
  readonly emptied: boolean;
}

export interface Duplicate {
  readonly path: RawPath;
  readonly of: RawPath;
  /** That one is not at its place, and may be anywhere or nowhere. */
  readonly isAstray?: true;
  /** Neither is known, and they are of two users: neither counts. */
  readonly isRival?: true;
}

/** How long a mailbox must be missing. */
export const VANISH_MS = 300;

/** `unread`: paths at which something stands that could not be looked into. */
export function planStructure(
  standing: readonly FoundMailbox[],
  known: readonly KnownMailbox[],
  unread: readonly RawPath[],
): StructurePlan {
  const knownByGuid = new Map(known.map((mailbox) => [mailbox.guid, mailbox]));
  const homeByGuid = chooseHomes(standing, knownByGuid);
  const examine: FoundMailbox[] = [];
  const duplicates: Duplicate[] = [];
  const claimed = new Set<MailboxGuid>();
  for (const mailbox of standing) {
    if (mailbox.guid === undefined) {
      examine.push(mailbox);
      continue;
    }
    const home = homeByGuid.get(mailbox.guid);
    if (mailbox.claims !== undefined && home === undefined) {
      const isRival = mailbox.claimant === "rival";
      duplicates.push({ path: mailbox.path, of: mailbox.claims, ...(isRival ? { isRival } : { isAstray: true }) });
      if (mailbox.claimant === undefined) claimed.add(mailbox.guid);
      continue;
    }
    if (home !== undefined && home !== mailbox.path) {
      duplicates.push({ path: mailbox.path, of: home });
      continue;
    }
    const before = knownByGuid.get(mailbox.guid);
    const same =
      before !== undefined &&
      before.path === mailbox.path &&
      before.fingerprint !== "" &&
      before.fingerprint === mailbox.fingerprint;
    if (!same) examine.push(mailbox);
  }
  const nameless = new Set(standing.filter((mailbox) => mailbox.guid === undefined).map((mailbox) => mailbox.path));
  const copies = new Set(duplicates.map(({ path }) => path));
  const mayStand = (path: RawPath): boolean =>
    nameless.has(path) || copies.has(path) || unread.some((top) => isAtOrBelow(path, top));
  const missing = known.filter(({ guid, path }) => !homeByGuid.has(guid) && !claimed.has(guid) && !mayStand(path));
  const hasKnown = known.some((mailbox) => homeByGuid.has(mailbox.guid));
  return { examine, missing, duplicates, emptied: missing.length > 0 && !hasKnown };
}

export function isAtOrBelow(path: RawPath, top: RawPath): boolean {
  return path === top || (top !== "" && path.startsWith(`${top}/`));
}

/** Where each GUID lives: at its known path if it still stands there, else at the first path that has it. */
export function chooseHomes(
  standing: readonly FoundMailbox[],
  knownByGuid: Pick<ReadonlyMap<MailboxGuid, KnownMailbox>, "get">,
): Map<MailboxGuid, RawPath> {
  const homes = new Map<MailboxGuid, RawPath>();
  for (const { guid, path, claims } of standing) {
    if (guid === undefined || claims !== undefined) continue;
    if (!homes.has(guid) || knownByGuid.get(guid)?.path === path) homes.set(guid, path);
  }
  return homes;
}
