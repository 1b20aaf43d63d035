/**
 * What is in the limbo of a replica, asked for over its live link for a command that lists it, or puts it back where it belongs. Bytes of
 * messages go into files of the source's state directory, as those that are held back (held-fetches.ts).
 */
import { RemoteLimbo } from "../../agent/remote-limbo.js";
import type { DaemonControl, LimboFetchAnswer, ReplicaTarget } from "../control/daemon-control.js";
import { fetchInto } from "../reject/fetched-copies.js";
import { fetchLimbo } from "../undelete/fetch-limbo.js";
import type { FetchedFrom, FetchTurns } from "./held-fetches.js";

/** Asks whom the target names, who has to be connected: an answer that cannot be ends his link. Throws: store-not-ready, what `ask` throws. */
export type AskServed = <T>(target: ReplicaTarget, ask: (from: FetchedFrom) => Promise<T>) => Promise<T>;

export function limboOf(
  askServed: AskServed,
  turns: FetchTurns,
): Pick<DaemonControl, "limboPage" | "limboFiles" | "fetchLimbo"> {
  return {
    limboPage: (query, signal) =>
      askServed(query, ({ agent }) => new RemoteLimbo(agent.asker).page(query.after, signal)),
    limboFiles: (query, signal) => askServed(query, ({ agent }) => new RemoteLimbo(agent.asker).files(query, signal)),
    fetchLimbo: ({ files, ...target }, signal): Promise<LimboFetchAnswer> =>
      askServed(target, async ({ store, agent }) => {
        const limbo = new RemoteLimbo(agent.asker);
        const fetch = () => fetchInto(store.stateDir, (scratch) => fetchLimbo(limbo, files, scratch, signal));
        const fetched = await turns.take(store, fetch, signal);
        return { files: fetched.map((it) => (it.why === undefined ? hashOf(it) : { why: it.why })) };
      }),
  };
}

function hashOf({ sha256, virtualSize }: { readonly sha256: string; readonly virtualSize: number }) {
  return { sha256, virtualSize };
}
