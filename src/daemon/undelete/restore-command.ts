/**
 * `mailtwin undelete restore`: puts removed mail back as new mail, at the source, from where it is replicated like any other; or into a
 * Maildir that the operator names, where the source is on another host. (Over a link: restore-far.ts.)
 */
import { systemClock } from "../../base/clock.js";
import type { Dir } from "../../base/disk.js";
import { openNodeDisk } from "../../base/disk-node.js";
import { openBelow } from "../../base/open-below.js";
import { isRawName, type RawName, rawFromText } from "../../base/raw-name.js";
import { openStateReader } from "../../log/state-reader.js";
import type { MailboxRow } from "../../log/state-types.js";
import { CUR, NEW } from "../../maildir/mailbox-files.js";
import { splitBaseName } from "../../maildir/message-name.js";
import { daemonError } from "../errors.js";
import type { Output } from "../output.js";
import { findLimbos, type LimboPlace } from "./find-limbos.js";
import { type Removed, removedMail } from "./removed-mail.js";
import { chosen, type Into, type RestoreFlags, RestoreTelling, Restoring, refuseVague } from "./restoring.js";

/** Returns the exit code: 1 where not all of it could be put back. */
export function restoreRemoved(
  source: string | undefined,
  destination: string | undefined,
  flags: RestoreFlags,
  output: Output,
): number {
  refuseVague(flags);
  const [place, ...others] = findLimbos(source, destination, flags);
  if (place === undefined || others.length > 0)
    throw usage("there are limbos of several stores: say which one with --store");
  if (place.source === undefined && flags.to === undefined)
    throw usage("the source of that store is on another host: --to DIR names a Maildir here that the mail is put into");
  using reader = openStateReader(place.database);
  const meant = chosen(removedMail(reader, flags, systemClock.nowMs()), flags);
  const telling = new RestoreTelling(flags, output);
  const into = { source: place.source?.store, known: mailboxesOf(place) };
  using restoring = new Restoring(into, flags, telling.tell);
  const limbo = openNodeDisk().openRoot(rawFromText(place.limbo));
  try {
    for (const removed of meant) restoring.trying(removed, () => restore(restoring, limbo, removed));
  } finally {
    limbo?.close();
  }
  return telling.end();
}

function restore(restoring: Restoring, limbo: Dir | undefined, removed: Removed): void {
  const found = restoring.intoFor(removed);
  if (found === undefined) return;
  const { row, isMailbox } = removed;
  const [day = "", entry = ""] = row.name.split("/");
  const dir = isRawName(day) ? limbo?.openDir(day) : undefined;
  try {
    if (dir === undefined || !isRawName(entry) || dir.stat(entry) === undefined) restoring.sayGone(removed);
    else if (!isMailbox) restoring.put(removed, { dir, name: entry, from: row.name, base: row.base }, found);
    else for (const part of [CUR, NEW]) restorePart(restoring, { removed, found }, dir, [entry, part]);
  } finally {
    dir?.close();
  }
}

function restorePart(
  restoring: Restoring,
  { removed, found }: { readonly removed: Removed; readonly found: Into },
  day: Dir,
  names: readonly [RawName, RawName],
): void {
  const dir = openBelow(day, names);
  try {
    for (const name of (dir?.list() ?? []).sort()) {
      if (dir === undefined || name.startsWith(".")) continue;
      const base = splitBaseName(name);
      const file = { dir, name, from: `${removed.row.name}/${base}`, base };
      restoring.trying(removed, () => restoring.put(removed, file, found));
    }
  } finally {
    dir?.close();
  }
}

/** By the log of the source; what it does not know yet is found by its path. */
function mailboxesOf({ source, database }: LimboPlace): readonly MailboxRow[] {
  using reader = openStateReader(source?.database ?? database);
  return reader.mailboxes();
}

function usage(words: string): Error {
  return daemonError("usage", `reading the command line: ${words}`);
}
