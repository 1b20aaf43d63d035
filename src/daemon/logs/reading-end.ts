/** Whether what is written is still read, for commands whose only work is to write. */
import { nextTurn } from "../../base/clock.js";

/** Aborts when the reader has gone (`| head`), and when the command is asked to stop. */
export function endOfReading(
  stream: NodeJS.WriteStream,
  signals: readonly NodeJS.Signals[],
): AbortController & Disposable {
  const stop = new AbortController();
  const end = () => stop.abort();
  stream.on("error", end);
  for (const signal of signals) process.on(signal, end);
  return Object.assign(stop, {
    [Symbol.dispose]: () => {
      stream.off("error", end);
      for (const signal of signals) process.off(signal, end);
    },
  });
}

/** Waits until the stream has passed on what was written: a log of gigabytes does not pile up in memory. */
export async function untilPassedOn(stream: NodeJS.WriteStream, signal: AbortSignal): Promise<void> {
  // A turn at least, in which an error of the last write is heard.
  await nextTurn();
  if (signal.aborted || !stream.writableNeedDrain) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      stream.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    stream.on("drain", done);
    signal.addEventListener("abort", done);
  });
}
