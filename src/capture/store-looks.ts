/**
 * The looks at the whole store: when the next one is due, whether something is awaited of it, what it says of mailboxes that it
 * did not find.
 *
 * INVARIANT: a mailbox is called gone by `MissingMailboxes` only; one that is waited for in vain (turmoil.ts) is named as a problem, so
 * that a run which ends meanwhile tells of it.
 */
import type { RawPath } from "../base/raw-name.js";
import type { CaptureProblem, DiscoverOutcome } from "./capture-types.js";
import { captureError, problemOfDuplicate, problemOfTurmoil, SOURCE_EMPTIED } from "./errors.js";
import { MissingMailboxes } from "./missing-mailboxes.js";
import { type KnownMailbox, type StructurePlan, VANISH_MS } from "./plan-structure.js";
import { SweepProblems } from "./sweep-problems.js";
import { Turmoil } from "./turmoil.js";

/** Between two looks at something that does not fit together: a mailbox that is there and is not. */
const PUZZLED_PAUSE_MS = 50;
/** From one look to the next that an event asks for; longer after a long one, so that others have half of the time. */
const HINTED_PAUSE_MS = 50;
/** Between two looks in a store that does not come to rest. */
const RESTLESS_PAUSE_MS = 2_000;
const NEVER = Number.POSITIVE_INFINITY;

export class StoreLooks {
  readonly #missing = new MissingMailboxes();
  readonly #turmoil = new Turmoil();
  readonly #problems: SweepProblems;
  readonly #sweepMs: number;
  readonly #nowMs: () => number;
  #startMs = 0;
  #restUntilMs = 0;
  /** Somebody needs one. */
  #askedMs = 0;
  /** Something does not fit together. */
  #puzzledMs = NEVER;
  /** An event told of a change since the last one began. */
  #hintedMs = NEVER;
  /** Comes by itself. */
  #sweepDueMs = NEVER;

  constructor(problems: Map<RawPath, CaptureProblem>, sweepMs: number, nowMs: () => number) {
    this.#problems = new SweepProblems(problems);
    this.#sweepMs = sweepMs;
    this.#nowMs = nowMs;
  }

  get dueMs(): number {
    const restMs = this.#turmoil.isLasting ? this.#startMs + RESTLESS_PAUSE_MS : 0;
    const hintedMs = Math.max(this.#hintedMs, this.#restUntilMs);
    return Math.min(this.#askedMs, Math.max(Math.min(this.#puzzledMs, hintedMs), restMs), this.#sweepDueMs);
  }

  /** It takes another look to tell how things stood when the last one began: what events have told since is newer. */
  get isAwaited(): boolean {
    if (this.#askedMs !== NEVER) return true;
    return !this.#turmoil.isLasting && (this.#puzzledMs !== NEVER || this.#missing.isOpen);
  }

  /** They come by themselves from now on. */
  repeat(): void {
    this.#sweepDueMs = this.#nowMs() + this.#sweepMs;
  }

  askNow(): void {
    this.#askedMs = Math.min(this.#askedMs, this.#nowMs());
  }

  /** An event tells of a change. */
  hintNow(): void {
    this.#hintedMs = Math.min(this.#hintedMs, this.#nowMs());
  }

  /** A mailbox was listed and is not there. */
  puzzleAt(path: RawPath): void {
    this.#turmoil.note(this.#nowMs());
    if (this.#turmoil.isLasting) this.#problems.add(problemOfTurmoil(path));
    this.#lookWithin(PUZZLED_PAUSE_MS);
  }

  addProblem(problem: CaptureProblem): void {
    this.#problems.add(problem);
  }

  /** One begins; `twice`: it may call a mailbox gone. */
  begin(): { readonly twice: boolean } {
    this.#startMs = this.#nowMs();
    this.#askedMs = NEVER;
    this.#puzzledMs = NEVER;
    this.#hintedMs = NEVER;
    if (this.#sweepDueMs !== NEVER) this.#sweepDueMs = this.#startMs + this.#sweepMs;
    this.#turmoil.beginLook(this.#startMs);
    return { twice: this.#missing.isRipe(this.#startMs) };
  }

  /** Returns the mailboxes that are gone; undefined where nothing can be said of any yet. Throws: source-emptied. */
  end(
    { mailboxes, problems, uncertain = [], held = [] }: DiscoverOutcome,
    plan: StructurePlan,
  ): readonly KnownMailbox[] | undefined {
    const endMs = this.#nowMs();
    this.#restUntilMs = endMs + Math.max(HINTED_PAUSE_MS, endMs - this.#startMs);
    if (plan.emptied) {
      if (this.#missing.noteEmptied(this.#startMs)) throw captureError("source-emptied", SOURCE_EMPTIED);
      this.#askedMs = this.#startMs + VANISH_MS + 10;
      return undefined;
    }
    const isHeld = new Set(held);
    const unheld = plan.missing.filter(({ guid }) => !isHeld.has(guid)); // nobody waits for those: a person has to decide.
    const missing = plan.missing.map(({ path }) => path);
    const standing = mailboxes.map(({ path }) => path);
    this.#problems.replace([...problems, ...plan.duplicates.map(problemOfDuplicate)], { missing, standing });
    const gone = this.#missing.note(unheld, this.#startMs, uncertain);
    if (this.#missing.isOpen) {
      this.#turmoil.note(this.#nowMs());
      this.#lookWithin(this.#startMs + VANISH_MS + 10 - this.#nowMs());
    }
    const isGone = new Set(gone.map(({ guid }) => guid));
    if (this.#turmoil.isLasting)
      for (const { guid, path } of unheld) if (!isGone.has(guid)) this.#problems.add(problemOfTurmoil(path));
    return gone;
  }

  /** `nameless`: where Dovecot is just making a mailbox. Call it while looks repeat. */
  noteNameless(nameless: readonly RawPath[]): void {
    const isBeingMade = this.#missing.noteNameless(nameless);
    if (isBeingMade && this.#sweepDueMs !== NEVER) this.#lookWithin(this.#startMs + VANISH_MS + 10 - this.#nowMs());
  }

  #lookWithin(ms: number): void {
    this.#puzzledMs = Math.min(this.#puzzledMs, this.#nowMs() + ms);
  }
}
