/**
 * What a workload is: a named piece of work in sizes, run by contenders side by side, whose result must be equal.
 */
import type { StoreComparison } from "../equal/compare-stores.js";
import type { ContenderName } from "../measure/contenders.js";
import type { Percentiles } from "../measure/percentiles.js";
import type { Spread } from "../measure/spread.js";
import type { DiskFloor, LagOutsideStalls } from "../measure/stalls.js";
import type { Workspace } from "../measure/workspace.js";
import type { ReplicatorName } from "../replicators/replicators.js";

export interface WorkloadContext {
  readonly workspace: Workspace;
  readonly contenders: readonly ContenderName[];
  /** How mailtwin is called, before `sync`. */
  readonly mailtwin: readonly string[];
  /** Tiny sizes: to see that everything works, not to measure. */
  readonly quick: boolean;
  /** Overrides the workload's own number of rounds. */
  readonly rounds?: number | undefined;
  /** Only sizes of so many mails. */
  readonly mails?: readonly number[] | undefined;
  /** Who replicates between two Dovecots. */
  readonly replicators: readonly ReplicatorName[];
  readonly say: (line: string) => void;
}

/** One row of the commands' table. */
export interface CommandResult {
  readonly kind: "command";
  readonly workload: string;
  /** For example `100,000 mails`. */
  readonly size: string;
  readonly contender: ContenderName;
  readonly wallMs: Spread;
  readonly cpuMs: Spread;
  readonly peakRssBytes: Spread | undefined;
  readonly wireBytes: Spread | undefined;
  /** Wall of this contender by wall of rsync in the same round. */
  readonly wallToRsync: Spread | undefined;
  readonly equal: boolean;
  readonly differences: readonly string[];
}

export interface ProcessMemory {
  /** Where a twin is more than one process: `source` or `replica`. */
  readonly name: string;
  readonly rssBytes: number;
  readonly peakRssBytes: number;
}

/** One row of the live table. */
export interface LiveResult {
  readonly kind: "live";
  /** daemons: two processes, with TLS between them; CPU is of both. */
  readonly workload: "live" | "daemons";
  readonly size: string;
  /** In the INBOX before the first delivery. */
  readonly mails: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly delivered: number;
  readonly lost: number;
  readonly lagMs: Percentiles;
  /** Never shown without `lagMs`. */
  readonly lagOutsideStalls: LagOutsideStalls;
  /** While the mails were delivered. */
  readonly disk: DiskFloor;
  /** The twin live, before the first delivery into this INBOX. */
  readonly diskAtRest: DiskFloor;
  readonly cpuMsPerDelivery: number;
  readonly memory: readonly ProcessMemory[];
  readonly equal: boolean;
  readonly differences: readonly string[];
}

/** One contender, one rate: real LMTP deliveries through Dovecot, to a second site. */
export interface ReplicateResult {
  readonly kind: "replicate";
  readonly contender: ReplicatorName;
  readonly round: number;
  /** In the INBOX before the first delivery. */
  readonly mails: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly delivered: number;
  /** From the first delivery to the last 250: longer than `seconds` where Dovecot does not keep up. */
  readonly tookSeconds: number;
  /** From a mail's name in the source's new/ to a name in the replica's; undefined where nobody replicates. */
  readonly lagMs: Percentiles | undefined;
  /** From when a delivery was due to its 250. */
  readonly replyMs: Percentiles;
  readonly lost: number;
  readonly cpuBy: "cgroup" | "process tree";
  /** Of all processes of both Dovecots. */
  readonly dovecotCpuMsPerDelivery: number;
  /** Of all processes that the contender has beside these. */
  readonly ownCpuMsPerDelivery: number;
  /** Undefined where nobody replicates. */
  readonly equal: boolean | undefined;
  /** What of the deliveries is not the same on the replica, in words. */
  readonly notKept: readonly string[];
  readonly differences: readonly string[];
}

