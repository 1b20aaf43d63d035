/**
 * A store that others get a twin of, opened: captured for as long as it is open, whatever its replicas do.
 *
 * INVARIANT: the capture waits for no replica.
 */
import { hostname } from "node:os";
import type { SourceSide as AgentsSource } from "../../agent/source-side.js";
import { systemClock } from "../../base/clock.js";
import type { FileStat } from "../../base/disk.js";
import { Disposer } from "../../base/disposal.js";
import { Waiter } from "../../base/waiter.js";
import type { BrakeLimits } from "../../capture/brake.js";
import { latestFirst } from "../../capture/fingerprint-text.js";
import type { SumsPort } from "../../resync/sums-types.js";
import type { OpenedSource } from "../../wire/opening.js";
import { daemonError } from "../errors.js";
import { findSourcePlaces, makeSourcePlaces, rootOfSource } from "../half-places.js";
import { holdStateDirectory } from "../hold-state.js";
import { forgetTwin, lineageInDaemon, refuseMetHalfway } from "../lineage.js";
import { claimStore } from "../same-stores.js";
import { adaptSource } from "../source-adapter.js";
import { openSourceSide, type SourceSide, type StoreWatch, watchStore } from "../source-side.js";
import { watchState } from "../state-watch.js";
import { sumsOnDemand } from "../sums-on-demand.js";
import { startSourceThreads } from "../threads.js";
import type { EventLog } from "./event-log.js";
import { openReplicaStore } from "./replica-store.js";
import { becomeSource, wasReplica } from "./store-role.js";

/** Mailboxes that are watched closely from the start. */
const PROMOTED_MAX = 64;

export interface SourceStoreOptions {
  readonly path: string;
  readonly stateDir: string;
  /** Where the store had its scratch directory as a replica; undefined: the default. */
  readonly scratch: string | undefined;
  readonly log: EventLog;
  readonly crashAt: string | undefined;
  /** A file in the store without which it is not captured; undefined: none is needed. */
  readonly sentinel: string | undefined;
  /** Undefined: no deletion is held back. */
  readonly brake: BrakeLimits | undefined;
}

