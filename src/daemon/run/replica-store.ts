/**
 * A store that is kept equal to one elsewhere: opened when its source first comes, then served to one link at a time.
 *
 * INVARIANT: nothing is written to the store before its source is known to have the right to it, and one link has ended, with all that
 * it applied recorded, before the next one is served: a source that dials again has lost the link before.
 */
import { hostname } from "node:os";
import { farewellOf, isOfSource } from "../../agent/farewell.js";
import type { SessionSinks } from "../../agent/session-sinks.js";
import type { UndeleteLimits } from "../../apply/purge-types.js";
import { systemClock } from "../../base/clock.js";
import type { FileStat } from "../../base/disk.js";
import { Disposer } from "../../base/disposal.js";
import type { RawPath } from "../../base/raw-name.js";
import type { MailboxGuid } from "../../maildir/ids.js";
import { isLinkClosed } from "../../wire/errors.js";
import type { Link } from "../../wire/link.js";
import { NO_SOURCE, type OpenedSource } from "../../wire/opening.js";
import type { RefusedStatus } from "../control/status.js";
import { daemonError } from "../errors.js";
import { findReplicaPlaces, isAt, makeReplicaPlaces } from "../half-places.js";
import { holdDestination } from "../hold-destination.js";
import { holdScratch } from "../hold-scratch.js";
import { holdStateDirectory } from "../hold-state.js";
import { refuseRing } from "../lineage.js";
import { refuseUnwritable } from "../permissions.js";
import { scratchRefusal } from "../place-rules.js";
import { refuseVanished } from "../places.js";
import { openReplicaSide, type ReplicaSide } from "../replica-side.js";
import { claimStore } from "../same-stores.js";
import { refuseForgotten, watchState } from "../state-watch.js";
import { startReplicaThreads } from "../threads.js";
import { schedulePurges } from "../undelete/purge.js";
import type { BreachCount } from "./breaches.js";
import { hintInDaemon, hintOfEmptied } from "./daemon-hints.js";
import { watchEmptied } from "./emptied-watch.js";
import { type EventLog, fieldsOfError, logPurged } from "./event-log.js";
import { type EndedLink, MetLink } from "./met-link.js";
import { isOfAnother, noteTaker } from "./note-taker.js";
import { RefusedMailboxes } from "./refused-mailboxes.js";
import { becomeReplica } from "./store-role.js";
import { type Trouble, Troubles, troubleOf } from "./troubles.js";

export interface ReplicaStoreOptions {
  readonly path: string;
  readonly scratch: string | undefined;
  readonly stateDir: string;
  readonly log: EventLog;
  readonly crashAt: string | undefined;
  /** Which mailboxes its source may write to, as it is now; undefined: all. */
  readonly mayWrite: () => ((path: RawPath) => boolean) | undefined;
  /** What stays in its limbo, as it is now. */
  readonly undelete: () => UndeleteLimits;
  /** Of its source. */
  readonly breaches: BreachCount;
}

interface ReplicaOpening extends Omit<ReplicaStoreOptions, "log" | "mayWrite" | "undelete" | "breaches"> {
  /** Undefined where nobody reads one. */
  readonly log?: EventLog;
  /** What becomes of mail that only the replica has when its mailbox is deleted at the source; undefined: it stays. */
  readonly foreign: "keep" | "limbo" | undefined;
  /** Changes will come one by one. */
  readonly live: boolean;
  /** Undefined where it is opened to be put in order alone. */
  readonly source?: OpenedSource;
  /** Who keeps the twin; undefined: a run of sync. */
  readonly by?: "daemon";
}

type RootLike = Pick<FileStat, "mode" | "uid" | "gid">;

export interface OpenedReplica {
  readonly side: ReplicaSide;
  /** Whether the directory at its path is still the one that was opened. */
  readonly stillStands: () => boolean;
  /** Once more, for another link: notes whose twin the store is, durably. Throws: stores-swapped, stores-overlap, system errors. */
  readonly noteSource: (source: OpenedSource) => void;
}

interface Opened extends OpenedReplica {
  readonly owner: Disposer;
}

export class ReplicaStore {
  readonly troubles: Troubles;
  readonly #options: ReplicaStoreOptions;
  #opened: Opened | undefined;
  /** Over all links. */
  readonly #refused: RefusedMailboxes;
  /** Openings, links and the end take turns. */
  #turn: Promise<void> = Promise.resolve();
  #current: AbortController | undefined;
  #hasEnded = false;
  #hasBeenOpen = false;
  /** The link that is served. */
  #met: MetLink | undefined;
  #hasCome = false;
  #lastLinkMs: number | undefined;
  #lastChangeMs: number | undefined;

