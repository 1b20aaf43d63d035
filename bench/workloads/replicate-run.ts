/**
 * One who replicates, from two equal Maildirs with a Dovecot each to a verdict.
 *
 * A third process of its own for each side notes when names appear in cur/ and new/: the lag of a mail is from its name at the
 * source to its name on the replica, whatever names these are. CPU is taken until all has arrived and two seconds have passed, so
 * what follows a mail (a uidlist that is copied, a dsync that finds nothing) is in it.
 */
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { compareInThreads } from "../equal/compare-in-threads.js";
import type { StoreComparison } from "../equal/compare-stores.js";
import { monotonicMs, pause } from "../measure/clock.js";
import { openCpuAccount } from "../measure/cpu-account.js";
import { atRate } from "../measure/pace.js";
import { percentilesOf } from "../measure/percentiles.js";
import { runToEnd } from "../measure/run-contender.js";
import { USER } from "../replicators/dovecot-config.js";
import { startSite } from "../replicators/dovecot-site.js";
import { type Lmtp, openLmtp } from "../replicators/lmtp.js";
import { type ReplicatorName, startReplicator } from "../replicators/replicators.js";
import { type Arrivals, watchArrivals } from "./arrivals.js";
import { freePort } from "./daemon-pair.js";
import { type NumberedMail, readNumberedMails, whatIsNotKept } from "./numbered-mails.js";
import { type ReplicateResult, verdictOf, type WorkloadContext } from "./workload.js";

export interface Phase {
  readonly perSecond: number;
  readonly seconds: number;
}

export interface ReplicatorRun {
  readonly name: ReplicatorName;
  /** A Maildir that both sides begin with. */
  readonly tree: string;
  readonly warmUp: Phase;
  readonly phases: readonly Phase[];
  /** Numbered by their place, which is the order of delivery. */
  readonly messages: readonly Buffer[];
}

export type ReplicatorRow = Omit<ReplicateResult, "kind" | "contender" | "round" | "mails">;

/** Of the mail. No user needs to have this id, and Dovecot refuses root's. */
const OWNER = 12_321;
const SESSIONS = 4;
const ARRIVAL_MS_MAX = 30_000;
const POLL_MS = 100;
const SETTLE_MS = 2000;
const QUICK_SETTLE_MS = 300;
const PROBLEMS_MAX = 5;

/** Throws where a site or the replicator fails, or nothing arrives at all. */
export async function runReplicator(context: WorkloadContext, run: ReplicatorRun): Promise<readonly ReplicatorRow[]> {
  const { workspace, say } = context;
  const { name } = run;
  const homes = {
    source: await makeHome(workspace.fresh("home"), run.tree),
    target: await makeHome(workspace.fresh("home"), run.tree),
  };
  const [source, target] = [join(homes.source, "Maildir"), join(homes.target, "Maildir")];
  await using dovecots = openCpuAccount(workspace.root);
  await using own = openCpuAccount(workspace.root);
  const [here, there] = name === "replicator" ? [await freePort(), await freePort()] : [0, 0];
  const ends = { source: { ownPort: here, partnerPort: there }, target: { ownPort: there, partnerPort: here } };
  const siteOf = async (end: "source" | "target") => {
    const replication = name === "replicator" ? ends[end] : undefined;
    return await startSite({ dir: workspace.fresh("d"), owner: OWNER, home: homes[end], replication }, dovecots);
  };
  // The target first: a replicator that finds nobody at its first try waits for minutes. Its own one does, and has nothing to do.
  await using targetSite = await siteOf("target");
  await using sourceSite = await siteOf("source");
  await Promise.all([sourceSite.index(), targetSite.index()]);
  const phases: MeasuredPhase[] = [];
  let seen: Seen;
  {
    const paths = { source, target, scratch: workspace.fresh("own") };
    await using replicator = await startReplicator(name, paths, { mailtwin: context.mailtwin, account: own });
    await using atSource = await watchArrivals([source]);
    await using atTarget = await watchArrivals([target]);
    await using lmtp = await openLmtp(sourceSite.lmtpSocket, { user: USER, sessions: SESSIONS });
    const watching = { atSource, atTarget, isReplicated: name !== "nobody" };
    const settleMs = context.quick ? QUICK_SETTLE_MS : SETTLE_MS;
    let first = 0;
    const cpuMs = () => ({ dovecots: dovecots.cpuMs(), own: own.cpuMs() });
    for (const phase of [run.warmUp, ...run.phases]) {
      phases.push(await runPhase({ phase, first, messages: run.messages, lmtp, watching, cpuMs, settleMs }));
      first += phase.perSecond * phase.seconds;
    }
    seen = { source: await mailsSeen(atSource), target: await mailsSeen(atTarget) };
    for (const problem of replicator.problems()) say(`  ${name} reported: ${problem}`);
    await replicator.stop();
  }
  const sites = [sourceSite, targetSite];
  await Promise.all(sites.map((site) => site.stop()));
  for (const problem of sites.flatMap((site) => site.problems().slice(0, PROBLEMS_MAX)))
    say(`  Dovecot reported: ${problem}`);
  const mails = {
    source: readNumberedMails(source, (base) => seen.source.has(base)),
    target: readNumberedMails(target, (base) => seen.target.has(base)),
  };
  const isReplicated = name !== "nobody";
  const verdict = isReplicated ? await compareInThreads(source, target) : undefined;
  const notKept = isReplicated ? [...whatIsNotKept(mails.source, mails.target), ...sumUp(name, verdict)] : [];
  const judged = { equal: verdict?.equal, notKept, differences: differencesOf(name, verdict) };
  // The first phase was to warm up.
  return phases.slice(1).map((phase) => ({ ...rowOf({ phase, seen, mails, isReplicated }), cpuBy: own.by, ...judged }));
}

