/** How much a replica's session takes on at a time, and how it goes about it (session.ts). */
import { TRANSACTION_BODIES_BYTES_MAX } from "../txn/transaction.js";
import { IN_LINE } from "./lock-patience.js";

export interface SessionLimits {
  /** Transactions that may be prepared while an earlier one is applied. */
  readonly preparedMax: number;
  /** How long Dovecot's lock may stay in other hands before the mailbox is given up: all others wait behind it (lock-patience.ts). */
  readonly lockWaitMsMax: number;
  /** Transactions that want more bodies than this have them staged by a thread of their own. */
  readonly stagedHereMax: number;
  /** A transaction of up to so many bytes, with the bodies along with it, is applied by one call if nothing is under way before it. */
  readonly atOnceBytesMax: number;
  /** So many bytes of bodies are asked for ahead of what is applied (bodies-ahead.ts). */
  readonly aheadBytesMax: number;
  /** A transaction that wants more bytes of bodies than this is applied in parts, each with so many, or with one body. */
  readonly partBytesMax: number;
}

/**
 * Staging 64 bodies takes the store's thread some 15 ms, about what it takes to apply them, and live mail seldom comes in
 * such numbers: it is spared the hop to another thread, and a quiet twin that thread's memory.
 */
const STAGED_HERE_MAX = 64;

/** A few mails with their bodies. While a larger one is recorded, the next can be prepared. */
const AT_ONCE_BYTES_MAX = 128 * 1024;

/** Two large transactions (TRANSACTION_BODIES_BYTES_MAX): one is applied while the next comes. */
const AHEAD_BYTES_MAX = 2 * TRANSACTION_BODIES_BYTES_MAX;

export const SESSION_LIMITS: SessionLimits = {
  preparedMax: 32,
  lockWaitMsMax: IN_LINE.eachMsMax,
  stagedHereMax: STAGED_HERE_MAX,
  atOnceBytesMax: AT_ONCE_BYTES_MAX,
  aheadBytesMax: AHEAD_BYTES_MAX,
  partBytesMax: TRANSACTION_BODIES_BYTES_MAX,
};
