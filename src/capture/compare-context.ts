/**
 * What both ways of comparing a mailbox with its baseline work on, and the steps that they share.
 */
import type { MailboxBaseline } from "../log/baseline.js";
import { type BaseName, isBaseName } from "../maildir/ids.js";
import type { Uidlist } from "../maildir/uidlist.js";
import type { HintedName } from "./capture-types.js";
import { type FoundFile, findFile, likelyPlaces } from "./find-files.js";
import type { PresentMessage } from "./finding.js";
import type { MailboxMemory } from "./mailbox-memory.js";
import type { MailboxDirs } from "./open-mailbox.js";
import { type RecordedMessage, recordFields } from "./recorded-message.js";

export interface CompareContext {
  readonly dirs: MailboxDirs;
  readonly uidlist: Uidlist;
  readonly memory: MailboxMemory;
  readonly baseline: MailboxBaseline;
  /** Records from this UID on are not covered by the log. */
  readonly uidNext: number;
  /** Hinted places by base name, the latest first. */
  readonly hinted: ReadonlyMap<string, readonly HintedName[]>;
  readonly nowMs: number;
  readonly findingsMax: number;
}

/**
 * The message's file as it is now: where it was just seen, where events saw it, where it was without a record, where it
 * was at the last time, where it most likely is.
 */
export function locateMessage(
  context: CompareContext,
  base: BaseName,
  { seen = [], info }: { readonly seen?: readonly HintedName[]; readonly info?: string | undefined },
): FoundFile | undefined {
  const { dirs, hinted, memory } = context;
  const waiting = memory.unnumbered.placeOf(base);
  const places = [...seen, ...(hinted.get(base) ?? []), ...(waiting === undefined ? [] : [waiting])];
  return findFile(dirs, base, [...places, ...likelyPlaces(base, info)]);
}

export function presentMessage({ uidlist }: CompareContext, record: RecordedMessage, file: FoundFile): PresentMessage {
  const { index, uid, base } = record;
  return { uid, base, info: file.info, fields: recordFields(uidlist, index), stat: file.stat };
}

/** By base name; what can be no message is left out. Later hints come first. */
export function groupHints(names: readonly HintedName[]): Map<string, HintedName[]> {
  const byBase = new Map<string, HintedName[]>();
  for (const place of names) {
    const colon = place.name.indexOf(":");
    const base = colon < 0 ? place.name : place.name.slice(0, colon);
    if (!isBaseName(base)) continue;
    const places = byBase.get(base);
    if (places === undefined) byBase.set(base, [place]);
    else places.unshift(place);
  }
  return byBase;
}
