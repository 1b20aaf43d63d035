/**
 * What is kept for a transaction between `prepare` and `execute`, and the bytes by which a restart recognises it.
 */

import type { Sha256Stream } from "../base/hash.js";
import type { RawPath } from "../base/raw-name.js";
import { isRawPath } from "../base/raw-name.js";
import { isMailboxGuid, type MailboxGuid } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import { type ExpectedBodies, expectedBodies } from "./expected-bodies.js";
import type { Sighting } from "./find-files.js";

/** A body in some `tmp/`, ready to be renamed. */
export interface StagedBody {
  readonly name: string;
  /** 0 where its bytes were not checked. */
  readonly ino: number;
}

/** A large body on its way. */
export interface PartialBody {
  readonly hash: Sha256Stream;
  /** Bytes on disk; `held` follows. */
  written: number;
  held: Uint8Array[];
  heldBytes: number;
}

/** A file that may be the body of a change, and was not checked yet (held-bodies.ts). */
export interface HeldBody {
  readonly dir: "cur" | "new" | "staged";
  readonly name: string;
  readonly ino: number;
  readonly size: number;
  readonly mtimeS: number;
  /** Lower-case hex, once it was told to the source. */
  readonly sha256: string | undefined;
  readonly isConfirmed: boolean;
}

export interface Pending {
  readonly key: number;
  readonly txn: Transaction;
  readonly expected: ExpectedBodies;
  voidBelow: number;
  readonly staged: Map<number, StagedBody>;
  readonly partial: Map<number, PartialBody>;
  readonly gone: Set<number>;
  /** Whether the caller asks the source about bodies that were not checked. */
  readonly verifies: boolean;
  /** No file that is here does as a body, whatever it is: all bodies come. */
  readonly bodiesAnew: boolean;
  readonly held: Map<number, HeldBody>;
  /** What a listing told `prepare`; used again under the lock if nothing changed. */
  sighting: Sighting | undefined;
}

/** What staging works on, in whichever thread. */
export type StagingState = Pick<Pending, "key" | "expected" | "staged" | "partial" | "gone" | "held">;

/** Of a transaction that is prepared. Of one that was prepared `before`, what was staged stays. */
export function pendingOf(
  prepared: Pick<Pending, "key" | "txn" | "voidBelow" | "verifies" | "bodiesAnew">,
  before?: Pending,
): Pending {
  const fresh = { staged: new Map(), partial: new Map(), gone: new Set<number>(), held: new Map() };
  const { staged, partial, gone, held } = before ?? fresh;
  const expected = expectedBodies(prepared.txn);
  return { ...prepared, expected, staged, partial, gone, held, sighting: undefined };
}

export function stagedName(key: number, index: number): string {
  return `mailtwin.${key}.${index}`;
}

/** Whether a file in a `tmp/` is one of ours. */
export function isStagedName(name: string): boolean {
  return /^mailtwin\.\d+\.\d+$/.test(name);
}

/** What recovery needs: where staged files may lie, and whose mail may be in the limbo without a row. */
export interface Intent {
  /** A transaction's number; 0 = what the source asked for beside its transactions. */
  readonly key: number;
  readonly mailbox: MailboxGuid;
  readonly path: RawPath;
}

/** JSON with bytes-in-strings: every character is below U+0100, so UTF-8 gives them back. */
export function encodeIntent({ key, mailbox, path }: Intent): Uint8Array {
  return Buffer.from(JSON.stringify({ version: 1, key, mailbox, path }), "utf8");
}

/** Those are numbered from 1, and come again. */
export function isOfTransaction({ key }: Intent): boolean {
  return key > 0;
}

/** Undefined for bytes that are no intent of ours. */
export function decodeIntent(bytes: Uint8Array): Intent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined; // another version's, or damaged: the transaction comes again in any case.
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { key, mailbox, path } = value as Readonly<Record<string, unknown>>;
  if (typeof key !== "number" || !isMailboxGuid(mailbox) || typeof path !== "string" || !isRawPath(path))
    return undefined;
  return { key, mailbox, path };
}
