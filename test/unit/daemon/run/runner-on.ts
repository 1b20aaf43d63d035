/** A runner of a replica, over the source of a pair without a network: what it dials, and its clock, are the test's. */
import { type Clock, systemClock } from "../../../../src/base/clock.js";
import type { Replica } from "../../../../src/daemon/config/config.js";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import { ReplicaRunner } from "../../../../src/daemon/run/replica-runner.js";
import type { SourceStore } from "../../../../src/daemon/run/source-store.js";
import type { Link } from "../../../../src/wire/link.js";
import { NO_SOURCE } from "../../../../src/wire/opening.js";
import type { RealPair } from "../../agent/real-pair.js";

export const REPLICA = {
  ...{ name: "far", to: {}, mode: "live", foreign: "keep", storeThere: "mail" },
} as unknown as Replica;

export interface RunnerWish {
  readonly dial: ((signal: AbortSignal) => Promise<Link>) | undefined;
  readonly clock?: Clock;
  readonly replica?: Replica;
  /** Gets what it logs. */
  readonly lines: Record<string, unknown>[];
}

export function runnerOn(pair: RealPair, { dial, lines, ...ports }: RunnerWish): ReplicaRunner {
  const side = {
    reader: pair.sourceReader,
    writer: pair.sourceWriter,
    capturer: pair.capturer,
    bodies: undefined,
    notes: { onRead: () => undefined },
  };
  const store = {
    ...{ side, adapted: {}, onCommitted: new Set(), isLive: true },
    untilCaptured: () => Promise.resolve(),
    refuseMetHalfway: () => undefined,
  } as unknown as SourceStore;
  const log = openEventLog("debug", (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
  const common = { replica: REPLICA, store, path: "/x", random: () => 0, log, mayHave: () => false };
  return new ReplicaRunner({
    ...common,
    clock: systemClock,
    ...ports,
    dial: dial && (async (signal) => ({ link: await dial(signal), said: NO_SOURCE })),
  });
}
