/**
 * More than a Dovecot would make: changes are written as files at a steady rate, and in one burst, and a process of its own says
 * how far the replica is behind. A backlog that grows is a rate that cannot be kept.
 */
import { deliver } from "../dovecot/deliver.js";
import { listMessages, type StoredMessage } from "../dovecot/list-messages.js";
import { toggleFlagged } from "../dovecot/store-many.js";
import { compareInThreads } from "../equal/compare-in-threads.js";
import { DEFAULT_COMPARE } from "../equal/compare-stores.js";
import { monotonicMs, pause } from "../measure/clock.js";
import { atRate } from "../measure/pace.js";
import { type Backlog, type BacklogSample, watchBacklog } from "./backlog.js";
import { startDaemonPair } from "./daemon-pair.js";
import { composeBodies } from "./deliveries.js";
import { prepareTwin } from "./live-twin.js";
import { cpuOf, memoryOf, type TwinProcess } from "./twin-process.js";
import { type BurstResult, type Result, verdictOf, type Workload, type WorkloadContext } from "./workload.js";

interface Rate {
  readonly perSecond: number;
  readonly seconds: number;
}

interface Size {
  readonly mails: number;
  readonly arrivals: Rate;
  readonly renames: Rate;
  readonly burst: number;
}

const SIZE: Size = {
  mails: 30_000,
  arrivals: { perSecond: 500, seconds: 20 },
  renames: { perSecond: 5000, seconds: 10 },
  burst: 25_000,
};
const QUICK_SIZE: Size = {
  mails: 600,
  arrivals: { perSecond: 100, seconds: 1 },
  renames: { perSecond: 500, seconds: 1 },
  burst: 500,
};
/** Renames of one moment are one STORE. */
const STORES_PER_SECOND = 100;
const SAMPLES_PER_RUN = 10;
const LIVE_MS_MAX = 900_000;
const DRAIN_MS_MAX = 60_000;
const REST_MS = 1000;
const SEED = 79;

export const bursts: Workload = {
  name: "bursts",
  title: "arrivals and flag changes as fast as files, by two daemons over TLS",
  run: async (context) => {
    if (!context.contenders.includes("mailtwin")) return [];
    const size = context.quick ? QUICK_SIZE : SIZE;
    const results: Result[] = [];
    for (const mails of context.mails ?? [size.mails]) results.push(...(await runSize(context, { ...size, mails })));
    return results;
  },
};

type Unjudged = Omit<BurstResult, "equal" | "differences">;

async function runSize(context: WorkloadContext, size: Size): Promise<readonly Result[]> {
  const { say } = context;
  const arrivals = size.arrivals.perSecond * size.arrivals.seconds;
  const { copying, mails } = await prepareTwin(context, size.mails, arrivals);
  const { source, target } = copying;
  const bodies = composeBodies(arrivals, SEED + mails - size.mails);
  const rows: Unjudged[] = [];
  {
    await using twin = await startDaemonPair(context.mailtwin, copying, LIVE_MS_MAX);
    await using backlog = await watchBacklog({ source, target });
    for (const drive of drivesOf(source, size, bodies)) {
      await pause(REST_MS);
      const row = { kind: "burst", mails, ...(await runDrive(drive, twin, backlog)) } as const;
      const drained = row.drainMs === undefined ? "not in time" : `${(row.drainMs / 1000).toFixed(2)} s after the last`;
      say(`  ${row.what}: made in ${(row.madeInMs / 1000).toFixed(2)} s, caught up ${drained}`);
      rows.push(row);
    }
    for (const problem of twin.problems()) say(`  mailtwin reported: ${JSON.stringify(problem)}`);
    await twin.stop();
  }
  const verdict = verdictOf(await compareInThreads(source, target, DEFAULT_COMPARE, say));
  return rows.map((row) => ({ ...row, ...verdict }));
}

interface Drive {
  readonly what: string;
  readonly changes: number;
  /** Makes all changes; resolves after the last. */
  readonly make: () => Promise<void>;
  /** Between samples while the changes are made. */
  readonly sampleEveryMs: number;
}

