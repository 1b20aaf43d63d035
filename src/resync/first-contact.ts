/**
 * First contact with a destination that is not empty: which of its mail does the source not have? Pure.
 *
 * A message is the source's if the mailbox with the same GUID, or else at the same path, has one with the same base name.
 */
import type { RawPath } from "../base/raw-name.js";

export interface ReplicaMailbox {
  readonly path: RawPath;
  readonly guid: string;
  readonly uidValidity: number;
  readonly bases: readonly string[];
}

export interface SourceMailbox {
  readonly path: RawPath;
  readonly guid: string;
  readonly uidValidity: number;
  readonly bases: ReadonlySet<string>;
}

export interface ContactFinding {
  readonly path: RawPath;
  /** Only the replica has these. */
  readonly foreign: readonly string[];
  /** Both have these, but the replica's mailbox has another identity: they are sent again under the source's UIDs. */
  readonly resent: readonly string[];
}

/** Only mailboxes with something to say, in the order given. */
export function compareAtFirstContact(
  replica: readonly ReplicaMailbox[],
  sourceOf: (mailbox: ReplicaMailbox) => SourceMailbox | undefined,
): readonly ContactFinding[] {
  return replica.flatMap((mailbox) => {
    const source = sourceOf(mailbox);
    const foreign = source === undefined ? mailbox.bases : mailbox.bases.filter((base) => !source.bases.has(base));
    const isSame = source === undefined || (source.guid === mailbox.guid && source.uidValidity === mailbox.uidValidity);
    const foreignSet = new Set(foreign);
    const resent = isSame ? [] : mailbox.bases.filter((base) => !foreignSet.has(base));
    return foreign.length === 0 && resent.length === 0 ? [] : [{ path: mailbox.path, foreign, resent }];
  });
}
