/**
 * A source of the configuration for as long as the daemon runs: opens its store, serves its replicas, and opens it anew when it fails.
 *
 * INVARIANT: what fails in one store, or one replica, ends nothing of another.
 */
import { type Clock, systemClock } from "../../base/clock.js";
import { Disposer } from "../../base/disposal.js";
import { Gate } from "../../base/gate.js";
import type { BrakeLimits } from "../../capture/brake.js";
import { keepLogWithin } from "../../log/keep-log-within.js";
import type { StateWriter } from "../../log/state-ports.js";
import type { ReplicaRow } from "../../log/state-types.js";
import { BroughtBackRelease } from "../brought-back.js";
import type { LogLimits, Replica } from "../config/config.js";
import { HeldRetry } from "../held-retry.js";
import type { ScrubLimits } from "../scrub/limits.js";
import { ReplicaScrub, scrubKey } from "../scrub/replica-scrub.js";
import { refuseForgotten } from "../state-watch.js";
import { BackOff } from "./back-off.js";
import { noteBrake } from "./brake-trouble.js";
import type { BreachCount } from "./breaches.js";
import { type EventLog, fieldsOfError } from "./event-log.js";
import { MailboxProblems } from "./mailbox-problems.js";
import { isSameReplica, ReplicaMemory } from "./replica-memory.js";
import { asideKey, markAsked, pausedKey, pausedSinceMs, rightsKey } from "./replica-notes.js";
import { type ReplicaLink, ReplicaRunner } from "./replica-runner.js";
import { openSourceStore, type SourceStore } from "./source-store.js";
import { Troubles } from "./troubles.js";
import { maySee } from "./user-rights.js";

export interface SourceKeeperPorts {
  readonly path: string;
  readonly stateDir: string;
  readonly scratch: string | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: EventLog;
  readonly crashAt: string | undefined;
  readonly sentinel: string | undefined;
  readonly brake: BrakeLimits | undefined;
  /** As it is now; undefined: bodies are not read again by themselves. */
  readonly scrub: () => ScrubLimits | undefined;
  /** Of the log, as they are now. */
  readonly limits: () => LogLimits;
  /** To whose mailboxes a replica's rights are limited; undefined: they are not. */
  readonly usersOf: (replica: Replica) => readonly string[] | undefined;
  /** Undefined for a replica that dials in. The link knows what the store is. */
  readonly dialOf: (
    replica: Replica,
    store: SourceStore,
  ) => ((signal: AbortSignal) => Promise<ReplicaLink>) | undefined;
  /** By the replica's name, for as long as the daemon runs. */
  readonly breachesOf: (replica: string) => BreachCount;
}

/** Of the newest transactions, so many stay though everybody has them: for people who look. */
const RECENT_ENTRIES = 1_000;
/** Between two looks at what the log need not keep. */
const TRIM_MS = 5_000;
/** Where what was held back is let go, and being captured. */
const HELD_MS = 500;
/** How long an ending daemon goes on shipping. */
const DRAIN_MS_MAX = 5_000;

interface Running {
  readonly runner: ReplicaRunner;
  readonly scrub: ReplicaScrub;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

export class SourceKeeper {
  readonly troubles = new Troubles();
  /** Of its mailboxes, over all openings of the store. */
  readonly problems: MailboxProblems;
  readonly #ports: SourceKeeperPorts;
  readonly #backOff: BackOff;
  readonly #changed = new Gate();
  #replicas: ReadonlyMap<string, Replica>;
  #store: SourceStore | undefined;
  #hasBeenOpen = false;
  readonly #running = new Map<string, Running>();
  /** Of each replica, over all its runners. */
  readonly #memories = new Map<string, ReplicaMemory>();
  /** Their links are judged anew. */
  readonly #toEnd = new Set<string>();

  constructor(ports: SourceKeeperPorts, replicas: ReadonlyMap<string, Replica>) {
    this.#ports = ports;
    this.problems = new MailboxProblems(ports.log);
    this.#replicas = replicas;
    this.#backOff = new BackOff(ports.random);
  }

  /** Undefined while it is not open. */
  get store(): SourceStore | undefined {
    return this.#store;
  }

  get replicas(): ReadonlyMap<string, Replica> {
    return this.#replicas;
  }

  runner(name: string): ReplicaRunner | undefined {
    return this.#running.get(name)?.runner;
  }

  /** What reads the bodies of a replica again. */
  scrub(name: string): ReplicaScrub | undefined {
    return this.#running.get(name)?.scrub;
  }

  /** What is known of a replica while the store is open. */
  memory(name: string): ReplicaMemory | undefined {
    return this.#memories.get(name);
  }

