/**
 * What a workload is: a named piece of work in sizes, run by contenders side by side, whose result must be equal.
 */
import type { StoreComparison } from "../equal/compare-stores.js";
import type { ContenderName } from "../measure/contenders.js";
import type { Percentiles } from "../measure/percentiles.js";
import type { Spread } from "../measure/spread.js";
import type { DiskFloor, LagOutsideStalls } from "../measure/stalls.js";
import type { Workspace } from "../measure/workspace.js";

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

/** One row of the live table. */
export interface LiveResult {
  readonly kind: "live";
  /** daemons: two processes, with TLS between them; CPU is of both, memory that of the larger one. */
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
  readonly rssBytes: number;
  readonly peakRssBytes: number;
  readonly equal: boolean;
  readonly differences: readonly string[];
}

export type Result = CommandResult | LiveResult;

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
