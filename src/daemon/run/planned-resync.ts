/**
 * What a resync of replicas would do, told and not done: the answer to `resync --dry-run`.
 *
 * INVARIANT: bounded, however much differs: of each kind of change in a mailbox the first few are told, of all mailboxes as many as
 * BYTES_MAX lets; the rest is counted.
 */
import { type PlannedMailbox, STEP_KINDS } from "../../agent/planned-mailbox.js";
import type { ReplayAgent } from "../../agent/replay-agent.js";
import { systemClock } from "../../base/clock.js";
import { MailtwinError } from "../../base/errors.js";
import type { HeldMailbox } from "../../capture/capture-types.js";
import type { MailboxRow } from "../../log/state-types.js";
import type { PlanQuery, ReplicaTarget, ResyncAnswer } from "../control/daemon-control.js";
import { findMailboxes } from "../control/find-mailbox.js";
import type {
  MailboxPlan,
  PlanAnswer,
  PlannedKind,
  PlannedReplica,
  PlannedSum,
  ReplicaPlan,
} from "../control/plan-answer.js";
import { mailboxName } from "../words.js";
import { actionOf, heldBackAction, isIdle, wordsOfSum } from "./plan-words.js";
import type { ReplicaRunner } from "./replica-runner.js";
import type { SourceStore } from "./source-store.js";
import { wordsOfLimit } from "./user-rights.js";

const PLANNED_KINDS: readonly PlannedKind[] = [...STEP_KINDS, "held-back"];

interface Served {
  readonly name: string;
  readonly store: SourceStore;
  readonly runner: ReplicaRunner;
}

/** Of an answer, as JSON: a client takes some times as much. Equal mailboxes that are named have as much again. */
const BYTES_MAX = 8 * 1024 * 1024;

/** One after the other. Why one could not be compared is its answer. Throws: the abort reason. */
export async function planReplicas(
  chosen: readonly Served[],
  query: PlanQuery,
  signal: AbortSignal,
): Promise<PlanAnswer> {
  const isNamed = query.user !== undefined || query.mailbox !== undefined;
  const replicas: PlannedReplica[] = [];
  const limited: ResyncAnswer["limited"][number][] = [];
  const budget = { differing: BYTES_MAX, equal: query.verbose === true ? BYTES_MAX : 0 };
  for (const served of chosen) {
    const { name: store, runner } = served;
    const target = { store, replica: runner.name };
    const meant = isNamed ? findMailboxes(served.store.side.reader.mailboxes(), query) : [];
    const rows = meant.filter(({ path }) => runner.mayHave(path));
    const left = meant.length - rows.length;
    const why = wordsOfLimit(runner.replica.peer);
    if (left > 0) limited.push({ name: `${store}/${runner.name}`, mailboxes: left, why });
    if (isNamed && rows.length === 0) continue;
    replicas.push(await planReplica(served, { target, rows: isNamed ? rows : undefined, budget }, signal));
  }
  return { replicas, limited };
}

interface Planning {
  readonly target: ReplicaTarget;
  /** Undefined: all. */
  readonly rows: readonly MailboxRow[] | undefined;
  readonly budget: Budget;
}

interface Budget {
  differing: number;
  equal: number;
}

async function planReplica(
  { store, runner }: Served,
  { target, rows, budget }: Planning,
  signal: AbortSignal,
): Promise<PlannedReplica> {
  const { agent } = runner;
  const unplanned = (code: string, words: string): PlannedReplica => ({ ...target, kind: "unplanned", code, words });
  if (agent === undefined) {
    const why = runner.isPaused ? "it is paused" : "it is not connected";
    return unplanned("replica-away", `${why}, and can be compared when it is there`);
  }
  const plan = new PlanOfReplica(store, budget);
  try {
    const wish = rows === undefined ? "all" : new Set(rows.map(({ guid }) => guid));
    const isPlanned = await agent.plan(wish, (planned) => plan.add(planned), signal);
    if (isPlanned) return { ...target, ...plan.told(agent) };
    return unplanned(
      "replica-away",
      "it was connected a moment ago, or meets its source for the first time: ask again",
    );
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof MailtwinError)) throw error;
    return unplanned(error.code, error.message);
  }
}

class PlanOfReplica {
  readonly #startMs = systemClock.monotonicMs();
  readonly #budget: Budget;
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

  constructor({ side }: SourceStore, budget: Budget) {
    const { brake } = side.capturer;
    this.#budget = budget;
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

  told({ isComparing }: Pick<ReplayAgent, "isComparing">): Omit<ReplicaPlan, keyof ReplicaTarget> {
    const sums = PLANNED_KINDS.flatMap((kind): PlannedSum[] => {
      const sum = this.#sums.get(kind);
      return sum === undefined ? [] : [{ kind, ...sum, words: wordsOfSum({ kind, ...sum }) }];
    });
    return {
      ...{ kind: "planned", mailboxes: this.#mailboxes, messages: this.#messages, equal: this.#equal },
      ...{ toChange: this.#toChange, failed: this.#failed, comparing: isComparing, heldBack: this.#heldBack, sums },
      plans: this.#plans.sort((a, b) => (a.mailbox < b.mailbox ? -1 : Number(a.mailbox > b.mailbox))),
      ...{ further: this.#further, elapsedMs: Math.round(systemClock.monotonicMs() - this.#startMs) },
    };
  }

  #planOf({ mailbox: guid, path, groups, failure, changing }: PlannedMailbox): MailboxPlan {
    const held = this.#heldByPath.get(path);
    const heldBack = held === undefined ? [] : [heldBackAction(held.messages, held.uids)];
    const common = { mailbox: mailboxName(path), guid, changing, actions: [...groups.map(actionOf), ...heldBack] };
    return failure === undefined ? common : { ...common, failure };
  }
}
