/**
 * Opening several things at once: threads load their code beside each other instead of one after the other.
 */
import type { Disposer } from "../base/disposal.js";

type Settled<P extends readonly Promise<unknown>[]> = { -readonly [I in keyof P]: Awaited<P[I]> };

/** Waits for all of them, so that nothing is opened later; then throws the first error in their order, if there is one. */
export async function together<const P extends readonly Promise<unknown>[]>(...opening: P): Promise<Settled<P>> {
  const settled = await Promise.allSettled(opening);
  return settled.map((end) => {
    if (end.status === "rejected") throw end.reason;
    return end.value;
  }) as Settled<P>;
}

/**
 * `owner` releases what is being opened, in the place that it has at this moment: after all that it adopts from now on.
 * What could not be opened is not released; whoever awaits it says why.
 */
export function adoptLater<T extends AsyncDisposable>(owner: Disposer, opening: Promise<T>): Promise<T> {
  owner.defer(async () => {
    const opened = await opening.catch(() => undefined);
    await opened?.[Symbol.asyncDispose]();
  });
  return opening;
}
