/**
 * What crosses to and from the thread that stages the bodies of large transactions beside the one that applies them.
 *
 * The order of calls for a transaction is: begin, with the ticket that `prepare` gave; stageMany and stagePart; handOver, whose
 * answer is for `adoptStaged` of the other thread, or drop. A key is known from `begin` to `handOver` or `drop`.
 */
import type { AdoptedBody, BodyPart, BodyParts, KeyRequest, StageOutcome, StageTicket } from "./apply-types.js";

export interface BeginRequest {
  readonly key: number;
  readonly ticket: StageTicket;
}

/** The methods of the worker. Outcomes and failures of staging are those of the worker that applies. */
export interface StageMethods {
  begin(request: BeginRequest): void;
  stageMany(request: { readonly key: number; readonly bodies: readonly BodyParts[] }): StageOutcome;
  stagePart(part: BodyPart): StageOutcome;
  /** What is staged and checked; from now on it is the caller's, and nothing is known of the transaction. */
  handOver(request: KeyRequest): readonly AdoptedBody[];
  /** Removes what was staged. Nothing happens for what is not known. */
  drop(request: KeyRequest): void;
}
