/**
 * `mailtwin undelete restore`: puts removed mail back as new mail, at the source, from where it is replicated like any other; or into a
 * Maildir that the operator names, where the source is on another host. (Over a link: restore-far.ts.)
 */
import { dirname } from "node:path";
import { systemClock } from "../../base/clock.js";
import type { Dir } from "../../base/disk.js";
import { openNodeDisk } from "../../base/disk-node.js";
import { openBelow } from "../../base/open-below.js";
import { isRawName, type RawName, rawFromText } from "../../base/raw-name.js";
import type { KnownBody } from "../../log/known-bodies.js";
import { openStateReader } from "../../log/state-reader.js";
import type { MailboxRow } from "../../log/state-types.js";
import { CUR, NEW } from "../../maildir/mailbox-files.js";
import { splitBaseName } from "../../maildir/message-name.js";
import { daemonError } from "../errors.js";
import type { Output } from "../output.js";
import { oneAtATime } from "../reject/one-at-a-time.js";
import { findLimbos, type LimboPlace } from "./find-limbos.js";
import { NotedBytes } from "./noted-bytes.js";
import { tagOf } from "./put-back.js";
import { type Removed, removedMail, whyNothing } from "./removed-mail.js";
import { chosen, type Into, type RestoreFlags, RestoreTelling, Restoring, refuseVague } from "./restoring.js";

/** As `restoreRemoved`, when nobody else puts something back from there: two at once would put back everything twice. */
export async function restoreAlone(...command: Parameters<typeof restoreRemoved>): Promise<number> {
  const [source, destination, flags] = command;
  refuseVague(flags);
  const [place] = findLimbos(source, destination, flags);
  using _one = place === undefined || flags.dryRun === true ? undefined : await oneAtATime(dirname(place.database));
  return restoreRemoved(...command);
}

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
  const meant = chosen(removedMail(reader, flags, systemClock.nowMs()), flags, {
    isFar: false,
    nothing: () => whyNothing(reader, flags, false),
  });
  const telling = new RestoreTelling(flags, output);
  const into = { source: place.source?.store, known: mailboxesOf(place) };
  const restoring = new Restoring(into, flags, telling.tell);
  using noted = notedFor(place, flags);
  const limbo = openNodeDisk().openRoot(rawFromText(place.limbo));
  try {
    for (const removed of meant) restoring.trying(removed, () => restore({ restoring, noted }, limbo, removed));
  } finally {
    limbo?.close();
  }
  return telling.end();
}

interface Ports {
  readonly restoring: Restoring;
  readonly noted: NotedBytes | undefined;
}

/** A Maildir that is named gets the bytes as they are. */
function notedFor({ source }: LimboPlace, { to }: Pick<RestoreFlags, "to">): NotedBytes | undefined {
  return source === undefined || to !== undefined ? undefined : new NotedBytes(dirname(source.database), "--to DIR");
}

function restore(ports: Ports, limbo: Dir | undefined, removed: Removed): void {
  const { restoring } = ports;
  const found = restoring.intoFor(removed);
  if (found === undefined) return;
  const { row, isMailbox } = removed;
  const [day = "", entry = ""] = row.name.split("/");
  const dir = isRawName(day) ? limbo?.openDir(day) : undefined;
  try {
    const stat = isRawName(entry) ? dir?.stat(entry) : undefined;
    if (dir === undefined || !isRawName(entry) || stat === undefined) restoring.sayGone(removed);
    else if (isMailbox) for (const part of [CUR, NEW]) restorePart(ports, { removed, found }, dir, [entry, part]);
    else {
      const whyNot = (copied: KnownBody) => ports.noted?.whyOther(row, copied);
      const tag = tagOf(row, stat.size);
      restoring.put(removed, { dir, name: entry, from: row.name, base: row.base, tag, whyNot }, found);
    }
  } finally {
    dir?.close();
  }
}

function restorePart(
  { restoring, noted }: Ports,
  { removed, found }: { readonly removed: Removed; readonly found: Into },
  day: Dir,
  names: readonly [RawName, RawName],
): void {
  const dir = openBelow(day, names);
  try {
    for (const name of (dir?.list() ?? []).sort()) {
      if (dir === undefined || name.startsWith(".")) continue;
      const base = splitBaseName(name);
      const { row } = removed;
      const whyNot = (copied: KnownBody) => noted?.whyOther({ mailbox: row.mailbox, uid: 0, base }, copied);
      const put = () => {
        const tag = tagOf(row, dir.stat(name)?.size ?? 0, base);
        restoring.put(removed, { dir, name, from: `${row.name}/${base}`, base, tag, whyNot }, found);
      };
      restoring.trying(removed, put);
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