/** A home with a copy of the tree, whose owner has it all. */
async function makeHome(home: string, tree: string): Promise<string> {
  mkdirSync(home);
  chmodSync(home, 0o755);
  await runToEnd(["cp", "-a", "-T", tree, join(home, "Maildir")]);
  await runToEnd(["chown", "-R", `${OWNER}:${OWNER}`, home]);
  return home;
}

interface Watching {
  readonly atSource: Arrivals;
  readonly atTarget: Arrivals;
  readonly isReplicated: boolean;
}

interface PhaseWork {
  readonly phase: Phase;
  /** The number of its first message. */
  readonly first: number;
  readonly messages: readonly Buffer[];
  readonly lmtp: Lmtp;
  readonly watching: Watching;
  readonly cpuMs: () => { readonly dovecots: number; readonly own: number };
  readonly settleMs: number;
}

interface MeasuredPhase {
  readonly phase: Phase;
  readonly first: number;
  readonly count: number;
  readonly tookSeconds: number;
  readonly replyMs: readonly number[];
  readonly cpuMs: { readonly dovecots: number; readonly own: number };
}

async function runPhase({
  phase,
  first,
  messages,
  lmtp,
  watching,
  cpuMs,
  settleMs,
}: PhaseWork): Promise<MeasuredPhase> {
  const before = cpuMs();
  const startMs = monotonicMs();
  const replies: Promise<number>[] = [];
  const firstSeen = watching.isReplicated ? (await mailsSeen(watching.atTarget)).size : 0;
  await atRate(phase, (at) => {
    const message = messages[first + at];
    if (message === undefined) throw new RangeError("fewer messages than deliveries");
    const dueMs = monotonicMs();
    replies.push(lmtp.deliver(message).then((repliedMs) => repliedMs - dueMs));
  });
  const replyMs = await Promise.all(replies);
  const tookSeconds = (monotonicMs() - startMs) / 1000;
  if (watching.isReplicated) await untilSeen(watching.atTarget, firstSeen + replyMs.length);
  await pause(settleMs);
  const after = cpuMs();
  return {
    ...{ phase, first, tookSeconds, replyMs },
    count: replyMs.length,
    cpuMs: { dovecots: after.dovecots - before.dovecots, own: after.own - before.own },
  };
}

/** Waits until so many names have appeared, or the time is up: then what is missing counts as lost. */
async function untilSeen(arrivals: Arrivals, count: number): Promise<void> {
  const deadlineMs = monotonicMs() + ARRIVAL_MS_MAX;
  while ((await mailsSeen(arrivals)).size < count && monotonicMs() < deadlineMs) await pause(POLL_MS);
}

/** Without the temporary files of rsync, whose names begin with a dot. */
async function mailsSeen(arrivals: Arrivals): Promise<ReadonlyMap<string, number>> {
  return new Map([...(await arrivals.atMsByBase())].filter(([base]) => !base.startsWith(".")));
}

interface Seen {
  readonly source: ReadonlyMap<string, number>;
  readonly target: ReadonlyMap<string, number>;
}

interface Judging {
  readonly phase: MeasuredPhase;
  readonly seen: Seen;
  readonly mails: Readonly<Record<"source" | "target", ReadonlyMap<number, readonly NumberedMail[]>>>;
  readonly isReplicated: boolean;
}

function rowOf({ phase, seen, mails, isReplicated }: Judging) {
  const lags: number[] = [];
  for (let number = phase.first; number < phase.first + phase.count; number++) {
    const atMs = firstOf(mails.source.get(number), seen.source);
    if (atMs === undefined) throw new Error(`Dovecot accepted message ${number}, and it is not in the source's INBOX`);
    const arrivedMs = firstOf(mails.target.get(number), seen.target);
    if (arrivedMs !== undefined) lags.push(Math.max(0, arrivedMs - atMs));
  }
  return {
    ...phase.phase,
    delivered: phase.count,
    tookSeconds: phase.tookSeconds,
    lagMs: isReplicated ? percentilesOf(lags) : undefined,
    replyMs: percentilesOf(phase.replyMs),
    lost: isReplicated ? phase.count - lags.length : 0,
    dovecotCpuMsPerDelivery: phase.cpuMs.dovecots / phase.count,
    ownCpuMsPerDelivery: phase.cpuMs.own / phase.count,
  };
}

/** When the first of these was seen. */
function firstOf(mails: readonly NumberedMail[] = [], atMsByBase: ReadonlyMap<string, number>): number | undefined {
  const all = mails.flatMap(({ base }) => atMsByBase.get(base) ?? []);
  return all.length === 0 ? undefined : Math.min(...all);
}

/** What the comparer found, as counts: of a peer it is told, not held against it. */
function sumUp(name: ReplicatorName, verdict: StoreComparison | undefined): readonly string[] {
  if (name === "mailtwin" || verdict === undefined) return [];
  return Object.entries(verdict.countByKind).map(([kind, count]) => `${kind} ${count}`);
}

function differencesOf(name: ReplicatorName, verdict: StoreComparison | undefined): readonly string[] {
  return name === "mailtwin" && verdict !== undefined ? verdictOf(verdict).differences : [];
}
