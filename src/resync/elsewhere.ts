/**
 * Mailboxes of the source that the destination has at other paths, at first contact. Known by GUID and UIDVALIDITY they are the
 * source's own, and are moved to where it has them. Pure.
 *
 * Folders may be moved; a whole Maildir (a user's INBOX, with all that is in it) that stands elsewhere tells that the two paths
 * of the command do not mean the same, most of all that one of them is a level off.
 */
import { type RawPath, splitRaw } from "../base/raw-name.js";

/** What both a survey of the destination and the source's rows know of a mailbox. */
export interface Placed {
  readonly path: RawPath;
  readonly guid?: string;
  readonly uidValidity?: number;
}

export interface Elsewhere {
  readonly guid: string;
  /** Where the source has it. */
  readonly path: RawPath;
  /** Where it is in the destination. */
  readonly standsAt: RawPath;
  /** No mailbox of the source holds it. */
  readonly isWhole: boolean;
}

/** In the order of the source. Of several that claim to be one mailbox the one at its path, else the first. */
export function findElsewhere(standing: Iterable<Placed>, source: Iterable<Placed>): readonly Elsewhere[] {
  const pathsByIdentity = new Map<string, RawPath[]>();
  for (const { path, guid = "", uidValidity } of standing) {
    if (guid === "") continue;
    const identity = `${guid} ${uidValidity}`;
    const paths = pathsByIdentity.get(identity);
    if (paths === undefined) pathsByIdentity.set(identity, [path]);
    else paths.push(path);
  }
  const own = [...source];
  const known = new Set<string>(own.map(({ path }) => path));
  return own.flatMap(({ path, guid = "", uidValidity }) => {
    const paths = pathsByIdentity.get(`${guid} ${uidValidity}`) ?? [];
    const [standsAt] = paths;
    if (standsAt === undefined || paths.includes(path)) return [];
    return [{ guid, path, standsAt, isWhole: isWhole(path, known) }];
  });
}

/** A Maildir++ folder whose INBOX cannot be read is a folder all the same. */
function isWhole(path: RawPath, known: ReadonlySet<string>): boolean {
  const names = splitRaw(path);
  if (names.at(-1)?.startsWith(".") === true) return false;
  return names.every((_name, level) => !known.has(names.slice(0, level).join("/")));
}

/** Which directory to name in place of the one that was: that below the destination, or below the source. */
export type LevelOff = { readonly store: "source" | "destination"; readonly below: string } | undefined;

/** Undefined where the paths do not differ by the same leading directories throughout. */
export function levelOff(whole: readonly Elsewhere[]): LevelOff {
  const [first, ...others] = whole.map(({ path, standsAt }): LevelOff => {
    const deeper = leadOf(standsAt, path);
    if (deeper !== undefined) return { store: "destination", below: deeper };
    const higher = leadOf(path, standsAt);
    return higher === undefined ? undefined : { store: "source", below: higher };
  });
  const isSame = (other: LevelOff) => other?.store === first?.store && other?.below === first?.below;
  return others.every(isSame) ? first : undefined;
}

/** What stands before `short` in `long`. */
function leadOf(long: RawPath, short: RawPath): string | undefined {
  if (short === "") return long;
  return long.endsWith(`/${short}`) ? long.slice(0, -short.length - 1) : undefined;
}