/** Changes as files, faster than any Dovecot makes them, by two daemons over TLS. */
export interface BurstResult {
  readonly kind: "burst";
  /** For example `500 arrivals/s for 20 s`. */
  readonly what: string;
  readonly mails: number;
  readonly changes: number;
  /** From the first change to the last. */
  readonly madeInMs: number;
  /** From the last change until the replica's tree has everything; undefined when it had not in time. */
  readonly drainMs: number | undefined;
  /** Changes that the replica's tree did not show, at moments since the first change. */
  readonly backlog: readonly { readonly atMs: number; readonly behind: number }[];
  readonly cpuMsPerChange: number;
  readonly memory: readonly ProcessMemory[];
  readonly equal: boolean;
  readonly differences: readonly string[];
}

/** Memory of each daemon after a stage of its life; peaks are of that stage alone. */
export interface MemoryResult {
  readonly kind: "memory";
  readonly mails: number;
  readonly stage: string;
  /** Undefined where nothing was delivered in this stage. */
  readonly lost: number | undefined;
  readonly memory: readonly ProcessMemory[];
  readonly equal: boolean;
  readonly differences: readonly string[];
}

/** A measure, and what it is to be at the most. */
export interface Goaled {
  readonly measured: Spread;
  readonly goal: number | undefined;
}

/** One row of the table of comparisons: `verify`, and `sync` of what differs. */
export interface VerifyResult {
  readonly kind: "verify";
  readonly work: string;
  readonly mails: number;
  /** Who, and how the other side is reached. */
  readonly contender: string;
  readonly wallMs: Goaled;
  /** By rsync's wall in the same round. */
  readonly wallToRsync: Goaled | undefined;
  /** What this row's wall may be by that of the smallest size. */
  readonly wallToSmallestGoal: number | undefined;
  readonly wireBytes: Goaled | undefined;
  /** What is left of them in each run without its new mails, each compressed by itself. May be less than nothing. */
  readonly wireBesideBodies: Goaled | undefined;
  /** Of those that were changed. */
  readonly wireBytesPerMail: Goaled | undefined;
  readonly cpuMs: Spread;
  /** What was told, and what is there afterwards, is right. */
  readonly equal: boolean;
  readonly differences: readonly string[];
}

/** What could not be measured here. */
export interface SkippedResult {
  readonly kind: "skipped";
  readonly workload: string;
  readonly contender: string;
  readonly reason: string;
}

export type Result =
  | CommandResult
  | LiveResult
  | ReplicateResult
  | BurstResult
  | MemoryResult
  | VerifyResult
  | SkippedResult;

/** Is mailtwin's part equal and complete? What a peer does not keep is a result, not a failure. Pure. */
export function isRight(result: Result): boolean {
  switch (result.kind) {
    case "command":
    case "verify":
      return result.equal;
    case "live":
      return result.equal && result.lost === 0;
    case "replicate":
      return result.contender !== "mailtwin" || (result.equal === true && result.lost === 0);
    case "burst":
      return result.equal && result.drainMs !== undefined;
    case "memory":
      return result.equal && (result.lost ?? 0) === 0;
    case "skipped":
      return true;
  }
}

export interface Workload {
  readonly name: string;
  /** One sentence for people. */
  readonly title: string;
  /** Throws when a contender fails; an unequal result is a result. */
  readonly run: (context: WorkloadContext) => Promise<readonly Result[]>;
}

/** The sizes of a workload that are wanted in this run. */
export function chosenSizes<T>(
  context: WorkloadContext,
  sizes: readonly T[],
  mailsIn: (size: T) => number,
): readonly T[] {
  const { mails } = context;
  return mails === undefined ? sizes : sizes.filter((size) => mails.includes(mailsIn(size)));
}

const SHOWN_DIFFERENCES_MAX = 20;

/** The part of a result that says whether it is right. */
export function verdictOf(comparison: StoreComparison): {
  readonly equal: boolean;
  readonly differences: readonly string[];
} {
  return {
    equal: comparison.equal,
    differences: comparison.differences.slice(0, SHOWN_DIFFERENCES_MAX).map(({ words }) => words),
  };
}

export function mailsOf(count: number): string {
  return `${count.toLocaleString("en-US")} mails`;
}
