/**
 * Runs contenders in turn (A B A B ...) on the same work and summarizes their runs.
 */
import { compareStores, DEFAULT_COMPARE, type StoreComparison } from "../equal/compare-stores.js";
import type { Contender, Copying } from "../measure/contenders.js";
import { type Measured, runContender, runToEnd } from "../measure/run-contender.js";
import { ratioSpread, type Spread, spreadOf } from "../measure/spread.js";
import { type CommandResult, verdictOf } from "./workload.js";

export interface SideBySide {
  readonly contenders: readonly Contender[];
  readonly rounds: number;
  /** Where each run copies from and to. */
  readonly copyingOf: (contender: Contender, round: number) => Copying;
  /** Is `sync -f` of the target part of the work? */
  readonly synced: boolean;
  readonly scratch: string;
  readonly say: (line: string) => void;
}

export interface Runs {
  readonly contender: Contender;
  readonly measured: readonly Measured[];
  readonly copyings: readonly Copying[];
}

/** Measures every contender `rounds` times, interleaved. */
export async function runSideBySide(work: SideBySide): Promise<readonly Runs[]> {
  const all = work.contenders.map((contender) => ({
    contender,
    measured: [] as Measured[],
    copyings: [] as Copying[],
  }));
  for (let round = 0; round < work.rounds; round++) {
    for (const runs of all) {
      const copying = work.copyingOf(runs.contender, round);
      await runToEnd(["sync", "-f", work.scratch]); // nobody pays for what others left unwritten.
      const command = runs.contender.command(copying);
      const syncPath = work.synced ? { syncPath: work.scratch } : {};
      const measured = await runContender(command, { scratch: work.scratch, ...syncPath });
      work.say(`  ${runs.contender.name}, round ${round + 1}: ${(measured.wallMs / 1000).toFixed(2)} s`);
      runs.measured.push(measured);
      runs.copyings.push(copying);
    }
  }
  return all;
}

/** Compares each distinct target with its source; the first that is unequal is the verdict. */
export function judge(runs: Runs): StoreComparison {
  const byTarget = new Map(runs.copyings.map((copying) => [copying.target, copying]));
  let verdict: StoreComparison | undefined;
  for (const { source, target } of byTarget.values()) {
    const { copiesExactly } = runs.contender;
    verdict = compareStores(source, target, { ...DEFAULT_COMPARE, exact: copiesExactly, sideFiles: copiesExactly });
    if (!verdict.equal) break;
  }
  if (verdict === undefined) throw new RangeError("nothing was run");
  return verdict;
}

/** One row per contender, with ratios to rsync where rsync ran. */
export function summarize(
  name: { readonly workload: string; readonly size: string },
  all: readonly Runs[],
): readonly CommandResult[] {
  const rsync = all.find(({ contender }) => contender.name === "rsync");
  return all.map((runs): CommandResult => {
    const walls = runs.measured.map(({ wallMs }) => wallMs);
    const ratio =
      rsync === undefined || rsync === runs
        ? undefined
        : ratioSpread(
            walls,
            rsync.measured.map(({ wallMs }) => wallMs),
          );
    return {
      kind: "command",
      ...name,
      contender: runs.contender.name,
      wallMs: spreadOf(walls),
      cpuMs: spreadOf(runs.measured.map(({ cpuMs }) => cpuMs)),
      peakRssBytes: spreadWhereKnown(runs.measured.map(({ peakRssBytes }) => peakRssBytes)),
      wireBytes: spreadWhereKnown(runs.measured.map(({ wireBytes }) => wireBytes)),
      wallToRsync: ratio,
      ...verdictOf(judge(runs)),
    };
  });
}

function spreadWhereKnown(values: readonly (number | undefined)[]): Spread | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : spreadOf(known);
}