export class SourceStore {
  readonly side: SourceSide;
  /** As replay agents see it. */
  readonly adapted: AgentsSource;
  /** Looks at it as it stands, to compare it. */
  readonly sums: SumsPort;
  /** Who is told of each commit. */
  readonly onCommitted: Set<() => void>;
  readonly #options: SourceStoreOptions;
  readonly #said: Omit<OpenedSource, "lineage">;
  readonly #realPath: string;
  readonly #owner: Disposer;
  readonly #wasReplica: boolean;
  #watch: StoreWatch | undefined;
  #hasCaptured = false;
  #captured: () => void = () => undefined;
  readonly #firstCapture = new Promise<void>((resolve) => {
    this.#captured = resolve;
  });
  /** All that was there at the start is in the log, and changes are heard of. */
  isLive = false;

  constructor(
    options: SourceStoreOptions,
    parts: {
      readonly side: SourceSide;
      readonly root: FileStat;
      readonly realPath: string;
      readonly sums: SumsPort;
      readonly owner: Disposer;
      readonly onCommitted: Set<() => void>;
      readonly wasReplica: boolean;
    },
  ) {
    this.#options = options;
    this.side = parts.side;
    const { mode, uid, gid } = parts.root;
    const logId = parts.side.reader.meta("log-id") ?? "";
    this.#said = { root: { mode: mode & 0o7777, uid, gid }, logId };
    this.#realPath = parts.realPath;
    this.#owner = parts.owner;
    this.sums = parts.sums;
    this.onCommitted = parts.onCommitted;
    this.#wasReplica = parts.wasReplica;
    this.adapted = adaptSource(parts.side);
  }

  get stateDir(): string {
    return this.#options.stateDir;
  }

  /** What a replica is told of it as a link is opened: it is made like its root. Reads some small files. */
  get opened(): OpenedSource {
    return { ...this.#said, lineage: this.#lineage };
  }

  /** Call it when the replica has noted whose twin it is. Throws: stores-swapped, where this store has become a twin itself meanwhile. */
  refuseMetHalfway({ lineage }: OpenedSource): void {
    refuseMetHalfway(this.#realPath, lineage, this.#lineage);
  }

  get #lineage(): readonly string[] {
    return lineageInDaemon(this.#realPath, this.#options.scratch);
  }

  /** How changes are heard of; undefined before the first look. */
  get watch(): StoreWatch | undefined {
    return this.#watch;
  }

  /** All that stood there when the store was opened is in the log. */
  async untilCaptured(signal: AbortSignal): Promise<void> {
    if (this.#hasCaptured) return;
    const waiter = new Waiter<void>(signal);
    void this.#firstCapture.then(() => waiter.settle());
    await waiter.promise;
  }

  /** Captures until `signal` aborts; call it once. Throws what stops the whole store. */
  async run(signal: AbortSignal): Promise<never> {
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    const lost = this.#workerLost();
    lost.catch((error: unknown) => stop.abort(error));
    const onGone = (error: Error) => stop.abort(error);
    using _watch = watchState({ state: this.#options.stateDir, databases: ["source.db"], clock: systemClock, onGone });
    try {
      return await this.#capture(both);
    } catch (error) {
      throw stop.signal.aborted && !signal.aborted ? stop.signal.reason : error;
    }
  }

  async #capture(signal: AbortSignal): Promise<never> {
    const { capturer, worker } = this.side;
    const { log } = this.#options;
    const sinks = {
      onDegraded: (error: Error) => log.write("watch-refused", { message: error.message }),
    };
    const watch = watchStore(this.#realPath, capturer, sinks, this.#owner);
    const { hot } = watch;
    this.#watch = watch;
    await capturer.run(signal, true);
    if (this.#wasReplica && capturer.brake?.mounts.length === 0) {
      await capturer.approveDeletions(); // what went meanwhile, its source had deleted: it was applied here.
      await capturer.run(signal, true);
    }
    this.#hasCaptured = true;
    this.#captured();
    const hottest = latestFirst(capturer.rows).slice(0, PROMOTED_MAX);
    for (const path of hottest) hot.promote(path);
    await worker.call("warm", { paths: hottest });
    capturer.sweepSoon(); // what changed between the first sweep and the watches.
    capturer.startWatching();
    const { mailboxes, messages } = capturer.counts;
    log.write("store-captured", { mailboxes, messages, lastLsn: this.side.reader.lastLsn() });
    this.isLive = true;
    await capturer.run(signal, false);
    throw new TypeError("the capture of a store ends by its signal only");
  }

  async #workerLost(): Promise<never> {
    const { worker, bodies } = this.side;
    const error = await Promise.race([worker.ended, bodies.ended]);
    throw error ?? daemonError("worker-lost", "running the daemon: a worker thread has ended");
  }
}

/** `owner` releases everything. Throws: the codes of `findSourcePlaces`, state-in-use, stores-differ, and of the state database. */
export async function openSourceStore(options: SourceStoreOptions, owner: Disposer): Promise<SourceStore> {
  const places = findSourcePlaces(options.path, options.stateDir);
  makeSourcePlaces(places);
  const isFormer = wasReplica(places.state);
  if (isFormer) await putInOrder(options);
  owner.adopt(holdStateDirectory(places.state));
  const threads = startSourceThreads(owner);
  const onCommitted = new Set<() => void>();
  const side = await openSourceSide(
    {
      ...{ store: places.store, storeSite: places.site, stateDir: places.state, threads, hostname: hostname() },
      ...{ crashAt: options.crashAt, clock: systemClock, gone: [], brake: options.brake, sentinel: options.sentinel },
      onCommitted: () => {
        for (const tell of onCommitted) tell();
      },
    },
    owner,
  );
  await claimStore(side, "source", { path: places.store, site: places.site });
  forgetTwin(places.store, options.scratch);
  await becomeSource(places.state, side, options.log);
  const { store: realPath, site, state: stateDir } = places;
  const sums = owner.adopt(sumsOnDemand({ half: "source", store: realPath, site, stateDir, clock: systemClock }));
  return new SourceStore(options, {
    side,
    root: rootOfSource(places),
    realPath,
    sums,
    owner,
    onCommitted,
    wasReplica: isFormer,
  });
}

/**
 * Ends what a replica that was killed had begun: mailboxes on their way to another place are out of the store, and would be captured as
 * deleted. Throws: as `openReplicaStore`.
 */
async function putInOrder({ path, stateDir, scratch, crashAt }: SourceStoreOptions): Promise<void> {
  await using owner = new Disposer();
  await openReplicaStore({ path, stateDir, scratch, crashAt, foreign: undefined, live: false }, undefined, owner);
}