  /** What was held back may go: what waits for that need not wait any more. */
  noteLetGo(): void {
    this.#changed.wake();
  }

  /** Those that are not there any more end, new ones begin, those of `peers` begin anew, all others go on. */
  setReplicas(replicas: ReadonlyMap<string, Replica>, peers: ReadonlySet<string | undefined>): void {
    this.#replicas = replicas;
    for (const [name, { runner }] of this.#running) if (peers.has(runner.replica.peer)) this.#toEnd.add(name);
    this.#changed.wake();
  }

  /** Opens and serves until `signal` aborts, then ships for a while what is captured. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#ports;
    for (;;) {
      try {
        signal.throwIfAborted();
        await this.#live(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.troubles.noteFailure("store", error, { of: "store", log, nowMs: clock.nowMs() });
        await clock.sleep(this.#backOff.nextMs(), signal).catch(() => undefined);
      }
    }
  }

  async #live(signal: AbortSignal): Promise<void> {
    const { path, stateDir, scratch, log, crashAt, sentinel, brake } = this.#ports;
    await using owner = new Disposer();
    if (this.#hasBeenOpen) refuseForgotten(stateDir, "source.db");
    const store = await openSourceStore({ path, stateDir, scratch, log, crashAt, sentinel, brake }, owner);
    this.#store = store;
    this.#hasBeenOpen = true;
    log.write("store-opened", { lastLsn: store.side.reader.lastLsn() });
    this.troubles.over("store");
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    try {
      const capturing = store.run(both);
      const tending = this.#tend(store, both);
      tending.catch((error: unknown) => stop.abort(error));
      await capturing;
    } catch (error) {
      if (signal.aborted) await this.#drain(store);
      throw stop.signal.aborted && !signal.aborted ? stop.signal.reason : error;
    } finally {
      stop.abort(new Error("the store is closed"));
      await this.#endAll();
      this.#store = undefined;
    }
  }

  /** Begins and ends replicas, trims the log, and tells of mailboxes that are not captured. */
  async #tend(store: SourceStore, signal: AbortSignal): Promise<never> {
    const { clock } = this.#ports;
    const broughtBack = new BroughtBackRelease(store.side);
    const heldRetry = new HeldRetry(store.side.capturer);
    for (;;) {
      await this.#endGone();
      await this.#keepLog(store); // before anybody is served: what a new replica lacks is kept from here on.
      this.#beginNew(store);
      if (store.isLive) this.#backOff.reset();
      if (store.isLive) await broughtBack.settle((lsn) => haveAll(store.side.reader.replicas(), lsn));
      noteBrake(store.side.capturer.brake, { log: this.#ports.log, troubles: this.troubles });
      this.problems.look(store.side.capturer.problems, { isWhole: store.isLive, nowMs: clock.nowMs() });
      const isAwaited = heldRetry.look(Array.from(this.#running.values(), ({ runner }) => runner.agent ?? []).flat());
      const timer = clock.setTimer(isAwaited ? HELD_MS : TRIM_MS, () => this.#changed.wake());
      try {
        await this.#changed.wait(signal);
      } finally {
        timer.cancel();
      }
    }
  }

  async #endGone(): Promise<void> {
    for (const [name, running] of [...this.#running]) {
      const replica = this.#replicas.get(name);
      const isOther = replica === undefined || this.#toEnd.has(name) || !isSame(replica, running.runner.replica);
      if (isOther) await this.#end(name, running);
    }
    this.#toEnd.clear();
    for (const name of this.#memories.keys()) if (!this.#replicas.has(name)) this.#memories.delete(name);
  }

  #beginNew(store: SourceStore): void {
    for (const [name, replica] of this.#replicas) if (!this.#running.has(name)) this.#begin(store, name, replica);
  }

  #begin(store: SourceStore, name: string, replica: Replica): void {
    const { path, clock, random, log, dialOf, usersOf } = this.#ports;
    const [dial, users] = [dialOf(replica, store), usersOf(replica)];
    const mayHave = users === undefined ? undefined : maySee(users);
    const own = { replica, clock, log: log.child({ replica: name }) };
    const breaches = this.#ports.breachesOf(name);
    const memory = this.#memoryOf(replica) ?? new ReplicaMemory({ ...own, breaches, reader: store.side.reader });
    memory.configure(replica);
    this.#memories.set(name, memory);
    const runner = new ReplicaRunner({ ...own, store, path, mayHave, dial, random, memory });
    const pausedMs = pausedSinceMs(store.side.reader.meta(pausedKey(name)), clock.nowMs());
    if (pausedMs !== undefined) runner.pause(pausedMs);
    const { troubles } = memory;
    const scrub = new ReplicaScrub({ ...own, limits: this.#ports.scrub, store, runner, troubles });
    const stop = new AbortController();
    const scrubbing = scrub.run(stop.signal).catch((error: unknown) => {
      if (!stop.signal.aborted) log.write("defect", fieldsOfError(error)); // it ends, and nothing else does.
    });
    const running = runner.run(stop.signal).catch((error: unknown) => {
      if (stop.signal.aborted) return;
      log.write("replica-needs-you", fieldsOfError(error)); // a defect: it ends this replica alone, which is begun anew after a while.
      this.#running.delete(name);
      stop.abort(error);
    });
    const ended = Promise.all([running, scrubbing]).then(() => undefined);
    this.#running.set(name, { runner, scrub, stop, ended });
  }

  /** Of the same replica, whatever its settings were. */
  #memoryOf(replica: Replica): ReplicaMemory | undefined {
    const known = this.#memories.get(replica.name);
    return known !== undefined && isSameReplica(known.replica, replica) ? known : undefined;
  }

  async #end(name: string, { stop, ended }: Running): Promise<void> {
    stop.abort(new Error("the replica is not served any more"));
    await ended;
    this.#running.delete(name);
  }

  async #endAll(): Promise<void> {
    await Promise.all(Array.from(this.#running, ([name, running]) => this.#end(name, running)));
    this.#memories.clear();
  }

  /** The log is kept for those who are configured, within the limits. */
  async #keepLog({ side: { reader, writer } }: SourceStore): Promise<void> {
    const { clock, log, limits } = this.#ports;
    const known = new Set(reader.replicas().map(({ replica }) => replica));
    for (const name of this.#replicas.keys()) if (!known.has(name)) await writer.addReplica(name, clock.nowMs());
    for (const name of known) if (!this.#replicas.has(name)) await forget(name, writer);
    for (const replica of this.#replicas.values()) await this.#noteRights(replica, { reader, writer });
    const held = Array.from(this.#running, ([name, { runner }]) => [name, runner.heldLsn] as const);
    const heldLsnByReplica = new Map(held.flatMap(([name, lsn]) => (lsn === undefined ? [] : [[name, lsn] as const])));
    const { maxSize: maxBytes, maxAgeMs } = limits();
    const trimming = { limits: { maxBytes, maxAgeMs, recentEntries: RECENT_ENTRIES }, heldLsnByReplica };
    const { needsResync } = await keepLogWithin({ reader, writer }, { ...trimming, nowMs: clock.nowMs() });
    for (const { replica, why } of needsResync) {
      log.write("replica-needs-resync", { replica, why });
      this.runner(replica)?.beginAgain("it is to be compared");
    }
  }

  /**
   * A replica whose rights were others when the log was sent has not all that it may have now: it is compared.
   * INVARIANT: marked first, noted then.
   */
  async #noteRights(
    replica: Replica,
    { reader, writer }: Pick<SourceStore["side"], "reader" | "writer">,
  ): Promise<void> {
    const key = rightsKey(replica.name);
    const now = JSON.stringify(this.#ports.usersOf(replica) ?? null);
    const before = reader.meta(key) ?? "";
    if ((before === "" ? ALL_USERS : before) === now) return;
    if ((reader.cursor(replica.name) ?? 0) > 0) await markAsked(writer, replica.name, this.#ports.clock.nowMs());
    await writer.setMeta(key, now);
  }

  /** What is captured is shipped to those who are connected; what takes too long is in the log. */
  async #drain({ side: { reader } }: SourceStore): Promise<void> {
    const lsn = reader.lastLsn();
    const agents = Array.from(this.#running.values(), ({ runner }) => runner.agent).filter(
      (agent) => agent !== undefined,
    );
    const deadline = new AbortController();
    const timer = systemClock.setTimer(DRAIN_MS_MAX, () => deadline.abort(new Error("time is up")));
    await Promise.allSettled(agents.map((agent) => agent.untilAcked(lsn, deadline.signal)));
    timer.cancel();
  }
}

/** What is noted of a replica whose rights are not limited, or of which nothing is noted yet. */
const ALL_USERS = "null";

/** All that is known of it: one that is added again under that name is a new one. */
async function forget(replica: string, writer: StateWriter): Promise<void> {
  for (const key of [pausedKey, asideKey, rightsKey, scrubKey].map((keyOf) => keyOf(replica)))
    await writer.setMeta(key, "");
  await writer.forgetReplica(replica);
}

/** Who is to be compared says nothing of what it has. */
function haveAll(replicas: readonly ReplicaRow[], upTo: number): boolean {
  return replicas.every(({ lsn, needsResyncSinceMs }) => needsResyncSinceMs === undefined && lsn >= upTo);
}

/** Both are of the configuration: plain values. */
function isSame(one: Replica, other: Replica): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
