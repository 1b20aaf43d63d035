/**
 * What a refused transaction means and what may be done about it. Pure: who asks, waits and writes is in resolve-conflict.ts.
 *
 * A UID that foreign mail took on the replica is a conflict that can be resolved: the foreign mail gets another UID, and the
 * source's messages get UIDs above all of them, for a UID that a client may have seen never names another message. Anything
 * else that a replica refuses gives its mailbox up for this run.
 */
import type { CaptureProblem } from "../capture/capture-types.js";
import { isUid, type Uid } from "../maildir/ids.js";
import type { WireDivergence } from "../wire/messages.js";

/** Why a mailbox is given up, for the rejection log. */
export interface Cause {
  readonly code: string;
  readonly words: string;
}

/** Times that one transaction is resolved before its mailbox is given up: UIDs must not run away. */
const REFUSALS_MAX = 4;

/** A conflict about UIDs from `from` on. */
export interface UidConflict {
  readonly kind: "uid-passed" | "uid-bound-otherwise";
  readonly from: Uid;
  /** The replica's next UID; 0 where it is not what the conflict is about. */
  readonly replicaNext: number;
}

/** The replica's last word: it holds the mailbox back from here on. */
export function isLastWord({ code }: Pick<WireDivergence, "code">): boolean {
  return code === "given-up" || code === "mailbox-held";
}

/** The conflict that making room may resolve; undefined: the mailbox is given up. */
export function conflictOf({ code, firstUid, replicaNext }: WireDivergence, refusals: number): UidConflict | undefined {
  if (refusals > REFUSALS_MAX || !isUid(firstUid)) return undefined;
  return code === "uid-passed" || code === "uid-bound-otherwise"
    ? { kind: code, from: firstUid, replicaNext }
    : undefined;
}

/** The lowest UID that foreign mail may get: above what either side has given out. */
export function floorOf({ replicaNext }: UidConflict, sourceNext: number): number {
  return Math.max(sourceNext, replicaNext);
}

/** A UID that is taken by mail which the source knows, too, is no conflict that making room resolves. */
export function isInVain({ kind }: UidConflict, moved: number): boolean {
  return kind === "uid-bound-otherwise" && moved === 0;
}

export function wordsOfConflict({ from }: UidConflict, { words }: Cause, moved: number): string {
  return `${words}: ${moved} foreign ${moved === 1 ? "message" : "messages"} and the source's messages from UID ${from} on get new UIDs`;
}

export function causeOf({ code, message }: CaptureProblem): Cause {
  return { code, words: message };
}
