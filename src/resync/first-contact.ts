/**
 * First contact with a destination that is not empty: what of its mail does the source not have, and what of it is worth keeping
 * at hand? Pure.
 *
 * A message is the source's if the mailbox with the same GUID, or else at the same path, has one with the same base name.
 * INVARIANT: a mailbox of another identity (GUID or UIDVALIDITY) keeps none of its UIDs: a client of the destination may have
 * seen them. It begins anew with the source's, and what both have comes again under those.
 */
import type { RawPath } from "../base/raw-name.js";

export interface ReplicaMailbox {
  readonly path: RawPath;
  /** "" where Dovecot has not given one yet; the UIDVALIDITY is 0 then. */
  readonly guid: string;
  readonly uidValidity: number;
  /** Files without a UID are among them. */
  readonly messages: readonly { readonly base: string; readonly size: number }[];
}

export interface SourceMailbox {
  readonly path: RawPath;
  readonly guid: string;
  readonly uidValidity: number;
  readonly sizeByBase: ReadonlyMap<string, number>;
}

export interface ContactFinding {
  readonly path: RawPath;
  /** Only the replica has these. */
  readonly foreign: readonly string[];
  /** The mailbox is the source's own, and these stand in it already. */
  readonly present: number;
  /** The mailbox has another identity. */
  readonly isOther: boolean;
  /** Both have these, of the same size, in a mailbox of another identity: their bodies serve again if the bytes are the same. */
  readonly copies: readonly string[];
  /** Both have these, but not of the same size, in a mailbox of another identity. */
  readonly changed: readonly string[];
}

/** One finding for each mailbox of the replica that has mail, in the order given. `sourceOf`: undefined if the source has none. */
export function compareAtFirstContact(
  replica: readonly ReplicaMailbox[],
  sourceOf: (mailbox: ReplicaMailbox) => SourceMailbox | undefined,
): readonly ContactFinding[] {
  return replica
    .filter(({ messages }) => messages.length > 0)
    .map((mailbox) => compareMailbox(mailbox, sourceOf(mailbox)));
}

function compareMailbox(
  { path, guid, uidValidity, messages }: ReplicaMailbox,
  source: SourceMailbox | undefined,
): ContactFinding {
  const sizes = source?.sizeByBase ?? new Map<string, number>();
  const basesWhere = (fits: (size: number, sourceSize: number | undefined) => boolean): string[] =>
    messages.filter(({ base, size }) => fits(size, sizes.get(base))).map(({ base }) => base);
  const foreign = basesWhere((_size, sourceSize) => sourceSize === undefined);
  const isOther = source !== undefined && (source.guid !== guid || source.uidValidity !== uidValidity);
  const common = { path, foreign, isOther };
  if (!isOther) return { ...common, present: messages.length - foreign.length, copies: [], changed: [] };
  const copies = basesWhere((size, sourceSize) => size === sourceSize);
  const changed = basesWhere((size, sourceSize) => sourceSize !== undefined && size !== sourceSize);
  return { ...common, present: 0, copies, changed };
}
