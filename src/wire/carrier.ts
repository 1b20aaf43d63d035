/**
 * What the carriers of byte streams share: how one waits until a stream is there, and how much time that may take.
 *
 * INVARIANT: a stream that did not come to be is destroyed, and an error of it later on ends no process.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.js";
import { Waiter } from "../base/waiter.js";

/** Listens until it is disposed of, which ends all streams that came by it too. */
export interface Listener extends AsyncDisposable {
  /** Where: with the port that the system chose, if none was asked for. */
  readonly address: string;
}

/** An idle connection is probed after so long, so that a router on the way remembers it. */
export const KEEP_ALIVE_MS = 30_000;

/** Time is up: the reason of an abort. */
export class Deadline extends Error {
  override readonly name = "Deadline";
}

/** Runs `open` with a signal that is aborted by `signal`, or with a `Deadline` after so many milliseconds. */
export async function withDeadline<T>(
  { clock, ms }: { readonly clock: Clock; readonly ms: number },
  open: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const late = new AbortController();
  const timer = clock.setTimer(ms, () => late.abort(new Deadline(`it took longer than ${Math.round(ms / 1000)} s`)));
  try {
    return await open(AbortSignal.any([signal, late.signal]));
  } finally {
    timer.cancel();
  }
}

/** Resolves when the event comes, or the first of several. Rejects with the stream's error, the abort reason, or `HungUp`. */
export async function untilEvent(
  stream: Duplex,
  event: string | readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const events = [event].flat();
  signal.throwIfAborted();
  const waiter = new Waiter<void>(signal);
  const onEvent = (): void => void waiter.settle();
  const onError = (error: Error): void => void waiter.fail(error);
  const onClose = (): void => void waiter.fail(stream.errored ?? new HungUp());
  for (const name of events) stream.on(name, onEvent);
  stream.on("error", onError).on("close", onClose);
  if (stream.destroyed) onClose();
  try {
    await waiter.promise;
  } finally {
    for (const name of events) stream.off(name, onEvent);
    stream.off("error", onError).off("close", onClose);
  }
}

/**
 * Calls `tell` once when the other end of a paused stream is gone; nothing is taken from it. Not while there is something unread, which
 * whoever waits for an answer has no cause to send. Returns what ends the listening.
 */
export function onHangUp(stream: Duplex, tell: () => void): () => void {
  let isOver = false;
  const look = (): void => void stream.read(0); // the end shows itself to whoever asks for no byte.
  const ended = (): void => {
    if (!isOver) tell();
    stop();
  };
  const stop = (): void => {
    isOver = true;
    stream.off("readable", look).off("end", ended).off("error", ended).off("close", ended);
  };
  stream.on("readable", look).on("end", ended).on("error", ended).on("close", ended);
  if (stream.destroyed || stream.readableEnded) ended();
  else look();
  return stop;
}

/** The other end closed before anything came. */
export class HungUp extends Error {
  override readonly name = "HungUp";
  constructor() {
    super("it hung up");
  }
}

/** Whoever owns the stream hears of its errors too; until there is one they are lost on purpose. */
export function muteErrors(stream: Duplex): void {
  stream.on("error", () => undefined);
}
