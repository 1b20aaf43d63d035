/**
 * What a source asks of the limbo on a replica's host: what has gone there of its mail, and the bytes of that. A row is named as
 * over there, a file of a mailbox that went as a whole by the row and its place in it. Each page is bounded.
 */
import { isRawName, type RawPath } from "../base/raw-name.js";
import type { MailboxGuid } from "../maildir/ids.js";

/** A place in the order of rows: by the time at which they went (ms since 1970), then by name. */
export interface LimboMark {
  readonly removedMs: number;
  readonly name: string;
}

export interface ToldRemoval extends LimboMark {
  readonly mailbox: MailboxGuid;
  /** Where that was. */
  readonly path: RawPath;
  /** 0 for a whole mailbox. */
  readonly uid: number;
  /** Bytes-in-a-string; "" for a whole mailbox, and where it is not known. */
  readonly base: string;
  readonly size: number;
  readonly cause: string;
  /** It can be had. */
  readonly isThere: boolean;
}

/** A file of a mailbox: "cur/NAME", "new/NAME", bytes-in-a-string. */
export interface ToldFile {
  readonly file: string;
  /** 0 where it is none that can be had. */
  readonly size: number;
}

/** `file` "": the row is that of a message. */
export interface LimboFile {
  readonly name: string;
  readonly file: string;
}

export type LimboAsk =
  /** Rows behind `after`; undefined: from the first. */
  | { readonly kind: "tell-limbo"; readonly after: LimboMark | undefined }
  /** Files of that mailbox behind `after`; "": from the first. */
  | { readonly kind: "tell-limbo-files"; readonly name: string; readonly after: string }
  /** Bytes of the first of these, from `offset` on; at most LIMBO_READ_MAX. */
  | { readonly kind: "read-limbo"; readonly files: readonly LimboFile[]; readonly offset: number };

/** `size`: of the whole file. `mtimeS`: its INTERNALDATE. Undefined: it is not there, cannot be read, or is none that the source sent. */
export type LimboPart =
  | {
      readonly size: number;
      readonly mtimeS: number;
      readonly bytes: Uint8Array;
      /** Of the whole, 32 bytes, where its last byte is among these; else none. */
      readonly sha256: Uint8Array;
    }
  | undefined;

/** Ascending; `more` with at least one. */
export interface LimboPage {
  readonly rows: readonly ToldRemoval[];
  readonly more: boolean;
}

export interface LimboFilesPage {
  readonly files: readonly ToldFile[];
  readonly more: boolean;
}

export type LimboAnswer =
  | ({ readonly kind: "limbo-page" } & LimboPage)
  | ({ readonly kind: "limbo-files" } & LimboFilesPage)
  /** Of the first files of the question: all but the last are whole. At most PARTS_BYTES_MAX. */
  | { readonly kind: "limbo-parts"; readonly parts: readonly LimboPart[] };

/** The capability of who answers such questions (greeting.ts): a build that does not know them ends the link. */
export const LIMBO = "limbo";

/** Rows of a page, at the most. */
export const LIMBO_PAGE_MAX = 512;
/** Files of a page, at the most. */
export const LIMBO_FILES_MAX = 4096;
/** Files of a question for bytes, at the most. */
export const LIMBO_READ_MAX = 256;

/** Whether that has the form of a row's name: a day, and a name that begins with a GUID. No byte of it could steer anything. */
export function isLimboEntry(text: string): boolean {
  return /^\d{4}-\d\d-\d\d\/[0-9a-f]{32}\.[0-9a-z.-]{1,64}$/.test(text);
}

/** Whether a file of a mailbox could be called so. */
export function isLimboFile(text: string): boolean {
  const [, name = ""] = /^(?:cur|new)\/([^.].*)$/s.exec(text) ?? [];
  return isRawName(name);
}