function drivesOf(source: string, size: Size, bodies: Buffer[]): readonly Drive[] {
  const { arrivals, renames, burst } = size;
  const store = new SpreadStore(source);
  const stores = { perSecond: Math.min(STORES_PER_SECOND, renames.perSecond), seconds: renames.seconds };
  const perStore = renames.perSecond / stores.perSecond;
  return [
    {
      what: `${arrivals.perSecond} arrivals/s for ${arrivals.seconds} s`,
      changes: arrivals.perSecond * arrivals.seconds,
      sampleEveryMs: (arrivals.seconds * 1000) / SAMPLES_PER_RUN,
      make: () =>
        atRate(arrivals, () => {
          const body = bodies.pop();
          if (body === undefined) throw new RangeError("fewer bodies than arrivals");
          deliver(source, body, { sync: false });
        }),
    },
    {
      what: `${renames.perSecond} flag changes/s for ${renames.seconds} s`,
      changes: renames.perSecond * renames.seconds,
      sampleEveryMs: (renames.seconds * 1000) / SAMPLES_PER_RUN,
      make: () => atRate(stores, () => store.toggleNext(perStore)),
    },
    {
      what: `${burst} flag changes at once`,
      changes: burst,
      sampleEveryMs: REST_MS,
      make: async () => store.toggleFirst(burst),
    },
  ];
}

/** STOREs that go all over the mailbox, and the names as they are by now. */
class SpreadStore {
  readonly #mailbox: string;
  #messages: StoredMessage[] = [];
  #next = 0;

  constructor(mailbox: string) {
    this.#mailbox = mailbox;
  }

  /** Each time the next `count` in an order that leaps about: 7919 is a prime, so all have their turn. */
  toggleNext(count: number): void {
    const all = this.#all();
    const places = Array.from({ length: count }, () => (this.#next++ * 7919) % all.length);
    this.#toggle(places);
  }

  /** The oldest `count` by one STORE. */
  toggleFirst(count: number): void {
    if (this.#all().length < count) throw new RangeError(`fewer than ${count} mails to flag`);
    this.#toggle(Array.from({ length: count }, (_, place) => place));
  }

  #toggle(places: readonly number[]): void {
    const all = this.#all();
    const changed = toggleFlagged(
      this.#mailbox,
      places.flatMap((place) => all[place] ?? []),
    );
    for (const [at, place] of places.entries()) {
      const message = changed[at];
      if (message !== undefined) all[place] = message;
    }
  }

  #all(): StoredMessage[] {
    if (this.#messages.length === 0)
      this.#messages = listMessages(this.#mailbox)
        .filter(({ path }) => path.startsWith("cur/"))
        .sort((a, b) => (a.base < b.base ? -1 : 1));
    return this.#messages;
  }
}

async function runDrive(drive: Drive, twin: TwinProcess, backlog: Backlog): Promise<Omit<Unjudged, "kind" | "mails">> {
  twin.forgetPeaks();
  const cpuBeforeMs = cpuOf(twin);
  const startMs = monotonicMs();
  const samples: BacklogSample[] = [];
  const making = Promise.resolve(drive.make()).then(monotonicMs);
  const isOver = making.then(
    () => true,
    () => true,
  );
  for (let at = 1; ; at++) {
    const waitMs = Math.max(0, startMs + at * drive.sampleEveryMs - monotonicMs());
    if (await Promise.race([isOver, pause(waitMs).then(() => false)])) break;
    samples.push(await backlog.sample(false));
  }
  const endMs = await making;
  samples.push(...(await backlog.untilNone(DRAIN_MS_MAX)));
  const last = samples.at(-1);
  const memory = memoryOf(twin);
  return {
    ...{ what: drive.what, changes: drive.changes, madeInMs: endMs - startMs, memory },
    drainMs: last?.behind === 0 ? Math.max(0, last.atMs - endMs) : undefined,
    backlog: samples.map(({ atMs, behind }) => ({ atMs: Math.round(atMs - startMs), behind })),
    cpuMsPerChange: (cpuOf(twin) - cpuBeforeMs) / drive.changes,
  };
}
