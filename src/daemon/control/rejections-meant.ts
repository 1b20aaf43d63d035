/**
 * Which rows of a replica's rejection log are meant by a user and a mailbox as people name them: by the name that `rejects list` shows, by
 * the one that the mailbox has now, or by its GUID. Pure.
 *
 * INVARIANT: whatever the list shows can be named, also where its mailbox was deleted or renamed since, or where several rows are shown
 * under one name: then all of those are meant, and a GUID means one.
 */
import type { RawPath } from "../../base/raw-name.js";
import type { MailboxRow, RejectionRow } from "../../log/state-types.js";
import { mailboxName } from "../words.js";
import { findMailboxes, type MailboxWish } from "./find-mailbox.js";

type Rejected = Pick<RejectionRow, "mailbox" | "path">;
/** Of the store, as they are now. */
type Present = Pick<MailboxRow, "guid" | "path">;

/** All rows where nothing is said; none where nothing of that is rejected. */
export function rejectionsMeant<Row extends Rejected>(
  rows: readonly Row[],
  present: readonly Present[],
  { user, mailbox }: MailboxWish,
): readonly Row[] {
  if (user === undefined && mailbox === undefined) return rows;
  const asShown = user === undefined ? rows.filter(({ path }) => mailboxName(path) === mailbox) : [];
  if (asShown.length > 0) return asShown;
  const pathNow = new Map(present.map(({ guid, path }) => [guid, path]));
  const ofGuid = mailbox === undefined ? [] : rows.filter((row) => row.mailbox === mailbox.toLowerCase());
  const byName = (some: readonly Row[], wish: MailboxWish): readonly Row[] => {
    const shown = namedBy(some, { pathOf: ({ path }) => path, present }, wish);
    return shown.length > 0 ? shown : namedBy(some, { pathOf: (row) => pathNow.get(row.mailbox), present }, wish);
  };
  const named = byName(rows, { user, mailbox });
  if (named.length > 0) return named;
  const isHers = user === undefined || isOneUsers(present) || byName(ofGuid, { user }).length > 0;
  return isHers ? ofGuid : [];
}

interface Naming<Row> {
  /** Undefined: it has none. */
  readonly pathOf: (row: Row) => RawPath | undefined;
  readonly present: readonly Present[];
}

function namedBy<Row>(rows: readonly Row[], { pathOf, present }: Naming<Row>, wish: MailboxWish): readonly Row[] {
  const placed = rows.flatMap((row) => {
    const path = pathOf(row);
    return path === undefined ? [] : [{ row, path }];
  });
  // Of the mailboxes that are there, only whether there is a root tells how names are read.
  const root = present.flatMap(({ path }) => (path === "" ? [{ path }] : []));
  const paths = new Set(findMailboxes([...root, ...placed], wish).map(({ path }) => path));
  return placed.flatMap(({ row, path }) => (paths.has(path) ? [row] : []));
}

/** The store is one Maildir, so whoever is named is its user. */
function isOneUsers(present: readonly Present[]): boolean {
  return present.some(({ path }) => path === "");
}
