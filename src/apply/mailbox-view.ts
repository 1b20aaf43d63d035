/**
 * What a plan is made from: the part of a mailbox that one transaction touches, as it is on this disk now.
 *
 * Read under the lock for execution, and without it for `prepare` (where it only tells which bodies are lacking).
 * Maps hold what the transaction names, not the mailbox: a delivery into half a million messages reads a few files.
 */
import type { BaselineRecord } from "../log/state-types.js";
import type { BaseName, MailboxGuid, Uid, UidValidity } from "../maildir/ids.js";
import type { UidlistRecord } from "../maildir/uidlist-write.js";

export interface PresentFile {
  readonly dir: "cur" | "new";
  readonly name: string;
  readonly size: number;
  readonly mtimeS: number;
  readonly ino: number;
}

/** Index is the letter ("a" = 0); undefined = never given out. At most 26. */
export type KeywordTable = readonly (string | undefined)[];

/**
 * Why the header's identity is to be replaced: the source began another numbering, or the replica's Dovecot made an
 * empty mailbox by itself before ours came.
 */
export type Adoption = "reset" | "take-over";

export interface MailboxView {
  /** Undefined where no uidlist is. */
  readonly guid: MailboxGuid | undefined;
  readonly uidValidity: UidValidity | undefined;
  /** max(N, last UID + 1). */
  readonly uidNext: number;
  readonly lastUid: number;
  readonly headerExtra: string;
  /** Of the whole uidlist. */
  readonly recordCount: number;
  readonly uidlistBytes: number;
  /** An unfinished last line stands at the end: an append would be glued to it. */
  readonly hasTornLine: boolean;
  /** Records with a UID or base name that the transaction names. */
  readonly recordByUid: ReadonlyMap<number, UidlistRecord>;
  readonly recordByBase: ReadonlyMap<string, UidlistRecord>;
  readonly fileByBase: ReadonlyMap<string, PresentFile>;
  /** Further files of the same base name, which another program put there: Dovecot would make new messages of them (R17). */
  readonly secondsByBase: ReadonlyMap<string, readonly PresentFile[]>;
  readonly keywords: KeywordTable;
  /** What was applied before, for the UIDs that the transaction names; all of it for a reset. */
  readonly appliedByUid: ReadonlyMap<number, BaselineRecord>;
  /** UIDs of records without a file, as far as known: they go with the next rewrite. */
  readonly deadUids: ReadonlySet<number>;
  readonly adoption: Adoption | undefined;
}

/** A message that a plan leaves in place, for the baseline. `index` = the body was staged for that change (its inode is not known yet). */
export interface PlannedRecord {
  readonly record: BaselineRecord;
  readonly index: number | undefined;
}

export interface LimboSubject {
  readonly uid: number;
  readonly base: string;
  readonly size: number;
  readonly cause: "expunge" | "foreign" | "reset";
}

export interface HeaderWrite {
  /** Raises N at least to this. */
  readonly uidNext: number;
  readonly extra: string;
  /** Begins another numbering. */
  readonly reset: { readonly uidValidity: UidValidity; readonly guid: MailboxGuid } | undefined;
}

/** In the order in which they are done. */
export type ApplyStep =
  | { readonly kind: "write-keywords"; readonly table: KeywordTable }
  /** The old file of a base name whose body is replaced goes first: there is never a second name for a base. */
  | { readonly kind: "limbo"; readonly file: PresentFile; readonly subject: LimboSubject }
  | { readonly kind: "place"; readonly index: number; readonly dir: "cur" | "new"; readonly name: string }
  | { readonly kind: "rename"; readonly file: PresentFile; readonly dir: "cur" | "new"; readonly name: string }
  | { readonly kind: "set-time"; readonly name: string; readonly dir: "cur" | "new"; readonly mtimeS: number }
  /** Wakes sessions that wait for a change of the directory. */
  | { readonly kind: "nudge" }
  | { readonly kind: "append-records"; readonly add: readonly UidlistRecord[] }
  | {
      readonly kind: "rewrite-uidlist";
      readonly header: HeaderWrite;
      readonly drop: ReadonlySet<number>;
      /** Same UID, other base name or fields. */
      readonly replace: ReadonlyMap<number, UidlistRecord>;
      readonly add: readonly UidlistRecord[];
    };

export interface BaselineChange {
  readonly put: readonly PlannedRecord[];
  readonly drop: readonly Uid[];
}

export interface BodyNeed {
  readonly index: number;
  readonly uid: Uid;
  readonly base: BaseName;
  readonly size: number;
}
