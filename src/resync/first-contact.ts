/**
 * First contact with a destination that is not empty: what of its mail does the source not have, and what of it is worth keeping
 * at hand? Pure.
 *
 * A message is the source's if the mailbox with the same GUID, or else at the same path, has one with the same base name.
 * In the source's own mailbox a UID that the destination's Dovecot has passed, or given to other mail, is lost to both sides:
 * a client may have seen it name nothing, or that mail.
 * INVARIANT: a mailbox of another identity (GUID or UIDVALIDITY) keeps none of its UIDs: a client of the destination may have
 * seen them. It begins anew with the source's, and what both have comes again under those.
 */
import type { RawPath } from "../base/raw-name.js";

export interface ReplicaMailbox {
  readonly path: RawPath;
  /** "" where Dovecot has not given one yet; the UIDVALIDITY is 0 then. */
  readonly guid: string;
  readonly uidValidity: number;
  readonly uidNext: number;
  /** Files without a UID are among them, with UID 0. `marks`: `visibleMarks`, or "" where they are not known. */
  readonly messages: readonly {
    readonly base: string;
    readonly uid: number;
    readonly size: number;
    readonly marks: string;
  }[];
}

export interface SourceMailbox {
  readonly path: RawPath;
  readonly guid: string;
  readonly uidValidity: number;
  readonly messageByBase: ReadonlyMap<string, { readonly uid: number; readonly size: number; readonly marks: string }>;
}

export interface ContactFinding {
  readonly path: RawPath;
  /** Only the replica has these. */
  readonly foreign: readonly string[];
  /** The mailbox is the source's own, and these stand in it already. */
  readonly present: number;
  /** Of these, those whose flags or keywords differ: they take the source's. */
  readonly remarked: number;
  /** The mailbox has another identity. */
  readonly isOther: boolean;
  /** Both have these, of the same size, in a mailbox of another identity: their bodies serve again if the bytes are the same. */
  readonly copies: readonly string[];
  /** Both have these, but not of the same size, in a mailbox of another identity. */
  readonly changed: readonly string[];
  /** Of the foreign ones in the source's own mailbox, those whose UIDs the source's messages have. */
  readonly inTheWay: readonly { readonly base: string; readonly uid: number }[];
  /** UIDs of the source's messages that the destination has passed: they get new ones, at the source too. Ascending. */
  readonly passed: readonly number[];
  /** The source has messages that come after all that the destination has given out. */
  readonly hasNewer: boolean;
}

/** One finding for each mailbox of the replica that has mail or has passed UIDs, in the order given. `sourceOf`: undefined if the source has none. */
export function compareAtFirstContact(
  replica: readonly ReplicaMailbox[],
  sourceOf: (mailbox: ReplicaMailbox) => SourceMailbox | undefined,
): readonly ContactFinding[] {
  return replica.flatMap((mailbox) => {
    const finding = compareMailbox(mailbox, sourceOf(mailbox));
    return mailbox.messages.length > 0 || finding.passed.length > 0 ? [finding] : [];
  });
}

function compareMailbox(mailbox: ReplicaMailbox, source: SourceMailbox | undefined): ContactFinding {
  const { path, guid, uidValidity, messages } = mailbox;
  const known: SourceMailbox["messageByBase"] = source?.messageByBase ?? new Map();
  const basesWhere = (fits: (size: number, sourceSize: number | undefined) => boolean): string[] =>
    messages.filter(({ base, size }) => fits(size, known.get(base)?.size)).map(({ base }) => base);
  const foreign = basesWhere((_size, sourceSize) => sourceSize === undefined);
  const isOther = source !== undefined && (source.guid !== guid || source.uidValidity !== uidValidity);
  const common = { path, foreign, isOther };
  if (!isOther) {
    const present = messages.length - foreign.length;
    const remarked = messages.filter(({ base, marks }) => differ(marks, known.get(base)?.marks)).length;
    return { ...common, present, remarked, copies: [], changed: [], ...compareUids(mailbox, known) };
  }
  const copies = basesWhere((size, sourceSize) => size === sourceSize);
  const changed = basesWhere((size, sourceSize) => sourceSize !== undefined && size !== sourceSize);
  return { ...common, present: 0, remarked: 0, copies, changed, inTheWay: [], passed: [], hasNewer: false };
}

function differ(there: string, here = ""): boolean {
  return there !== "" && here !== "" && there !== here;
}

function compareUids(
  { messages, uidNext }: ReplicaMailbox,
  known: SourceMailbox["messageByBase"],
): Pick<ContactFinding, "inTheWay" | "passed" | "hasNewer"> {
  const baseByUid = new Map(messages.flatMap(({ uid, base }) => (uid === 0 ? [] : [[uid, base] as const])));
  const passed: number[] = [];
  const taken = new Set<string>();
  let hasNewer = false;
  for (const [base, { uid }] of known) {
    const there = baseByUid.get(uid);
    if (uid >= uidNext) hasNewer = true;
    else if (uid > 0 && there !== base) passed.push(uid);
    if (there !== undefined && !known.has(there)) taken.add(there);
  }
  const inTheWay = messages.filter(({ base }) => taken.has(base)).map(({ base, uid }) => ({ base, uid }));
  return { inTheWay, passed: passed.sort((a, b) => a - b), hasNewer };
}