  /** `former`: the same store of the same source, which has ended; what is known of it stays. */
  constructor(options: ReplicaStoreOptions, former?: ReplicaStore) {
    this.#options = options;
    const pathOf = (mailbox: MailboxGuid) => this.side?.reader.mailboxByGuid(mailbox)?.path;
    const ports = { log: options.log, clock: systemClock, pathOf };
    this.troubles = former?.troubles ?? new Troubles();
    this.#refused = former === undefined ? new RefusedMailboxes(ports) : former.#refused.goOnWith(ports);
    this.#lastLinkMs = former?.lastLinkMs;
    this.#lastChangeMs = former?.lastChangeMs;
  }

  get isConnected(): boolean {
    return this.#met !== undefined;
  }

  /** What is wrong now. */
  get troublesNow(): readonly Trouble[] {
    this.#judge(this.#met);
    return this.troubles.all;
  }

  /** When a link was last there, since the daemon began. */
  get lastLinkMs(): number | undefined {
    return this.isConnected ? systemClock.nowMs() : this.#lastLinkMs;
  }

  /** The source, since the daemon began, or a reload had its links judged anew. */
  get hasCome(): boolean {
    return this.#hasCome;
  }

  /** What it refuses of its source. */
  get refusedNow(): RefusedStatus | undefined {
    return this.#refused.status(this.#options.mayWrite());
  }

  /** When something was last applied, since the daemon began. */
  get lastChangeMs(): number | undefined {
    return this.#lastChangeMs;
  }

  /** Undefined until its source has come. */
  get side(): ReplicaSide | undefined {
    return this.#opened?.side;
  }

  /**
   * Ends the link before, and opens the store unless it is open, and the one that stands at its path. When it returns it is durable whose
   * twin the store is. Throws: replica-of-another, and what `openReplicaStore` does.
   */
  async open(source: OpenedSource): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#hasEnded) throw this.#notReady("opening a replica: it is served no longer");
      if (this.#opened !== undefined && !this.#opened.stillStands()) await this.#close(); // it was mounted since, say.
      if (this.#opened !== undefined) return this.#meet(this.#opened, source);
      const owner = new Disposer();
      try {
        if (this.#hasBeenOpen) refuseForgotten(this.#options.stateDir, "replica.db");
        const how = { ...this.#options, foreign: undefined, live: true, by: "daemon", source } as const;
        const parts = await openReplicaStore(how, tame(source.root), owner);
        this.#watchState(owner);
        this.#purgeAtTimes(parts.side, owner);
        const opened = { owner, ...parts };
        this.#opened = opened;
        this.#hasBeenOpen = true;
        this.#options.log.write("store-opened");
        this.troubles.over("store");
        this.#refuseOther(opened.side, source.logId);
      } catch (error) {
        if (this.#opened === undefined) await owner.dispose().catch(() => undefined); // why it could not be opened is what matters.
        this.#noteFailure(error);
        throw error;
      }
    });
  }

  /** Serves the link until it ends, `signal` aborts, or another one comes. Never rejects. */
  async serve(link: Link, peer: string, signal: AbortSignal): Promise<EndedLink | undefined> {
    const { log } = this.#options;
    let ended: EndedLink | undefined;
    await this.#inTurn(async (end) => {
      const opened = this.#opened;
      if (opened === undefined || signal.aborted) {
        link.close(farewellOf(this.#notReady("serving a link: it is not open")));
        return;
      }
      const both = AbortSignal.any([signal, end]);
      const met = new MetLink(link, systemClock);
      this.#met = met;
      this.#hasCome = true;
      log.write("source-connected", { peer });
      using _emptied = this.#watchEmptied(opened.side, met);
      try {
        const refused = this.#refused;
        const sinks: SessionSinks = {
          onApplied: (mailbox) => {
            this.#lastChangeMs = systemClock.nowMs();
            met.noteApplied();
            refused.onApplied(mailbox);
          },
          onRefused: (it) => refused.onRefused(it),
          onRead: (mailbox) => refused.onRead(mailbox),
          onMarked: () => refused.onMarked(),
        };
        await opened.side.serve(met, both, { mayWrite: this.#options.mayWrite(), sinks });
        this.troubles.over("store");
        this.#judge(met);
        log.write("source-gone", { peer });
        ended = met.ended(peer);
      } catch (error) {
        this.#judge(met);
        const { hint } = this.#troubleOf(error);
        log.write("source-gone", { peer, ...(both.aborted ? {} : { ...fieldsOfError(error), hint }) });
        if (both.aborted) return;
        this.#options.breaches.note(error);
        if (isLinkClosed(error)) ended = met.ended(peer);
        else this.#noteFailure(error);
        if (isLinkClosed(error) || isOfSource(error)) return;
        await this.#close(); // whatever it was, what is in memory is not to be relied on.
      } finally {
        this.#met = undefined;
        this.#lastLinkMs = systemClock.nowMs();
      }
    });
    return ended;
  }

  /** Ends the link, and closes the store for good. Never rejects. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    await this.#inTurn(() => this.#close());
  }

  /** Without its state no link is served: what is applied could not be recorded. */
  #watchState(owner: Disposer): void {
    const onGone = (error: Error) => {
      this.#noteFailure(error);
      this.#met?.close(farewellOf(error));
      void this.#inTurn(async () => {
        if (this.#opened?.owner === owner) await this.#close();
      });
    };
    owner.adopt(watchState({ state: this.#options.stateDir, databases: ["replica.db"], clock: systemClock, onGone }));
  }

  /** What cannot be removed is no trouble of the store: it is tried again, and its mail goes on. */
  #purgeAtTimes(side: ReplicaSide, owner: Disposer): void {
    const { log, undelete } = this.#options;
    const purge = (signal: AbortSignal) => side.purge(undelete(), signal);
    const onFailed = (error: unknown) => log.write("limbo-not-purged", fieldsOfError(error));
    owner.adopt(schedulePurges(systemClock, { purge, onPurged: (purged) => logPurged(log, purged), onFailed }));
  }

  /** The link ends, and the source looks at all as it begins the next one. */
  #watchEmptied(side: ReplicaSide, met: MetLink): Disposable {
    const words = `serving a link: nothing that was written to ${this.#options.path} stands any more: the source has to look`;
    return watchEmptied({
      clock: systemClock,
      isEmptied: () => side.isEmptied(),
      onEmptied: () => met.close(farewellOf(this.#notReady(words))),
      onFailed: (error) => met.close(farewellOf(error)),
    });
  }

  #notReady(words: string): Error {
    return daemonError("store-not-ready", words);
  }

  /** Never rejects: what could not be let go of ends nothing else. */
  async #close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    try {
      await opened?.owner.dispose();
    } catch (error) {
      this.#noteFailure(error);
    }
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

  /** For a link that is not the first one. */
  #meet({ side, noteSource }: Opened, source: OpenedSource): void {
    this.#refuseOther(side, source.logId);
    try {
      noteSource(source);
    } catch (error) {
      this.#noteFailure(error);
      throw error;
    }
  }

  /**
   * What another log has written is no part of this one: compared with it, it would be called deleted. Whoever knows better begins
   * anew.
   */
  #refuseOther(side: ReplicaSide, logId: string): void {
    if (!isOfAnother(side, logId)) {
      this.troubles.over("store");
      return;
    }
    const { path, stateDir } = this.#options;
    const words = `opening ${path}: it holds what another source has written, or this one before it lost its state`;
    const error = daemonError("replica-of-another", `${words} (the state of that is in ${stateDir})`);
    this.#noteFailure(error); // who is to act is on this host.
    throw error;
  }

  #judge(met: MetLink | undefined): void {
    if (met?.isWell === true) this.troubles.over("source");
  }

