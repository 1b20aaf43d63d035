/** `verify` asked of a running daemon: a source and its replicas, compared while mail comes and goes. */
import { RESYNC_ASKED } from "../../agent/recovery.js";
import { RemoteSide } from "../../agent/remote-side.js";
import type { ReplayAgent } from "../../agent/replay-agent.js";
import type { Clock } from "../../base/clock.js";
import { MailtwinError } from "../../base/errors.js";
import type { RejectionRow } from "../../log/state-types.js";
import type { MailboxDifference } from "../../resync/differences.js";
import { LocalSide } from "../../resync/local-side.js";
import { type Verdict, verifyStores } from "../../resync/verify-stores.js";
import type { VerifiedReplica, VerifyWish } from "../control/daemon-control.js";
import { isInSample } from "../verify/deep.js";
import { REPLICATED } from "../verify/difference-words.js";
import { told } from "../verify/verdict-told.js";
import type { ReplicaRunner } from "./replica-runner.js";
import type { SourceStore } from "./source-store.js";

export interface VerifyOptions extends VerifyWish {
  readonly clock: Clock;
}

interface Served {
  readonly name: string;
  readonly store: SourceStore;
  readonly runner: ReplicaRunner;
}

/** For a replica that is cut off, or hangs, while it is waited for. */
const ACKED_MS_MAX = 60_000;

/** Why it could not be compared is an answer; only the client's going ends it. Throws: the abort reason. */
export async function verifyReplica(
  { name: store, store: source, runner }: Served,
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<VerifiedReplica> {
  const target = { store, replica: runner.name };
  const { agent } = runner;
  if (agent === undefined) {
    const why = runner.isPaused ? "it is paused" : "it is not connected";
    return {
      ...target,
      kind: "unverified",
      code: "replica-away",
      words: `${why}, and can be compared when it is there`,
    };
  }
  const { clock } = options;
  const startMs = clock.monotonicMs();
  try {
    const first = await compareWith(agent, { source, runner }, options, signal);
    const toMend = options.repair === true ? first.differences.filter((it) => mayMend(it, options)) : [];
    if (toMend.length > 0) await mend(runner, source, toMend, options, signal);
    const last = toMend.length > 0 ? await compareWith(agent, { source, runner }, options, signal) : first;
    const left = options.repair === true ? last.differences.filter((it) => !mayMend(it, options)).length : 0;
    const [repaired, elapsedMs] = [toMend.length, Math.round(clock.monotonicMs() - startMs)];
    return { ...target, kind: "verified", ...told(last, REPLICATED), repaired, left, elapsedMs };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof MailtwinError)) throw error;
    return { ...target, kind: "unverified", code: error.code, words: error.message };
  }
}

async function compareWith(
  agent: ReplayAgent,
  { source, runner }: { readonly source: SourceStore; readonly runner: ReplicaRunner },
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<Verdict> {
  const own = new LocalSide(source.sums, (path) => runner.mayHave(path));
  const sides = { a: own, b: new RemoteSide(agent.asker) };
  const settle = (inner: AbortSignal) => settled(agent, source, options, inner);
  const { sample } = options;
  const deep = sample === undefined ? undefined : { isChosen: isInSample(sample), onProgress: () => undefined };
  return verifyStores({ sides, settle, deep }, signal);
}

/** False for one of another UIDVALIDITY, unless that is accepted. */
function mayMend({ findings }: MailboxDifference, { acceptsUidValidity }: VerifyWish): boolean {
  return acceptsUidValidity === true || !findings.some(({ kind }) => kind === "uidvalidity");
}

/** Has the mailboxes that differ compared by the agent, and waits until that is done, or was refused, or the link has ended. */
async function mend(
  runner: ReplicaRunner,
  source: SourceStore,
  differences: readonly MailboxDifference[],
  { clock, acceptsUidValidity = false }: VerifyOptions,
  signal: AbortSignal,
): Promise<void> {
  const guids = new Set(differences.flatMap(({ guid }) => guid ?? []));
  for (const { guid, findings } of differences) {
    const damaged = findings.flatMap((it) => (it.kind === "body" ? [it.uid] : []));
    if (guid !== undefined)
      await runner.withAgent(async (agent) => agent?.resync(guid, { damaged, acceptsUidValidity }));
  }
  const { reader } = source.side;
  const isAsked = ({ mailbox, code }: RejectionRow) => guids.has(mailbox) && code === RESYNC_ASKED;
  const isLeft = () => runner.agent?.isMending === true || reader.rejections(runner.name).some(isAsked);
  while (runner.agent !== undefined && isLeft()) await clock.sleep(MEND_LOOK_MS, signal);
}

const MEND_LOOK_MS = 100;

/** What had changed has been captured, and all that was captured is applied, or will not be soon. */
async function settled(
  agent: ReplayAgent,
  { side }: SourceStore,
  { settleMs, clock }: VerifyOptions,
  signal: AbortSignal,
): Promise<void> {
  await clock.sleep(settleMs, signal);
  const late = AbortSignal.timeout(ACKED_MS_MAX);
  await agent.untilAcked(side.reader.lastLsn(), AbortSignal.any([signal, late])).catch(() => signal.throwIfAborted());
}
