/**
 * Live lag: messages are delivered into one INBOX as Dovecot's LMTP does it on files, at a steady rate; a third process notes
 * when each becomes visible on the replica.
 *
 * The lag runs from just before the rename into the source's new/ to the name's appearance in the replica's cur/ or new/. CPU
 * is that of the mailtwin processes, all threads, divided by the deliveries. A fourth process asks the disk all the while how
 * long one durable write takes: no mail is visible before several of these.
 */
import { deliver } from "../dovecot/deliver.js";
import { compareInThreads } from "../equal/compare-in-threads.js";
import { DEFAULT_COMPARE } from "../equal/compare-stores.js";
import { monotonicMs, pause } from "../measure/clock.js";
import { type DiskProbe, probeDisk } from "../measure/disk-floor.js";
import { atRate } from "../measure/pace.js";
import { percentilesOf } from "../measure/percentiles.js";
import { type DiskFloor, lagOutside, type Stretch, stallsIn, summarizeFloor } from "../measure/stalls.js";
import { type Arrivals, watchArrivals } from "./arrivals.js";
import { startDaemonPair } from "./daemon-pair.js";
import { composeBodies } from "./deliveries.js";
import { prepareTwin } from "./live-twin.js";
import { cpuOf, memoryOf, startTwin, type TwinProcess } from "./twin-process.js";
import { type LiveResult, mailsOf, type Result, verdictOf, type Workload, type WorkloadContext } from "./workload.js";

interface Phase {
  readonly perSecond: number;
  readonly seconds: number;
}

const INBOX_SIZES = [1000, 10_000, 500_000];
const PHASES: readonly Phase[] = [
  { perSecond: 5, seconds: 40 },
  { perSecond: 100, seconds: 20 },
];
const QUICK_INBOX_SIZES = [500];
const QUICK_PHASES: readonly Phase[] = [
  { perSecond: 5, seconds: 4 },
  { perSecond: 100, seconds: 3 },
];
const LIVE_MS_MAX = 900_000;
const ARRIVAL_MS_MAX = 15_000;
/** Between becoming live and the first delivery: what the disk does when nobody delivers. */
const AT_REST_MS = 10_000;
/** The same in a quick run, and between phases. */
const REST_MS = 1000;
const DELIVERY_SEED = 77;

export const live: Workload = {
  name: "live",
  title: "delivery to visible on the replica, into one INBOX, by one `sync --watch`",
  run: (context) => runInboxes(context, { name: "live", start: startTwin }),
};

/** What a site has: each end its own process, with its own state, and TLS between them. */
export const daemons: Workload = {
  name: "daemons",
  title: "the same by two daemons over TLS on loopback",
  run: (context) => runInboxes(context, { name: "daemons", start: startDaemonPair }),
};

interface Contestant {
  readonly name: "live" | "daemons";
  readonly start: typeof startTwin;
}

async function runInboxes(context: WorkloadContext, contestant: Contestant): Promise<readonly Result[]> {
  if (!context.contenders.includes("mailtwin")) return [];
  const sizes = context.mails ?? (context.quick ? QUICK_INBOX_SIZES : INBOX_SIZES);
  const results: Result[] = [];
  for (const mails of [...sizes].sort((a, b) => a - b)) results.push(...(await runInbox(context, mails, contestant)));
  return results;
}

type Unjudged = Omit<LiveResult, "equal" | "differences">;

