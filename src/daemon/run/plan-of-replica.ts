/**
 * What a comparison would do to one replica, gathered mailbox by mailbox, counted and in words.
 *
 * INVARIANT: bounded, however much differs: of each kind of change in a mailbox the first few are told, of all mailboxes as many as
 * the budget lets; the rest is counted.
 */
import { type PlannedMailbox, STEP_KINDS } from "../../agent/planned-mailbox.js";
import { systemClock } from "../../base/clock.js";
import type { BrakeReport, HeldMailbox } from "../../capture/capture-types.js";
import type { MailboxPlan, PlannedKind, PlannedSum, TwinPlan } from "../control/plan-answer.js";
import { mailboxName } from "../words.js";
import { actionOf, heldBackAction, isIdle, wordsOfSum } from "./plan-words.js";

const PLANNED_KINDS: readonly PlannedKind[] = [...STEP_KINDS, "held-back"];

/** Of an answer, as JSON: a client takes some times as much. Equal mailboxes that are named have as much again. */
const BYTES_MAX = 8 * 1024 * 1024;

/** How much more may be told, in bytes of JSON; of all replicas together. */
export interface PlanBudget {
  differing: number;
  equal: number;
}

export function planBudget(tellsEqual: boolean): PlanBudget {
  return { differing: BYTES_MAX, equal: tellsEqual ? BYTES_MAX : 0 };
}

export interface HeldBack {
  /** Undefined: nothing is held back. */
  readonly brake: Pick<BrakeReport, "held" | "named"> | undefined;
  /** Which command, or flag, lets it go. */
  readonly whoLetsGo: string;
}

export class PlanOfReplica {
  readonly #startMs = systemClock.monotonicMs();
  readonly #budget: PlanBudget;
  readonly #whoLetsGo: string;
  readonly #heldBack: number;
  /** Of those mailboxes of which the most is held back. */
  readonly #heldByPath: ReadonlyMap<string, HeldMailbox>;
  readonly #sums = new Map<PlannedKind, { count: number; bytes: number }>();
  readonly #plans: MailboxPlan[] = [];
  #mailboxes = 0;
  #messages = 0;
  #equal = 0;
  #toChange = 0;
  #failed = 0;
  #further = 0;

  constructor({ brake, whoLetsGo }: HeldBack, budget: PlanBudget) {
    this.#budget = budget;
    this.#whoLetsGo = whoLetsGo;
    this.#heldBack = brake?.held ?? 0;
    this.#heldByPath = new Map((brake?.named ?? []).map((held) => [held.path, held]));
  }

  add(planned: PlannedMailbox): void {
    const { failure, messages } = planned;
    const plan = this.#planOf(planned);
    const { actions } = plan;
    this.#mailboxes += 1;
    this.#messages += messages;
    if (failure !== undefined) this.#failed += 1;
    else if (actions.length === 0) this.#equal += 1;
    else if (!actions.every(isIdle)) this.#toChange += 1;
    for (const { kind, count, bytes } of actions) {
      const sum = this.#sums.get(kind) ?? { count: 0, bytes: 0 };
      this.#sums.set(kind, sum);
      sum.count += count;
      sum.bytes += bytes;
    }
    const isEqual = failure === undefined && actions.length === 0;
    const of = isEqual ? "equal" : "differing";
    this.#budget[of] -= Buffer.byteLength(JSON.stringify(plan));
    if (this.#budget[of] >= 0) this.#plans.push(plan);
    else if (!isEqual) this.#further += 1;
  }

  /** `comparing`: all of it is being compared now. */
  told(comparing: boolean): TwinPlan {
    const sums = PLANNED_KINDS.flatMap((kind): PlannedSum[] => {
      const sum = this.#sums.get(kind);
      return sum === undefined ? [] : [{ kind, ...sum, words: wordsOfSum({ kind, ...sum }) }];
    });
    return {
      ...{ mailboxes: this.#mailboxes, messages: this.#messages, equal: this.#equal },
      ...{ toChange: this.#toChange, failed: this.#failed, comparing, heldBack: this.#heldBack, sums },
      plans: this.#plans.sort((a, b) => (a.mailbox < b.mailbox ? -1 : Number(a.mailbox > b.mailbox))),
      ...{ further: this.#further, elapsedMs: Math.round(systemClock.monotonicMs() - this.#startMs) },
    };
  }

  #planOf({ mailbox: guid, path, groups, failure, changing }: PlannedMailbox): MailboxPlan {
    const held = this.#heldByPath.get(path);
    const heldBack = held === undefined ? [] : [heldBackAction(held.messages, held.uids, this.#whoLetsGo)];
    const common = { mailbox: mailboxName(path), guid, changing, actions: [...groups.map(actionOf), ...heldBack] };
    return failure === undefined ? common : { ...common, failure };
  }
}
