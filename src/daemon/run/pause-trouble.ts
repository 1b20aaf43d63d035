/**
 * What is told of a replica that an operator has paused: nothing while it lacks nothing, else how long and what. A person's matter only when
 * the log does not wait for it any more. Pure.
 */
import { formatCount } from "../../base/text-format.js";
import type { ResyncWhy } from "../../log/state-types.js";
import type { Trouble } from "./troubles.js";

export interface PausedReplica {
  /** STORE/REPLICA */
  readonly target: string;
  readonly sinceMs: number;
  /** Transactions that it lacks. */
  readonly behind: number;
  /** Why all of it is to be compared; undefined: it is not. */
  readonly resyncWhy: ResyncWhy | undefined;
  /** Some mailboxes were asked to be compared. */
  readonly isAsked: boolean;
}

export function troubleOfPause({ target, sinceMs, behind, resyncWhy, isAsked }: PausedReplica): Trouble | undefined {
  const isPastLog = resyncWhy === "log-size" || resyncWhy === "log-age";
  const isToCompare = !isPastLog && (resyncWhy !== undefined || isAsked);
  const lacks = [
    ...(behind > 0 ? [`it is ${formatCount(behind)} behind`] : []),
    ...(isPastLog ? ["past the limits of the log, which does not wait for it any more"] : []),
    ...(isToCompare ? ["it is to be compared"] : []),
  ];
  if (lacks.length === 0) return undefined;
  const then = isPastLog ? "lets it go on: all of it is compared then" : "lets it go on";
  return {
    code: "replica-paused",
    words: `paused by an operator, until \`mailtwin resume\`: ${lacks.join(", ")}`,
    hint: `\`mailtwin resume ${target}\` ${then}.`,
    ...{ sinceMs, level: isPastLog ? "needs-you" : "healing" },
  };
}
