/** `verify` asked of a running daemon: a source and its replicas, compared while mail comes and goes. */
import { RemoteSide } from "../../agent/remote-side.js";
import type { ReplayAgent } from "../../agent/replay-agent.js";
import type { Clock } from "../../base/clock.js";
import { MailtwinError } from "../../base/errors.js";
import { LocalSide } from "../../resync/local-side.js";
import { verifyStores } from "../../resync/verify-stores.js";
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
  const own = new LocalSide(source.sums, (path) => runner.mayHave(path));
  const sides = { a: own, b: new RemoteSide(agent.asker) };
  try {
    const settle = (inner: AbortSignal) => settled(agent, source, options, inner);
    const startMs = options.clock.monotonicMs();
    const { sample } = options;
    const deep = sample === undefined ? undefined : { isChosen: isInSample(sample), onProgress: () => undefined };
    const verdict = told(await verifyStores({ sides, settle, deep }, signal), REPLICATED);
    return { ...target, kind: "verified", ...verdict, elapsedMs: Math.round(options.clock.monotonicMs() - startMs) };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof MailtwinError)) throw error;
    return { ...target, kind: "unverified", code: error.code, words: error.message };
  }
}

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
