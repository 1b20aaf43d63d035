/**
 * What a resync of replicas would do, told and not done: the answer to `resync --dry-run`.
 */
import { MailtwinError } from "../../base/errors.js";
import type { MailboxRow } from "../../log/state-types.js";
import type { PlanQuery, ReplicaTarget, ResyncAnswer } from "../control/daemon-control.js";
import { findMailboxes } from "../control/find-mailbox.js";
import type { PlanAnswer, PlannedReplica } from "../control/plan-answer.js";
import { type PlanBudget, PlanOfReplica, planBudget } from "./plan-of-replica.js";
import type { ReplicaRunner } from "./replica-runner.js";
import type { SourceStore } from "./source-store.js";
import { wordsOfLimit } from "./user-rights.js";

/** What lets deletions go that are held back. */
const DELETIONS_COMMAND = "mailtwin deletions list";

interface Served {
  readonly name: string;
  readonly store: SourceStore;
  readonly runner: ReplicaRunner;
}

/** One after the other. Why one could not be compared is its answer. Throws: the abort reason. */
export async function planReplicas(
  chosen: readonly Served[],
  query: PlanQuery,
  signal: AbortSignal,
): Promise<PlanAnswer> {
  const isNamed = query.user !== undefined || query.mailbox !== undefined;
  const replicas: PlannedReplica[] = [];
  const limited: ResyncAnswer["limited"][number][] = [];
  const budget = planBudget(query.verbose === true);
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
  readonly budget: PlanBudget;
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
  const plan = new PlanOfReplica({ brake: store.side.capturer.brake, whoLetsGo: DELETIONS_COMMAND }, budget);
  try {
    const wish = rows === undefined ? "all" : new Set(rows.map(({ guid }) => guid));
    const isPlanned = await agent.plan(wish, (planned) => plan.add(planned), signal);
    if (isPlanned) return { ...target, kind: "planned", ...plan.told(agent.isComparing) };
    return unplanned(
      "replica-away",
      "it was connected a moment ago, or meets its source for the first time: ask again",
    );
  } catch (error) {
    signal.throwIfAborted();
    runner.judge(agent, error);
    if (!(error instanceof MailtwinError)) throw error;
    return unplanned(error.code, error.message);
  }
}
