/**
 * A store that is kept equal to one elsewhere: opened when its source first comes, then served to one link at a time.
 *
 * INVARIANT: nothing is written to the store before its source is known to have the right to it, and one link has ended, with all that
 * it applied recorded, before the next one is served: a source that dials again has lost the link before.
 */
import { hostname } from "node:os";
import { systemClock } from "../../base/clock.js";
import type { FileStat } from "../../base/disk.js";
import { Disposer } from "../../base/disposal.js";
import { isLinkClosed } from "../../wire/errors.js";
import type { Link } from "../../wire/link.js";
import { findReplicaPlaces, makeReplicaPlaces } from "../half-places.js";
import { holdDestination } from "../hold-destination.js";
import { holdScratch } from "../hold-scratch.js";
import { holdStateDirectory } from "../hold-state.js";
import { refuseUnwritable } from "../permissions.js";
import { scratchRefusal } from "../place-rules.js";
import { refuseVanished } from "../places.js";
import { openReplicaSide, type ReplicaSide } from "../replica-side.js";
import { claimStore } from "../same-stores.js";
import { startReplicaThreads } from "../threads.js";
import { type EventLog, fieldsOfError } from "./event-log.js";
import { Troubles, troubleOf } from "./troubles.js";

export interface ReplicaStoreOptions {
  readonly path: string;
  readonly scratch: string | undefined;
  readonly stateDir: string;
  readonly log: EventLog;
  readonly crashAt: string | undefined;
}

interface ReplicaOpening extends Omit<ReplicaStoreOptions, "log"> {
  /** What becomes of mail that only the replica has when its mailbox is deleted at the source; undefined: it stays. */
  readonly foreign: "keep" | "limbo" | undefined;
  /** Changes will come one by one. */
  readonly live: boolean;
}

type RootLike = Pick<FileStat, "mode" | "uid" | "gid">;

interface Opened {
  readonly side: ReplicaSide;
  readonly owner: Disposer;
}

export class ReplicaStore {
  readonly troubles = new Troubles();
  readonly #options: ReplicaStoreOptions;
  #opened: Opened | undefined;
  /** Openings, links and the end take turns. */
  #turn: Promise<void> = Promise.resolve();
  #current: AbortController | undefined;
  #connectedSinceMs: number | undefined;
  #lastLinkMs: number | undefined;

  constructor(options: ReplicaStoreOptions) {
    this.#options = options;
  }

  get isConnected(): boolean {
    return this.#connectedSinceMs !== undefined;
  }

  /** When a link was last there. */
  get lastLinkMs(): number | undefined {
    return this.isConnected ? systemClock.nowMs() : this.#lastLinkMs;
  }

  /** Undefined until its source has come. */
  get side(): ReplicaSide | undefined {
    return this.#opened?.side;
  }

  /** Ends the link before, and opens the store unless it is. `like`: its source's root. Throws what `openReplicaStore` does. */
  async open(like: RootLike | undefined): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#opened !== undefined) return;
      const owner = new Disposer();
      try {
        this.#opened = {
          owner,
          side: await openReplicaStore({ ...this.#options, foreign: undefined, live: true }, like, owner),
        };
        this.#options.log.write("store-opened");
        this.troubles.over("store");
      } catch (error) {
        await owner.dispose();
        this.#noteFailure(error);
        throw error;
      }
    });
  }

  /** Serves the link until it ends, `signal` aborts, or another one comes. Never rejects. */
  async serve(link: Link, peer: string, signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    await this.#inTurn(async (end) => {
      const opened = this.#opened;
      if (opened === undefined || signal.aborted) {
        link.close();
        return;
      }
      const both = AbortSignal.any([signal, end]);
      this.#connectedSinceMs = systemClock.nowMs();
      log.write("source-connected", { peer });
      try {
        await opened.side.serve(link, both);
        this.troubles.over("store");
        log.write("source-gone", { peer });
      } catch (error) {
        log.write("source-gone", { peer, ...(both.aborted ? {} : fieldsOfError(error)) });
        if (both.aborted) return;
        if (!isLinkClosed(error)) this.#noteFailure(error);
        // Whatever it was, what is in memory is not to be relied on.
        if (!isLinkClosed(error)) await this.#close();
      } finally {
        this.#connectedSinceMs = undefined;
        this.#lastLinkMs = systemClock.nowMs();
      }
    });
  }

  /** Ends the link, and closes the store. */
  async close(): Promise<void> {
    await this.#inTurn(() => this.#close());
  }

  async #close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.owner.dispose();
  }

  /** `step` gets a signal that the next one aborts. */
  async #inTurn(step: (end: AbortSignal) => Promise<void>): Promise<void> {
    this.#current?.abort(new Error("the next link has come"));
    const mine = new AbortController();
    this.#current = mine;
    const before = this.#turn;
    const turn = (async () => {
      await before;
      await step(mine.signal);
    })();
    this.#turn = turn.catch(() => undefined);
    await turn;
  }

  #noteFailure(error: unknown): void {
    const trouble = troubleOf(error);
    const isNews = this.troubles.note("store", trouble, systemClock.nowMs());
    if (isNews)
      this.#options.log.write(trouble.level === "healing" ? "store-failed" : "store-needs-you", fieldsOfError(error));
  }
}

/**
 * `owner` releases everything. Throws: the codes of `findReplicaPlaces`, destination-emptied, destination-in-use, state-in-use,
 * store-exchanged, and those of the state database.
 */
export async function openReplicaStore(
  { path, scratch, stateDir, crashAt, foreign, live }: ReplicaOpening,
  like: RootLike | undefined,
  owner: Disposer,
): Promise<ReplicaSide> {
  const places = findReplicaPlaces(path, { state: stateDir, scratch });
  refuseVanished({ state: places.state, destination: places.store });
  const { destination, scratch: scratchSite } = makeReplicaPlaces(places, like);
  owner.adopt(holdStateDirectory(places.state));
  owner.adopt(holdDestination(places.store));
  owner.adopt(holdScratch(places.scratch, scratchSite, scratchRefusal(places.scratch)));
  refuseUnwritable(places.store);
  const threads = startReplicaThreads(owner);
  const side = await openReplicaSide(
    {
      ...{ store: places.store, scratch: places.scratch, sites: { store: destination, scratch: scratchSite } },
      ...{ stateDir: places.state, threads, hostname: hostname(), crashAt, clock: systemClock },
      ...{ foreign, live },
    },
    owner,
  );
  await claimStore(side, "destination", { path: places.store, site: destination });
  return side;
}
