/**
 * When the limbo is purged, and what is recorded of it: by the daemon on a clock of its own while the store is open, by `sync` at its end.
 * What is removed, and why in that order, is in apply/purge-limbo.ts.
 */
import type { ApplyMethods } from "../../apply/apply-types.js";
import type { UndeleteLimits } from "../../apply/purge-types.js";
import type { Clock, Timer } from "../../base/clock.js";
import type { WorkerClient } from "../../base/worker-rpc.js";
import type { StateReader, StateWriter } from "../../log/state-ports.js";
import { NO_EFFECT } from "../../log/state-types.js";

/** The first one soon after a start, when what has waited for the store is applied. */
const FIRST_MS = 60_000;
const EVERY_MS = 600_000;

export interface Purged {
  readonly messages: number;
  readonly mailboxes: number;
  /** As far as their sizes were known. */
  readonly bytes: number;
  /** What could not be removed, in words; one for all. */
  readonly failed: string | undefined;
}

export interface PurgePorts {
  readonly store: Pick<WorkerClient<Pick<ApplyMethods, "purgeLimbo">>, "call">;
  readonly writer: Pick<StateWriter, "recordEffect" | "dropLimbo">;
}

/** Throws: the reason of `signal`, scratch-missing, scratch-foreign, system errors, those of the state database. */
export async function purgeLimbo(
  { store, writer }: PurgePorts,
  limits: UndeleteLimits,
  signal: AbortSignal,
): Promise<Purged> {
  const sums = { messages: 0, mailboxes: 0, bytes: 0, failed: undefined as string | undefined };
  for (;;) {
    signal.throwIfAborted();
    const { counted, dropped, failed, more } = await store.call("purgeLimbo", limits);
    if (counted.length > 0) await writer.recordEffect({ ...NO_EFFECT, limbo: counted });
    if (dropped.length > 0) await writer.dropLimbo(dropped.map(({ name }) => name));
    for (const { uid, base, size } of dropped) {
      if (uid === 0 && base === "") sums.mailboxes += 1;
      else sums.messages += 1;
      sums.bytes += size;
    }
    sums.failed ??= failed;
    if (!more) return sums;
  }
}

/** Whether a purge would find something by its rows, for who does not start what is needed for one without a reason. */
export function isPurgeDue(
  reader: Pick<StateReader, "oldestLimbo" | "limboBytes">,
  { keptMs, bytesMax }: UndeleteLimits,
  nowMs: number,
): boolean {
  const [oldest] = reader.oldestLimbo({ removedMs: Number.MIN_SAFE_INTEGER, name: "" }, 1);
  if (oldest === undefined) return false;
  return oldest.removedMs <= nowMs - keptMs || (bytesMax !== undefined && reader.limboBytes() > bytesMax);
}

export interface PurgeTurn {
  readonly purge: (signal: AbortSignal) => Promise<Purged>;
  readonly onPurged: (purged: Purged) => void;
  readonly onFailed: (error: unknown) => void;
}

/** One, which keeps nothing else: of a purge that failed the mail is all there, and the next one tries again. */
export async function purgeOnce({ purge, onPurged, onFailed }: PurgeTurn, signal: AbortSignal): Promise<void> {
  try {
    onPurged(await purge(signal));
  } catch (error) {
    if (!signal.aborted) onFailed(error);
  }
}

/** Goes on whatever a purge comes to. Disposing waits for the one that is under way. */
export function schedulePurges(clock: Pick<Clock, "setTimer">, turn: PurgeTurn): AsyncDisposable {
  const stop = new AbortController();
  let timer: Timer;
  let running: Promise<void> = Promise.resolve();
  const run = async (): Promise<void> => {
    await purgeOnce(turn, stop.signal);
    if (!stop.signal.aborted) wait(EVERY_MS);
  };
  const wait = (ms: number): void => {
    timer = clock.setTimer(ms, () => {
      running = run();
    });
  };
  wait(FIRST_MS);
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort(new Error("the store is closed"));
      timer.cancel();
      await running;
    },
  };
}