  /** What a source says stays told until it goes on. */
  #noteFailure(error: unknown): void {
    const { log } = this.#options;
    const seenAs = this.#troubleOf(error);
    const subject = isOfSource(error) ? "source" : "store";
    this.troubles.noteFailure(subject, error, { of: "store", log, nowMs: systemClock.nowMs(), seenAs });
  }

  /** What to do is said as on this host, where its code, or the one that a source has said, is known here. */
  #troubleOf(error: unknown): Omit<Trouble, "sinceMs"> {
    const trouble = troubleOf(error);
    const code = isOfSource(error) ? String(error.detail["said"]) : trouble.code;
    const isEmptied = code === (isOfSource(error) ? "replica-emptied" : "destination-emptied");
    return { ...trouble, hint: isEmptied ? hintOfEmptied(this.#options) : hintInDaemon(code, trouble.hint) };
  }
}

/** A root that is made as another host says: nobody else may write there, whatever it says. */
function tame(like: RootLike | undefined): RootLike | undefined {
  return like === undefined ? undefined : { ...like, mode: like.mode & MODE_MAX };
}

/** With the group's bit, which mail spools use; without others' right to write, and without setuid. */
const MODE_MAX = 0o2775;

/**
 * `owner` releases everything. Throws: the codes of `findReplicaPlaces`, destination-emptied, destination-in-use, state-in-use,
 * store-exchanged, stores-swapped, stores-overlap, and those of the state database.
 */
export async function openReplicaStore(
  { path, scratch, stateDir, crashAt, foreign, live, log, source = NO_SOURCE, by }: ReplicaOpening,
  like: RootLike | undefined,
  owner: Disposer,
): Promise<OpenedReplica> {
  const places = findReplicaPlaces(path, { state: stateDir, scratch });
  refuseRing(places.store, source.lineage);
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
  await becomeReplica(places.state, side, log);
  const noteSource = noteTaker({ places, side, scratchSite, by }, owner);
  noteSource(source);
  return { side, stillStands: () => isAt(places.store, destination), noteSource };
}
