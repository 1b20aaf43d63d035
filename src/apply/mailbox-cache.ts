/**
 * What is remembered of mailboxes between transactions: the baseline, the uidlist as read last, and whether files
 * without a record were looked for. Bounded; everything in it can be read again.
 *
 * INVARIANT: a baseline that adopted an effect is not evicted before that effect can be in the database: the caller
 * records each effect before it executes many others (UNRECORDED_EFFECTS_MAX).
 */

import type { RawPath } from "../base/raw-name.js";
import { MailboxBaseline } from "../log/baseline.js";
import type { StateReader } from "../log/state-ports.js";
import type { LimboRow, MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { UidlistReader } from "../maildir/uidlist-reader.js";
import type { StateDigester } from "../txn/digest.js";
import type { Transaction } from "../txn/transaction.js";
import type { StrayMemory } from "./strays.js";

/** Effects that a caller may have executed and not recorded yet. */
export const UNRECORDED_EFFECTS_MAX = 16;

const MAILBOXES_MIN = UNRECORDED_EFFECTS_MAX;
const MAILBOXES_MAX = 256;
const UIDLIST_BYTES_MAX = 64 * 1024 * 1024;

export interface KnownMailbox extends StrayMemory {
  readonly guid: MailboxGuid;
  readonly uidlist: UidlistReader;
  /** Undefined while nothing was ever applied to it. */
  baseline: MailboxBaseline | undefined;
  /** Where it was seen last when it was not where it should be (astray.ts). */
  standsAt: RawPath | undefined;
  /** Records that were left when dead ones were last looked for; 0 = never. */
  deadCheckedCount: number;
  /** A stale lock was removed: nobody takes it before then (monotonic milliseconds). */
  lockNotBeforeMs: number;
  /** A batch was interrupted: files may stand there without a record, and lie in the limbo without a row. */
  isInDoubt: boolean;
  /** Its lock was not held yet: files of a killed predecessor may stand there (leftovers.ts). */
  mayHaveLeftovers: boolean;
}

/** That a batch of a mailbox broke off. */
export interface Doubt {
  readonly intents: readonly number[];
  /** What lies in the limbo without a row; undefined = not looked for yet. */
  lost: readonly LimboRow[] | undefined;
}

export interface CacheSources {
  readonly reader: StateReader;
  readonly digester: StateDigester;
}

export class MailboxCache {
  readonly #sources: CacheSources;
  /** In the order of their last use. */
  readonly #byGuid = new Map<MailboxGuid, KnownMailbox>();
  readonly #doubts = new Map<MailboxGuid, Doubt>();
  #lastId = 0;

  constructor(sources: CacheSources) {
    this.#sources = sources;
  }

  get digester(): StateDigester {
    return this.#sources.digester;
  }

  get(guid: MailboxGuid): KnownMailbox {
    const known = this.#byGuid.get(guid) ?? this.#load(guid);
    this.#byGuid.delete(guid);
    this.#byGuid.set(guid, known);
    this.#evict();
    return known;
  }

  rowOf(guid: MailboxGuid): MailboxRow | undefined {
    return this.get(guid).baseline?.row;
  }

  /** The baseline to be edited; a new one for a mailbox that nothing was applied to. */
  baselineFor(known: KnownMailbox, { mailbox: guid, path, uidValidity }: Transaction): MailboxBaseline {
    if (known.baseline !== undefined) return known.baseline;
    const id = Math.max(this.#sources.reader.nextMailboxId(), this.#lastId + 1);
    this.#lastId = id;
    const empty = { uidNext: 1, headerExtra: "", keywords: [], fingerprint: "", messages: 0 };
    known.baseline = new MailboxBaseline(this.#sources, { id, guid, path, uidValidity, ...empty });
    return known.baseline;
  }

  /** After a failed commit, or a batch that broke off: nothing of it is believed. */
  forget(guid: MailboxGuid): void {
    this.#byGuid.delete(guid);
    this.doubt(guid);
  }

  /** What was done last is not recorded. `intent`: which a killed process had left, and which tells the next one if this one is killed. */
  doubt(guid: MailboxGuid, intent?: number): void {
    const intents = this.#doubts.get(guid)?.intents ?? [];
    this.#doubts.set(guid, { intents: intent === undefined ? intents : [...intents, intent], lost: undefined });
    const known = this.#byGuid.get(guid);
    if (known !== undefined) known.isInDoubt = true;
  }

  doubtAbout(guid: MailboxGuid): Doubt | undefined {
    return this.#doubts.get(guid);
  }

  /** It came to its end, and with its effect all is recorded. */
  settle(guid: MailboxGuid): void {
    this.#doubts.delete(guid);
    const known = this.#byGuid.get(guid);
    if (known !== undefined) known.isInDoubt = false;
  }

  /** The mailbox is gone; a later one with that GUID starts afresh. */
  remove(guid: MailboxGuid): void {
    const known = this.get(guid);
    known.baseline = undefined;
    known.standsAt = undefined;
    known.unrecorded = undefined;
    known.listed = undefined;
    known.uidlist.forget();
  }

  #load(guid: MailboxGuid): KnownMailbox {
    const row = this.#sources.reader.mailboxByGuid(guid);
    return {
      guid,
      uidlist: new UidlistReader(),
      baseline: row === undefined ? undefined : new MailboxBaseline(this.#sources, row),
      standsAt: undefined,
      unrecorded: undefined,
      listed: undefined,
      deadCheckedCount: 0,
      lockNotBeforeMs: 0,
      isInDoubt: this.#doubts.has(guid),
      mayHaveLeftovers: true,
    };
  }

  #evict(): void {
    let bytes = 0;
    for (const known of this.#byGuid.values()) bytes += known.uidlist.heldBytes;
    const latest = [...this.#byGuid.keys()].at(-1);
    for (const [guid, known] of this.#byGuid) {
      const isOver = this.#byGuid.size > MAILBOXES_MAX || bytes > UIDLIST_BYTES_MAX;
      if (!isOver || guid === latest) return;
      bytes -= known.uidlist.heldBytes;
      // The last ones keep what is not recorded yet, but no uidlist: whatever its size, it can be read again.
      if (this.#byGuid.size > MAILBOXES_MIN) this.#byGuid.delete(guid);
      else known.uidlist.forget();
    }
  }
}
