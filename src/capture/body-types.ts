/** What the body worker is asked and what it answers. It reads message files and nothing else. */
import type { Site } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import type { BodyName, CopiedBody, KnownBody, NotedBody } from "../log/known-bodies.js";
import type { BaseName, MailboxGuid, Uid } from "../maildir/ids.js";
import type { CaptureProblem } from "./capture-types.js";

/** Bodies up to this size are read whole by `readMany`; larger ones in parts. */
export const BODY_SMALL_BYTES_MAX = 1024 * 1024;
/** What one call of `readMany` reads at the most; at least one small body. */
export const BODY_BATCH_BYTES_MAX = 1024 * 1024;
/** Longest part of a large body that one call reads. */
export const BODY_PART_BYTES_MAX = 4 * 1024 * 1024;
/** Large bodies that are open at a time. */
export const BODY_OPEN_MAX = 64;

export interface BodyItem {
  /** The caller's own number for it. */
  readonly index: number;
  readonly uid: Uid;
  readonly base: BaseName;
  /** As last seen; only a hint. */
  readonly sizeBytes: number;
  /** It came a moment ago, so it is looked for in new/ first, before anybody is asked for its name; only a hint. */
  readonly isFresh?: boolean;
}

export type BodyRead =
  /** `bytes` of one call may share one buffer, which may be a slab (base/slab-pool): give it back with `releaseSlabs`. */
  | { readonly index: number; readonly kind: "body"; readonly bytes: Uint8Array; readonly sha256: string }
  /** The message is expunged, or its mailbox is gone. */
  | { readonly index: number; readonly kind: "gone" }
  /** Above BODY_SMALL_BYTES_MAX: use `openLarge`. */
  | { readonly index: number; readonly kind: "large"; readonly sizeBytes: number }
  /** Not read, because `bytesMax` was reached: ask again. */
  | { readonly index: number; readonly kind: "later" }
  | { readonly index: number; readonly kind: "problem"; readonly problem: CaptureProblem };

export interface ReadManyRequest {
  readonly mailbox: MailboxGuid;
  readonly mailboxPath: RawPath;
  readonly items: readonly BodyItem[];
  /** Of all bodies of the answer together; at least one is read. */
  readonly bytesMax: number;
}

export interface OpenLargeRequest {
  readonly mailbox: MailboxGuid;
  readonly mailboxPath: RawPath;
  readonly uid: Uid;
  readonly base: BaseName;
}

export type OpenLargeOutcome =
  | { readonly kind: "open"; readonly handle: number; readonly sizeBytes: number; readonly mtimeS: number }
  | { readonly kind: "gone" };

export interface ReadPartRequest {
  readonly handle: number;
  readonly offset: number;
  /** At most BODY_PART_BYTES_MAX; shorter at the end of the file. */
  readonly length: number;
}

export interface CloseLargeOutcome {
  /** SHA-256 of the whole body in hex; undefined unless all of it was read in order and its size stayed the same. */
  readonly sha256?: string;
  readonly readBytes: number;
}

export interface StoreToRead {
  /** Absolute, bytes-in-a-string. */
  readonly storeRoot: string;
  /** Which directory that is; without it the one that is opened first. */
  readonly storeSite?: Site | undefined;
  readonly statePath?: string | undefined;
  /** Where it is kept what bodies were; undefined: nowhere. */
  readonly knownPath?: string | undefined;
}

/** The methods of the body worker. */
export interface BodyMethods {
  /** `statePath`: the state database, whose baseline knows the present file names; without it they are looked for. */
  open(options: StoreToRead): void;
  readMany(request: ReadManyRequest): readonly BodyRead[];
  openLarge(request: OpenLargeRequest): OpenLargeOutcome;
  readPart(request: ReadPartRequest): Uint8Array<ArrayBuffer>;
  closeLarge(request: { readonly handle: number }): CloseLargeOutcome;
}

/** Further methods of the worker: what bodies were when they were first read (log/known-bodies.ts). */
export interface KnownBodyMethods {
  note(request: { readonly bodies: readonly NotedBody[]; readonly instead: boolean }): void;
  known(request: {
    readonly mailbox: MailboxGuid;
    readonly names: readonly BodyName[];
  }): readonly (KnownBody | undefined)[];
  noteCopies(request: { readonly copies: readonly CopiedBody[] }): void;
  /** Forgets all mailboxes but these. */
  keepKnown(request: { readonly mailboxes: readonly MailboxGuid[] }): void;
}
