/** How far the reading of all bodies is, of one replica, as it is kept over restarts. Values, and their text. Pure. */
import * as z from "zod";
import { isMailboxGuid, isUid, type MailboxGuid, type Uid } from "../../maildir/ids.js";
import type { ScrubLimits } from "./limits.js";

/** A message of the source. */
export interface ScrubPlace {
  readonly guid: MailboxGuid;
  readonly uid: Uid;
}

/** A body that differs, and needs a person. */
export interface OpenBody extends ScrubPlace {
  readonly bad: "source" | "replica" | "both" | "unknown";
  readonly sinceMs: number;
}

export interface ScrubState {
  /** When this round began, or, between two, the last one; undefined: there was none. */
  readonly startedMs: number | undefined;
  /** All up to there were looked at in this round; undefined: none, or there is no round now. */
  readonly at: ScrubPlace | undefined;
  readonly isInRound: boolean;
  /** Messages of this round that were looked at; of these so many were read on both sides, and so many were repaired. */
  readonly done: number;
  readonly read: number;
  readonly repaired: number;
  /** When the last round ended. */
  readonly endedMs: number | undefined;
  readonly open: readonly OpenBody[];
  /** Of this round, beyond those of `open`: there are too many. */
  readonly further: number;
}

export const NEVER: ScrubState = {
  ...{ startedMs: undefined, at: undefined, isInRound: false, endedMs: undefined },
  ...{ done: 0, read: 0, repaired: 0, open: [], further: 0 },
};

/** Named one by one: who has more has another trouble. */
export const OPEN_MAX = 1_000;

const count = z.int().nonnegative();
const place = { guid: z.string().refine(isMailboxGuid), uid: z.number().refine(isUid) };
const schema = z.object({
  ...{ startedMs: count.optional(), at: z.object(place).optional(), isInRound: z.boolean(), endedMs: count.optional() },
  ...{ done: count, read: count, repaired: count, further: count },
  open: z
    .array(z.object({ ...place, bad: z.enum(["source", "replica", "both", "unknown"]), sinceMs: count }))
    .max(OPEN_MAX),
});

export function writeScrubState(state: ScrubState): string {
  return JSON.stringify(state);
}

/** What is none, or of another release, is as if nothing had been read. */
export function readScrubState(text: string | undefined): ScrubState {
  if (text === undefined || text === "") return NEVER;
  try {
    const { startedMs, at, endedMs, ...rest } = schema.parse(JSON.parse(text));
    return { ...rest, startedMs, at, endedMs };
  } catch {
    return NEVER;
  }
}

/** A round is to be done a little before the next one begins. */
const SHARE = 0.9;

/**
 * When the next turn is due, by the wall clock: turns are spread evenly over the time of a round, and what was missed is made up at once. `all`:
 * messages that there are. A clock that went back has nobody wait for longer than a round.
 */
export function dueMs(
  { startedMs, isInRound, done }: ScrubState,
  { everyMs }: Pick<ScrubLimits, "everyMs">,
  { all, nowMs }: { readonly all: number; readonly nowMs: number },
): number {
  if (startedMs === undefined) return nowMs;
  const began = Math.min(startedMs, nowMs);
  return isInRound ? began + everyMs * SHARE * Math.min(1, done / Math.max(1, all)) : began + everyMs;
}

export function beginRound(state: ScrubState, nowMs: number): ScrubState {
  const counts = { done: 0, read: 0, repaired: 0, further: 0 };
  return { ...state, ...counts, startedMs: nowMs, at: undefined, isInRound: true };
}

export function endRound(state: ScrubState, nowMs: number): ScrubState {
  return { ...state, at: undefined, isInRound: false, endedMs: nowMs };
}

/** These are open, in place of what was said of them before; `closed`: these are not. */
export function withOpen(state: ScrubState, open: readonly OpenBody[], closed: readonly ScrubPlace[]): ScrubState {
  const sinceMs = new Map(state.open.map((it) => [keyOf(it), it.sinceMs]));
  const gone = new Set([...open, ...closed].map(keyOf));
  const kept = state.open.filter((it) => !gone.has(keyOf(it)));
  const all = [...kept, ...open.map((it) => ({ ...it, sinceMs: sinceMs.get(keyOf(it)) ?? it.sinceMs }))];
  return {
    ...state,
    open: all.slice(0, OPEN_MAX),
    further: state.further + Math.max(0, all.length - OPEN_MAX),
  };
}

export function keyOf({ guid, uid }: ScrubPlace): string {
  return `${guid} ${uid}`;
}
