/**
 * Live lag: messages are delivered into one INBOX as Dovecot's LMTP does it on files, at a steady rate; a third process notes
 * when each becomes visible on the replica.
 *
 * The lag runs from just before the rename into the source's new/ to the name's appearance in the replica's cur/ or new/. CPU
 * is that of the mailtwin process, all threads, divided by the deliveries.
 */
import { build } from "hdr-histogram-js";
import { deliver } from "../dovecot/deliver.js";
import { compareStores } from "../equal/compare-stores.js";
import { composeMail } from "../generate/mail.js";
import { MailBuffer } from "../generate/mail-buffer.js";
import { makeProse } from "../generate/prose.js";
import { createRandom } from "../generate/random.js";
import { MAIL_BYTES_MAX, mailSizeSampler } from "../generate/shape.js";
import { pause, unixMs } from "../measure/clock.js";
import { mailtwinSync } from "../measure/contenders.js";
import { atRate } from "../measure/pace.js";
import { runToEnd } from "../measure/run-contender.js";
import { treeBytes } from "../measure/workspace.js";
import { type Arrivals, watchArrivals } from "./arrivals.js";
import { startTwin, type TwinProcess } from "./twin-process.js";
import {
  chosenSizes,
  type LiveResult,
  mailsOf,
  type Result,
  verdictOf,
  type Workload,
  type WorkloadContext,
} from "./workload.js";

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
const INBOX_MEAN_BYTES = 1800;
const DELIVERED_MEAN_BYTES = 10_000;
const LIVE_MS_MAX = 900_000;
const ARRIVAL_MS_MAX = 15_000;
/** Between becoming live and the first delivery, and between phases. */
const REST_MS = 1000;
const DELIVERY_SEED = 77;

export const live: Workload = {
  name: "live",
  title: "delivery to visible on the replica, into one INBOX",
  run: async (context) => {
    if (!context.contenders.includes("mailtwin")) return [];
    const results: Result[] = [];
    for (const mails of chosenSizes(context, context.quick ? QUICK_INBOX_SIZES : INBOX_SIZES, (size) => size))
      results.push(...(await runInbox(context, mails)));
    return results;
  },
};

type Unjudged = Omit<LiveResult, "equal" | "differences">;

async function runInbox(context: WorkloadContext, mails: number): Promise<readonly Result[]> {
  const { workspace, say } = context;
  const shape = { mails, mailboxes: 1, meanBytes: INBOX_MEAN_BYTES };
  workspace.needSpace(2 * treeBytes(shape));
  const source = workspace.freshTree(shape);
  const target = workspace.fresh("live-copy");
  const copying = { source, target, state: workspace.fresh("live-state") };
  const [program = "", ...args] = mailtwinSync(context.mailtwin, copying);
  await runToEnd([program, ...args]); // seeded before: memory and lag are those of a twin that watches.
  const bodies = composeBodies(context.quick ? QUICK_PHASES : PHASES);
  await using twin = await startTwin(context.mailtwin, copying, LIVE_MS_MAX);
  await using arrivals = await watchArrivals([target]);
  const rows: Unjudged[] = [];
  for (const phase of context.quick ? QUICK_PHASES : PHASES) {
    await pause(REST_MS);
    const row = {
      kind: "live",
      workload: "live",
      size: mailsOf(mails),
      ...(await runPhase({ source, phase, bodies, twin, arrivals })),
    } as const;
    say(
      `  INBOX of ${mails}, ${phase.perSecond} a second: p50 ${row.lagMs.p50} ms, p99 ${row.lagMs.p99} ms, lost ${row.lost}`,
    );
    rows.push(row);
  }
  for (const problem of twin.problems()) say(`  mailtwin reported: ${JSON.stringify(problem)}`);
  await twin.stop();
  const verdict = verdictOf(compareStores(source, target));
  return rows.map((row) => ({ ...row, ...verdict }));
}

interface PhaseWork {
  readonly source: string;
  readonly phase: Phase;
  /** Taken from the end; no two are alike, so that none can be linked from a message that is there already. */
  readonly bodies: Buffer[];
  readonly twin: TwinProcess;
  readonly arrivals: Arrivals;
}

async function runPhase({
  source,
  phase,
  bodies,
  twin,
  arrivals,
}: PhaseWork): Promise<Omit<Unjudged, "kind" | "workload" | "size">> {
  const before = twin.stat();
  const deliveredAtMs = new Map<string, number>();
  await atRate(phase, () => {
    const body = bodies.pop();
    if (body === undefined) throw new RangeError("fewer bodies than deliveries");
    const delivery = deliver(source, body, { sync: false });
    deliveredAtMs.set(delivery.base, delivery.atMs);
  });
  const arrivedAtMs = await arrivals.waitFor([...deliveredAtMs.keys()], ARRIVAL_MS_MAX);
  const after = twin.stat();
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  });
  let lost = 0;
  for (const [base, atMs] of deliveredAtMs) {
    const arrivedMs = arrivedAtMs.get(base);
    if (arrivedMs === undefined) lost++;
    else histogram.recordValue(Math.max(1, Math.round((arrivedMs - atMs) * 1000)));
  }
  const percentile = (p: number): number => Math.round(histogram.getValueAtPercentile(p) / 10) / 100;
  return {
    ...phase,
    delivered: deliveredAtMs.size,
    lost,
    lagMs: { p50: percentile(50), p90: percentile(90), p99: percentile(99), max: percentile(100) },
    cpuMsPerDelivery: (after.cpuMs - before.cpuMs) / deliveredAtMs.size,
    rssBytes: after.rssBytes,
    peakRssBytes: after.peakRssBytes,
  };
}

function composeBodies(phases: readonly Phase[]): Buffer[] {
  const count = phases.reduce((sum, { perSecond, seconds }) => sum + perSecond * seconds, 0);
  const prose = makeProse(DELIVERY_SEED);
  const buffer = new MailBuffer(MAIL_BYTES_MAX);
  const random = createRandom(DELIVERY_SEED, 0);
  const sizeOf = mailSizeSampler(DELIVERED_MEAN_BYTES);
  const dateS = Math.floor(unixMs() / 1000);
  return Array.from({ length: count }, (_, index) => {
    composeMail(
      { seed: DELIVERY_SEED, index, bytes: sizeOf(random), dateS, recipient: "user0001@example.net" },
      prose,
      buffer,
    );
    return Buffer.from(buffer.bytes());
  });
}
