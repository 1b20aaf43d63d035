/** `verify` asked of a running daemon: a source and its replicas, compared while mail comes and goes. */
import { RESYNC_ASKED } from "../../agent/recovery.js";
import { RemoteSide } from "../../agent/remote-side.js";
import type { ReplayAgent } from "../../agent/replay-agent.js";
import type { Clock } from "../../base/clock.js";
import { MailtwinError } from "../../base/errors.js";
import type { RejectionRow } from "../../log/state-types.js";
import type { MailboxGuid, Uid } from "../../maildir/ids.js";
import type { MailboxDifference } from "../../resync/differences.js";
import { damagedIn, type Judged, judgeDifferences, trustedIn } from "../../resync/judge-bodies.js";
import { LocalSide } from "../../resync/local-side.js";
import { type Verdict, type VerifyPorts, verifyStores } from "../../resync/verify-stores.js";
import { witnessesOf } from "../body-notes.js";
import type { VerifiedReplica, VerifyWish } from "../control/daemon-control.js";
import { isInSample } from "../verify/deep.js";
import { REPLICATED } from "../verify/difference-words.js";
import { underWayTo } from "../verify/under-way.js";
import { told } from "../verify/verdict-told.js";
import type { ReplicaRunner } from "./replica-runner.js";
import type { SourceStore } from "./source-store.js";
import { LOOKS } from "./turns.js";

export interface VerifyOptions extends VerifyWish {
  readonly clock: Clock;
}

interface Served {
  readonly name: string;
  readonly store: SourceStore;
  readonly runner: ReplicaRunner;
}

interface Parts {
  readonly source: Pick<SourceStore, "side">;
  readonly runner: Pick<ReplicaRunner, "withAgent" | "agent" | "name">;
}

interface JudgedVerdict extends Verdict {
  readonly judged: Judged;
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
    const repaired = options.repair === true ? await mend({ runner, source }, first, options, signal) : 0;
    const last = repaired > 0 ? await compareWith(agent, { source, runner }, options, signal) : first;
    const left = options.repair === true ? last.differences.filter((it) => !mayMend(it, options)).length : 0;
    const elapsedMs = Math.round(clock.monotonicMs() - startMs);
    return { ...target, kind: "verified", ...told(last, REPLICATED), repaired, left, elapsedMs };
  } catch (error) {
    signal.throwIfAborted();
    runner.judge(agent, error);
    if (!(error instanceof MailtwinError)) throw error;
    return { ...target, kind: "unverified", code: error.code, words: error.message };
  }
}

function compareWith(
  agent: ReplayAgent,
  served: Pick<Served, "runner"> & { readonly source: SourceStore },
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<JudgedVerdict> {
  return LOOKS.take(agent, () => compareNow(agent, served, options, signal), signal);
}

async function compareNow(
  agent: ReplayAgent,
  { source, runner }: Pick<Served, "runner"> & { readonly source: SourceStore },
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<JudgedVerdict> {
  const own = new LocalSide(source.sums, (path) => runner.mayHave(path));
  const sides = { a: own, b: new RemoteSide(agent.asker) };
  const settle = (inner: AbortSignal) => settled(agent, source, options, inner);
  const { sample } = options;
  const deep = sample === undefined ? undefined : { isChosen: isInSample(sample), onProgress: () => undefined };
  const { reader } = source.side;
  const underWay: VerifyPorts["underWay"] = async (differences) => underWayTo(reader, runner.name, differences);
  const verdict = await verifyStores({ sides, settle, underWay, deep }, signal);
  const judging = { sides, ...witnessesOf(source.side) };
  return { ...verdict, ...(await judgeDifferences(judging, verdict.differences, signal)) };
}

/** False for one of another UIDVALIDITY, unless that is accepted. */
function mayMend(
  { findings }: MailboxDifference,
  { acceptsUidValidity }: Pick<VerifyWish, "acceptsUidValidity">,
): boolean {
  return acceptsUidValidity === true || !findings.some(({ kind }) => kind === "uidvalidity");
}

/**
 * Has the mailboxes that differ compared by the agent, and waits until that is done, or was refused, or the link has ended. A body is
 * written over only where it is known to be the bad one, or a person trusts the source. Returns how many mailboxes that were.
 */
async function mend(
  { runner, source }: Pick<Parts, "runner" | "source">,
  { differences, judged }: JudgedVerdict,
  { clock, acceptsUidValidity = false, trustSource = false }: VerifyOptions,
  signal: AbortSignal,
): Promise<number> {
  const damaged = damagedIn(judged, trustSource);
  const isToMend = (it: MailboxDifference) => {
    const { guid, findings, further } = it;
    return (
      mayMend(it, { acceptsUidValidity }) &&
      guid !== undefined &&
      (damaged.has(guid) || further > 0 || findings.some(({ kind }) => kind !== "body"))
    );
  };
  const guids = new Set(differences.filter(isToMend).flatMap(({ guid }) => guid ?? []));
  if (trustSource) await source.side.notes.note(trustedIn(judged), true);
  await mendMailboxes({ runner, source }, new Map([...guids].map((guid) => [guid, [...(damaged.get(guid) ?? [])]])), {
    clock,
    acceptsUidValidity,
    signal,
  });
  return guids.size;
}

/** By GUID what of it is known to be damaged. */
export async function mendMailboxes(
  { runner, source }: Pick<Parts, "runner" | "source">,
  damagedByGuid: ReadonlyMap<MailboxGuid, readonly Uid[]>,
  {
    clock,
    acceptsUidValidity = false,
    signal,
  }: { readonly clock: Pick<Clock, "sleep">; readonly acceptsUidValidity?: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const guids = new Set(damagedByGuid.keys());
  for (const [guid, damaged] of damagedByGuid)
    await runner.withAgent(async (agent) => agent?.resync(guid, { damaged, acceptsUidValidity }));
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