async function runInbox(
  context: WorkloadContext,
  nominalMails: number,
  { name, start }: Contestant,
): Promise<readonly Result[]> {
  const { workspace, say, quick } = context;
  const phases = quick ? QUICK_PHASES : PHASES;
  const deliveries = phases.reduce((sum, { perSecond, seconds }) => sum + perSecond * seconds, 0);
  const { copying, mails } = await prepareTwin(context, nominalMails, deliveries);
  const bodies = composeBodies(deliveries, DELIVERY_SEED + mails - nominalMails);
  const rows: Unjudged[] = [];
  {
    await using twin = await start(context.mailtwin, copying, LIVE_MS_MAX);
    await using arrivals = await watchArrivals([copying.target]);
    await using probe = await probeDisk(workspace.fresh("disk-floor"));
    const diskAtRest = await restFor(probe, quick ? REST_MS : AT_REST_MS);
    for (const phase of phases) {
      await pause(REST_MS);
      const measured = await runPhase({ source: copying.source, phase, bodies, twin, arrivals, probe });
      const row = { kind: "live", workload: name, size: mailsOf(mails), mails, diskAtRest, ...measured } as const;
      const { lagMs, lagOutsideStalls, disk } = row;
      say(
        `  INBOX of ${mails}, ${phase.perSecond} a second: p50 ${lagMs.p50} ms, p99 ${lagMs.p99} ms, ` +
          `p99 without stalls ${lagOutsideStalls.p99 ?? "none"} ms (${lagOutsideStalls.leftOut} left out), ` +
          `disk p99 ${disk.p99} ms, ${disk.stalls.length} stalls, lost ${row.lost}`,
      );
      rows.push(row);
    }
    for (const problem of twin.problems()) say(`  mailtwin reported: ${JSON.stringify(problem)}`);
    await twin.stop();
  }
  say(`  comparing both trees of ${mails + deliveries} mails`);
  const startMs = monotonicMs();
  const verdict = verdictOf(await compareInThreads(copying.source, copying.target, DEFAULT_COMPARE, say));
  say(`  ${verdict.equal ? "equal" : "NOT EQUAL"}, compared in ${((monotonicMs() - startMs) / 1000).toFixed(1)} s`);
  return rows.map((row) => ({ ...row, ...verdict }));
}

/** The disk floor while nothing is delivered. */
async function restFor(probe: DiskProbe, ms: number): Promise<DiskFloor> {
  const fromMs = monotonicMs();
  await pause(ms);
  return summarizeFloor(await probe.writes(), { fromMs, toMs: monotonicMs() });
}

interface PhaseWork {
  readonly source: string;
  readonly phase: Phase;
  /** Taken from the end. */
  readonly bodies: Buffer[];
  readonly twin: TwinProcess;
  readonly arrivals: Arrivals;
  readonly probe: DiskProbe;
}

type PhaseResult = Omit<Unjudged, "kind" | "workload" | "size" | "mails" | "diskAtRest">;

async function runPhase({ source, phase, bodies, twin, arrivals, probe }: PhaseWork): Promise<PhaseResult> {
  await probe.writes(); // what went before is not of this phase.
  const cpuBeforeMs = cpuOf(twin);
  const fromMs = monotonicMs();
  const deliveredAtMs = new Map<string, number>();
  await atRate(phase, () => {
    const body = bodies.pop();
    if (body === undefined) throw new RangeError("fewer bodies than deliveries");
    const delivery = deliver(source, body, { sync: false });
    deliveredAtMs.set(delivery.base, delivery.atMs);
  });
  const arrivedAtMs = await arrivals.waitFor([...deliveredAtMs.keys()], ARRIVAL_MS_MAX);
  const cpuMs = cpuOf(twin) - cpuBeforeMs;
  const writes = await probe.writes();
  const mails: Stretch[] = [];
  for (const [base, atMs] of deliveredAtMs) {
    const arrivedMs = arrivedAtMs.get(base);
    if (arrivedMs !== undefined) mails.push({ fromMs: atMs, toMs: arrivedMs });
  }
  return {
    ...phase,
    delivered: deliveredAtMs.size,
    lost: deliveredAtMs.size - mails.length,
    lagMs: percentilesOf(mails.map(({ fromMs, toMs }) => toMs - fromMs)),
    lagOutsideStalls: lagOutside(stallsIn(writes), mails),
    disk: summarizeFloor(writes, { fromMs, toMs: monotonicMs() }),
    cpuMsPerDelivery: cpuMs / deliveredAtMs.size,
    memory: memoryOf(twin),
  };
}
