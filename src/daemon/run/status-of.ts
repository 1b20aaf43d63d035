/** The state of a running daemon, for people and programs. Reads, and changes nothing. */
import { VERSION } from "../version.js";
import type { Daemon } from "./daemon.js";

export function statusOf(daemon: Daemon, startedMs: number) {
  const stores = Array.from(daemon.kept, ([name, kept]) => {
    if (kept.kind === "replica") {
      const { store } = kept;
      return { name, role: "replica", isConnected: store.isConnected, troubles: store.troubles.all };
    }
    const { keeper } = kept;
    const replicas = Array.from(keeper.replicas.keys(), (replica) => {
      const runner = keeper.runner(replica);
      return {
        name: replica,
        state: runner?.state ?? "idle",
        cursor: runner?.ackedLsn ?? 0,
        lag: runner?.lag,
        ...runner?.sums,
        troubles: runner?.troubles.all ?? [],
      };
    });
    const { mailboxes, messages } = keeper.store?.side.capturer.counts ?? { mailboxes: 0, messages: 0 };
    return { name, role: "source", mailboxes, messages, replicas, troubles: keeper.troubles.all };
  });
  return { software: `mailtwin ${VERSION}`, pid: process.pid, startedMs, stores };
}
