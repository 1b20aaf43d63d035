/**
 * A listing of one mailbox, made in slices: between two of them the worker looks at what events have named meanwhile, here
 * and elsewhere. A listing of half a million messages takes half a second; no delivery waits for it.
 *
 * Whether it may be believed about what it lacks: a rename during the listing can hide a message. The directory's times tell
 * of it, but they move in ticks of up to 10 ms: where the directory was changed in the tick in which the listing began,
 * another change in that tick leaves no trace. So such a listing is not believed. In a large mailbox, where a second listing
 * is dear, the tick is waited out first.
 */
import type { Clock } from "../base/clock.js";
import { Census } from "../log/census.js";
import { tickOf } from "../maildir/clock-tick.js";
import { type ListingFacts, type MessageWalk, openMessageWalk } from "../maildir/listing.js";
import { timesIn } from "../maildir/message-times.js";
import type { Uidlist } from "../maildir/uidlist.js";
import type { MailboxDirs } from "./open-mailbox.js";

export interface FinishedListing {
  readonly facts: ListingFacts;
  readonly believable: boolean;
  readonly census: Census;
}

const LARGE_RECORDS = 5_000;
/** Not so long as a file system that keeps whole seconds would ask for. */
const PAUSE_MS_MAX = 20;

export class ListingRun implements Disposable {
  readonly census: Census;
  /** The inode of the mailbox directory. */
  readonly dirIno: number;
  /** `nowMs` of the call that began it. */
  readonly begunMs: number;
  /** The mailbox's, taken before. */
  readonly fingerprint: string;
  /** Time that its slices took, milliseconds. */
  spentMs = 0;
  slices = 0;
  /** An event named what is not there, after the listing may have seen it. */
  isDoubted = false;
  readonly #walk: MessageWalk;
  readonly #clock: Clock;
  readonly #startedMs: number;

  /** May block for one tick of the file system's clock. Throws: mailbox-is-link, mailbox-vanished, system errors. */
  constructor(
    dirs: MailboxDirs,
    {
      uidlist,
      fingerprint,
      nowMs,
    }: { readonly uidlist: Uidlist; readonly fingerprint: string; readonly nowMs: number },
    clock: Clock,
  ) {
    const youngest = Math.max(dirs.cur.statSelf().ctimeMs, dirs.fresh?.statSelf().ctimeMs ?? 0);
    const leftMs = tickOf(youngest) - Math.abs(clock.nowMs() - youngest);
    if (uidlist.count > LARGE_RECORDS && leftMs > 0 && leftMs <= PAUSE_MS_MAX) pause(leftMs);
    this.#clock = clock;
    this.fingerprint = fingerprint;
    this.dirIno = dirs.mailbox.ino;
    this.begunMs = nowMs;
    this.#startedMs = clock.nowMs();
    this.#walk = openMessageWalk(dirs.mailbox);
    this.census = new Census(uidlist);
  }

  /** Lists on for about so long. Undefined when more is left; after the end it is closed. */
  listOn(sliceMs: number): FinishedListing | undefined {
    const startMs = this.#clock.monotonicMs();
    const take = (name: string, dir: "cur" | "new"): void => this.census.take(name, dir);
    const nowMs = (): number => this.#clock.monotonicMs();
    this.slices += 1;
    let hasMore = this.#walk.step(take);
    while (hasMore && nowMs() - startMs < sliceMs) hasMore = this.#walk.step(take);
    if (!hasMore) this.census.end();
    this.spentMs += nowMs() - startMs;
    if (hasMore) return undefined;
    const facts = this.#walk.facts();
    this[Symbol.dispose]();
    const isOld = (timeMs: number): boolean => Math.abs(this.#startedMs - timeMs) >= tickOf(timeMs);
    const believable = facts.stable && timesIn(facts).every(isOld);
    return { facts, believable, census: this.census };
  }

  [Symbol.dispose](): void {
    this.#walk[Symbol.dispose]();
  }
}

/** The worker has nothing else to do. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
