/**
 * From runs to a row of the table of comparisons. Pure.
 */
import type { Measured } from "../measure/run-contender.js";
import { ratioSpread, spreadOf } from "../measure/spread.js";
import type { VerifyResult } from "./workload.js";

/** The runs of one contender at one piece of work, and what was wrong with their outcomes. */
export interface Taken {
  readonly measured: Measured[];
  readonly wrong: string[];
}

/** At the most. */
export interface Goals {
  readonly wallMs?: number;
  readonly wallToRsync?: number;
  readonly wallToSmallest?: number;
  readonly wireBytes?: number;
  readonly wireBesideBodies?: number;
  readonly wireBytesPerMail?: number;
}

export interface RowOf {
  readonly work: string;
  readonly mails: number;
  readonly contender: string;
  readonly taken: Taken;
  /** Runs that stood next to these; none: no ratio. */
  readonly rsync?: Taken | undefined;
  /** Runs over the counter, where they are others than those whose times count. */
  readonly counted?: Taken | undefined;
  /** What the new mails of each run take, each compressed by itself. */
  readonly bodiesBytes?: readonly number[];
  /** How many mails each run changed: bytes are shown for one of them. */
  readonly changedMails?: number;
  readonly goals?: Goals;
}

export function nothingTaken(): Taken {
  return { measured: [], wrong: [] };
}

const WRONG_MAX = 20;

/** Of at least one run. */
export function rowOf(row: RowOf): VerifyResult {
  const { work, mails, contender, taken, rsync, counted = taken, bodiesBytes, changedMails, goals = {} } = row;
  const walls = taken.measured.map(({ wallMs }) => wallMs);
  const wires = counted.measured.flatMap(({ wireBytes }) => wireBytes ?? []);
  const wrong = counted === taken ? taken.wrong : [...taken.wrong, ...counted.wrong];
  return {
    ...{ kind: "verify", work, mails, contender },
    wallMs: { measured: spreadOf(walls), goal: goals.wallMs },
    wallToRsync:
      rsync === undefined || rsync.measured.length === 0
        ? undefined
        : {
            measured: ratioSpread(
              walls,
              rsync.measured.map(({ wallMs }) => wallMs),
            ),
            goal: goals.wallToRsync,
          },
    wallToSmallestGoal: goals.wallToSmallest,
    wireBytes: wires.length === 0 ? undefined : { measured: spreadOf(wires), goal: goals.wireBytes },
    wireBesideBodies:
      wires.length === 0 || bodiesBytes === undefined
        ? undefined
        : {
            measured: spreadOf(wires.map((bytes, run) => bytes - (bodiesBytes[run] ?? 0))),
            goal: goals.wireBesideBodies,
          },
    wireBytesPerMail:
      wires.length === 0 || changedMails === undefined
        ? undefined
        : { measured: spreadOf(wires.map((bytes) => bytes / changedMails)), goal: goals.wireBytesPerMail },
    cpuMs: spreadOf(taken.measured.map(({ cpuMs }) => cpuMs)),
    equal: wrong.length === 0,
    differences: wrong.slice(0, WRONG_MAX),
  };
}
