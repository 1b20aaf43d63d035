/**
 * What a replica is doing, as its source sees it: a table without holes. Pure.
 *
 * "away": nothing is sent until it asks, because it dials in by itself or was configured so. "paused": an operator said so.
 */

export const REPLICA_STATES = [
  "idle",
  "connecting",
  "greeting",
  "first-contact",
  "comparing",
  "catching-up",
  "live",
  "backing-off",
  "paused",
  "away",
] as const;

export type ReplicaState = (typeof REPLICA_STATES)[number];

export const REPLICA_EVENTS = [
  /** Its turn to dial. */
  "dial",
  /** It is its turn to come, or to ask. */
  "wait",
  /** A stream is there. */
  "connected",
  /** Both ends have agreed; the replica holds nothing of this source yet. */
  "met-first",
  /** Both ends have agreed. */
  "met",
  /** It is to be compared, as the log does not tell all that it lacks. */
  "compare",
  /** All of the log is applied there. */
  "caught-up",
  /** It is behind by more than what is under way. */
  "fell-behind",
  /** The link ended, or never came to be. */
  "failed",
  "pause",
  "resume",
] as const;

export type ReplicaEvent = (typeof REPLICA_EVENTS)[number];

/** "same": nothing changes. "bug": it cannot happen. */
type Cell = ReplicaState | "same" | "bug";

const OFF_LINK = { connected: "greeting", "met-first": "bug", met: "bug", compare: "bug", "caught-up": "bug" } as const;
const ON_LINK = {
  dial: "bug",
  wait: "bug",
  connected: "bug",
  failed: "backing-off",
  pause: "paused",
  resume: "same",
} as const;

export const REPLICA_TABLE: Readonly<Record<ReplicaState, Readonly<Record<ReplicaEvent, Cell>>>> = {
  idle: {
    ...OFF_LINK,
    connected: "bug",
    dial: "connecting",
    wait: "away",
    "fell-behind": "same",
    failed: "bug",
    pause: "paused",
    resume: "same",
  },
  connecting: {
    ...OFF_LINK,
    dial: "bug",
    wait: "bug",
    "fell-behind": "same",
    failed: "backing-off",
    pause: "paused",
    resume: "same",
  },
  away: {
    ...OFF_LINK,
    dial: "connecting",
    wait: "same",
    "fell-behind": "same",
    failed: "backing-off",
    pause: "paused",
    resume: "same",
  },
  "backing-off": {
    ...OFF_LINK,
    dial: "connecting",
    wait: "away",
    "fell-behind": "same",
    failed: "same",
    pause: "paused",
    resume: "same",
  },
  paused: {
    ...OFF_LINK,
    connected: "bug",
    dial: "bug",
    wait: "bug",
    "fell-behind": "same",
    failed: "same",
    pause: "same",
    resume: "idle",
  },
  greeting: {
    ...ON_LINK,
    "met-first": "first-contact",
    met: "catching-up",
    compare: "bug",
    "caught-up": "bug",
    "fell-behind": "same",
  },
  "first-contact": {
    ...ON_LINK,
    "met-first": "bug",
    met: "catching-up",
    compare: "comparing",
    "caught-up": "live",
    "fell-behind": "same",
  },
  comparing: {
    ...ON_LINK,
    "met-first": "bug",
    met: "catching-up",
    compare: "same",
    "caught-up": "live",
    "fell-behind": "same",
  },
  "catching-up": {
    ...ON_LINK,
    "met-first": "bug",
    met: "same",
    compare: "comparing",
    "caught-up": "live",
    "fell-behind": "same",
  },
  live: {
    ...ON_LINK,
    "met-first": "bug",
    met: "same",
    compare: "comparing",
    "caught-up": "same",
    "fell-behind": "catching-up",
  },
};

/** Throws a TypeError for what cannot happen. */
export function nextState(state: ReplicaState, event: ReplicaEvent): ReplicaState {
  const cell = REPLICA_TABLE[state][event];
  if (cell === "bug") throw new TypeError(`a replica that is ${state} cannot have "${event}"`);
  return cell === "same" ? state : cell;
}
