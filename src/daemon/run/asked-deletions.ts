/** Deletions that are held back: what they are, and that they may go, as a person asks for it; and what a replica still has of what went. */
import type { DaemonControl, HeldDeletions, ReplicaTarget, Targets } from "../control/daemon-control.js";
import { controlError } from "../control-errors.js";
import { daemonError } from "../errors.js";
import { mailboxName } from "../words.js";
import { type AskServed, limboOf } from "./asked-limbo.js";
import type { Daemon } from "./daemon.js";
import { type FetchedFrom, FetchTurns, HeldFetches } from "./held-fetches.js";
import type { ReplicaRunner } from "./replica-runner.js";
import type { SourceKeeper } from "./source-keeper.js";
import type { SourceStore } from "./source-store.js";

interface Source {
  readonly name: string;
  readonly keeper: Pick<SourceKeeper, "noteLetGo">;
  /** Undefined: it is not open. */
  readonly store: SourceStore | undefined;
}

type Asked = "deletions" | "approveDeletions" | "fetchHeld" | "limboPage" | "limboFiles" | "fetchLimbo";

export function deletionsOf(daemon: Daemon): Pick<DaemonControl, Asked> {
  const turns = new FetchTurns();
  const fetches = new HeldFetches(turns);
  const ask: AskServed = async (target, work) => {
    const { store, agent, runner } = servedIn(daemon, target);
    try {
      return await work({ store, agent });
    } catch (error) {
      runner.judge(agent, error);
      throw error;
    }
  };
  return {
    ...limboOf(ask, turns),
    fetchHeld: (query, signal) => ask(query, (from) => fetches.fetch(from, query, signal)),
    deletions: (query) => heldOf(daemon, query),
    approveDeletions: (query) => approveHeld(daemon, query),
  };
}

function heldOf(daemon: Daemon, query: Pick<Targets, "store">): readonly HeldDeletions[] {
  return sourcesMeant(daemon, query).flatMap(heldIn);
}

/** INVARIANT: only what the answer names goes: nothing before the first look at the whole store has ended. */
async function approveHeld(daemon: Daemon, query: Pick<Targets, "store">): Promise<readonly HeldDeletions[]> {
  const sources = sourcesMeant(daemon, query);
  const holding = sources.filter(({ store }) => store?.side.capturer.brake !== undefined);
  const [first, second] = holding;
  const doing = "letting deletions go";
  if (second !== undefined) {
    const names = holding.map(({ name }) => name).join(", ");
    throw controlError("target-ambiguous", `${doing}: they are held back in ${names}; name one with --store`);
  }
  const unready = sources.filter(({ store }) => store?.isLive !== true);
  if (first === undefined && unready.length === 0) return [];
  if (first?.store?.isLive !== true) {
    const names = (first === undefined ? unready : [first]).map(({ name }) => name).join(", ");
    throw daemonError("store-not-ready", `${doing}: what is held back is not known yet of ${names}`);
  }
  const held = heldIn(first);
  await first.store.side.capturer.approveDeletions();
  first.keeper.noteLetGo();
  return held;
}

/** Throws: store-not-ready. */
function servedIn(
  daemon: Daemon,
  { store: name, replica }: ReplicaTarget,
): FetchedFrom & { readonly runner: ReplicaRunner } {
  const kept = [...daemon.kept].find(([each]) => each === name)?.[1];
  const keeper = kept?.kind === "source" ? kept.keeper : undefined;
  const [store, runner] = [keeper?.store, keeper?.runner(replica)];
  if (store !== undefined && runner?.agent !== undefined) return { store, agent: runner.agent, runner };
  const why =
    store === undefined ? "the store is not open now" : runner?.isPaused ? "it is paused" : "it is not connected";
  throw daemonError("store-not-ready", `having mail back from the replica ${name}/${replica}: ${why}`);
}

/** Throws: not-the-source. */
function sourcesMeant(daemon: Daemon, { store }: Pick<Targets, "store">): readonly Source[] {
  const meant = [...daemon.kept].filter(([name]) => store === undefined || name === store);
  const sources = meant.flatMap(([name, kept]) => (kept.kind === "source" ? [sourceOf(name, kept.keeper)] : []));
  if (meant.length > 0 && sources.length === 0) {
    const names = meant.map(([name]) => name).join(", ");
    throw controlError(
      "not-the-source",
      `asking for deletions that are held back: of ${names} this host has the replica`,
    );
  }
  return sources;
}

function sourceOf(name: string, keeper: SourceKeeper): Source {
  return { name, keeper, store: keeper.store };
}

function heldIn({ name, store }: Pick<Source, "name" | "store">): readonly HeldDeletions[] {
  const brake = store?.side.capturer.brake;
  if (brake === undefined) return [];
  const { named, mounts, ...sums } = brake;
  const lost = mounts.map(mailboxName);
  return [
    {
      store: name,
      ...sums,
      mounts: lost,
      named: named.map(({ path, ...mailbox }) => ({ mailbox: mailboxName(path), ...mailbox })),
    },
  ];
}
