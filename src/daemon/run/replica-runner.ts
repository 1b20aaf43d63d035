/**
 * One replica, as its source serves it: gets a link (dials, or waits until the replica dials in or asks), ships, and begins again when
 * the link ends, for as long as its store is open. What it does is a row of `REPLICA_TABLE`.
 *
 * INVARIANT: it waits for nobody but its own replica, and nobody waits for it.
 */
import type { ReplayAgent } from "../../agent/replay-agent.js";
import { Gate } from "../../base/gate.js";
import type { RawPath } from "../../base/raw-name.js";
import type { ResyncWhy } from "../../log/state-types.js";
import type { Link } from "../../wire/link.js";
import type { OpenedSource } from "../../wire/opening.js";
import type { Replica } from "../config/config.js";
import type { ForeignStatus } from "../control/status.js";
import { type AgentPorts, agentFor } from "./agent-for.js";
import { AgentTurns } from "./agent-turns.js";
import type { AskedComparisons } from "./asked-comparisons.js";
import { BackOff } from "./back-off.js";
import { isBreach } from "./breaches.js";
import { type Lag, lagOf, Pace } from "./lag.js";
import { LeftOut } from "./left-out.js";
import type { LinkTroubles } from "./link-troubles.js";
import { meetReplica, restoreKept } from "./meet-replica.js";
import { ReplicaMemory } from "./replica-memory.js";
import { markAsked, resyncWhyOf } from "./replica-notes.js";
import { nextState, type ReplicaEvent, type ReplicaState } from "./replica-state.js";
import type { Troubles } from "./troubles.js";
import { WatchedLink } from "./watched-link.js";

/** A link to the replica, and what it was told of the source as that was opened. */
export interface ReplicaLink {
  readonly link: Link;
  readonly said: OpenedSource;
}

export interface RunnerPorts extends AgentPorts {
  /** The store's path, for people. */
  readonly path: string;
  /** Undefined where the replica dials in. */
  readonly dial: ((signal: AbortSignal) => Promise<ReplicaLink>) | undefined;
  /** What was known of the replica before; undefined: nothing. */
  readonly memory?: ReplicaMemory;
}

/** How often it is looked whether the replica keeps up. */
const LOOK_MS = 1_000;
/** The same until all was there for the first time. */
const LOOK_FIRST_MS = 100;
/** A replica that is behind by more is no longer live. */
const LIVE_LAG_MS_MAX = 10_000;

/** What ends a conversation without being a failure. */
class Ended extends Error {}

export class ReplicaRunner {
  readonly leftOut: LeftOut;
  readonly pace = new Pace(); // at which it catches up, or is compared.
  readonly #ports: RunnerPorts;
  readonly #backOff: BackOff;
  readonly #memory: ReplicaMemory;
  readonly #linkTroubles: LinkTroubles;
  readonly #wake = new Gate();
  readonly #turns = new AgentTurns();
  #state: ReplicaState = "idle";
  #pausedSinceMs: number | undefined;
  /** A replica on demand was asked for. */
  #isAsked = false;
  #offered: ReplicaLink | undefined;
  #agent: ReplayAgent | undefined;
  #conversation: AbortController | undefined;
  /** Settles when nothing of the last conversation is left. */
  #talk: Promise<void> = Promise.resolve();
  #nextTryMs = 0;

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
    const { side } = ports.store;
    this.#memory = ports.memory ?? new ReplicaMemory({ ...ports, reader: side.reader });
    this.#linkTroubles = this.#memory.link;
    this.leftOut = new LeftOut({ ...ports, ...side, peer: ports.replica.peer });
    this.#backOff = new BackOff(ports.random);
  }

  get name(): string {
    return this.#ports.replica.name;
  }

  get replica(): Replica {
    return this.#ports.replica;
  }

  mayHave(path: RawPath): boolean {
    return this.#ports.mayHave?.(path) ?? true;
  }

  get state(): ReplicaState {
    return this.#state;
  }

  /** What is wrong now. */
  get troubles(): Pick<Troubles, "all"> {
    this.#linkTroubles.judge();
    return this.#memory.troubles;
  }

  get asked(): AskedComparisons {
    return this.#memory.asked;
  }

  /** Mail that only the replica has, of what it may have. */
  get foreign(): ForeignStatus | undefined {
    return this.#memory.foreign.status(this.#ports.store.side.reader, (path) => this.mayHave(path));
  }

  /** Since the store was opened. */
  get sums() {
    return { ...this.#memory.sums, nextTryMs: this.#state === "backing-off" ? this.#nextTryMs : undefined };
  }

  /** Connected. */
  get agent(): ReplayAgent | undefined {
    return this.#agent;
  }

  /** What the replica has for certain. */
  get ackedLsn(): number {
    const acked = this.#agent?.ackedLsn ?? 0;
    return acked > 0 ? acked : (this.#ports.store.side.reader.cursor(this.name) ?? 0);
  }

  /** The lowest LSN that it still needs of the log, beside what follows its cursor; undefined while it is not connected. */
  get heldLsn(): number | undefined {
    const agent = this.#agent;
    return agent === undefined || (agent.ackedLsn === 0 && !agent.isComparing) ? undefined : agent.trimmableLsn + 1;
  }

  /** The log does not have all that it lacks, or an operator asked for it. */
  get needsResync(): boolean {
    return this.resyncWhy !== undefined;
  }

  /** Why it needs that; undefined: it does not. */
  get resyncWhy(): ResyncWhy | undefined {
    return resyncWhyOf(this.#ports.store.side.reader, this.name);
  }

  get lag(): Lag {
    return lagOf(this.#ports.store.side.reader, this.ackedLsn, this.#ports.clock.nowMs());
  }

  get isPaused(): boolean {
    return this.#pausedSinceMs !== undefined;
  }

  /** When an operator has paused it; undefined: it is not. */
  get pausedSinceMs(): number | undefined {
    return this.#pausedSinceMs;
  }

  pause(sinceMs: number): void {
    if (this.isPaused) return;
    this.#pausedSinceMs = sinceMs;
    this.#step("pause");
    this.#linkTroubles.paused();
    this.#conversation?.abort(new Ended("it was paused"));
    this.#wake.wake();
  }

  resume(): void {
    if (!this.isPaused) return;
    this.#pausedSinceMs = undefined; // it is taken up when the link before has ended.
    this.#retryNow();
  }

  /** A replica on demand gets what it lacks now; any other is dialled now. */
  fetchNow(): void {
    this.#isAsked = true;
    this.#retryNow();
  }

  /**
   * Compares the whole replica, once more where a comparison is under way. Returns when that is durable: who is not connected, or is
   * cut off meanwhile, is compared when he is there again.
   */
  async compareAll(): Promise<void> {
    const agent = this.#agent;
    // INVARIANT: asked first, so that a comparison which ends meanwhile leaves the mark, and marked for whoever comes to be meanwhile.
    const { store, clock } = this.#ports;
    await Promise.all([agent?.resync("all"), markAsked(store.side.writer, this.name, clock.nowMs())]);
    if (this.#agent !== agent) await this.#agent?.resync("all");
  }

  /** What came of a question over the link of that agent: an answer that cannot be ends it, as all does that no replica says; else nothing. */
  judge(agent: ReplayAgent, error: unknown): void {
    if (this.#agent === agent && isBreach(error, "replica")) this.#conversation?.abort(error);
  }

  /** Ends the link and gets it anew, at once. `why`: for nobody but who reads the code. */
  beginAgain(why: string): void {
    this.#conversation?.abort(new Ended(why));
    this.#retryNow();
  }

  /**
   * Calls `write` with the agent, or without one where none runs. What it writes is known to whichever agent is next: none is made
   * before it has ended.
   */
  async withAgent<T>(write: (agent: ReplayAgent | undefined) => Promise<T>): Promise<T> {
    return this.#turns.hold(() => write(this.#agent));
  }

  /** As `beginAgain`, with `write` after the old link and before the new one: no agent is there meanwhile. */
  async beginAgainAfter(write: () => Promise<void>, why: string): Promise<void> {
    try {
      await this.#turns.hold(async () => {
        this.#conversation?.abort(new Ended(why));
        await this.#talk;
        await write();
      });
    } finally {
      this.#retryNow();
    }
  }

  /** The replica has dialled in: this link takes the place of the one before. */
  offer(offered: ReplicaLink): void {
    this.#offered?.link.close();
    this.#offered = offered;
    this.#conversation?.abort(new Ended("it has dialled in anew"));
    this.#wake.wake();
  }

  /** Until `signal` aborts, whose reason it rejects with. */
  async run(signal: AbortSignal): Promise<never> {
    try {
      for (;;) {
        signal.throwIfAborted();
        await this.#once(signal);
      }
    } finally {
      this.#offered?.link.close();
      this.#offered = undefined;
      this.#linkTroubles.rest();
    }
  }

  async #once(signal: AbortSignal): Promise<void> {
    const { dial } = this.#ports;
    if (!this.isPaused) this.#linkTroubles.lacking();
    if (!this.isPaused && this.#state === "paused") this.#step("resume");
    const offered = this.isPaused ? undefined : this.#takeOffered();
    if (offered !== undefined) {
      if (this.#state === "idle" || this.#state === "backing-off") this.#step("wait");
      await this.#begin(async () => offered, signal);
      return;
    }
    if (this.isPaused) return this.#wake.wait(signal);
    const mayDial = dial !== undefined && (this.#ports.replica.mode === "live" || this.#isAsked);
    if (dial === undefined || !mayDial) {
      this.#step("wait");
      return this.#wake.wait(signal);
    }
    const { clock } = this.#ports;
    const waitMs = this.#nextTryMs - clock.nowMs();
    if (waitMs > 0) return this.#wake.waitUntil(clock.monotonicMs() + waitMs, clock, signal);
    this.#step("dial");
    await this.#begin(dial, signal);
  }

  async #begin(open: (signal: AbortSignal) => Promise<ReplicaLink>, signal: AbortSignal): Promise<void> {
    const talk = this.#converse(open, signal);
    this.#talk = talk.catch(() => undefined); // whoever waits for its end does not ask why.
    await talk;
  }

  async #converse(open: (signal: AbortSignal) => Promise<ReplicaLink>, signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#ports;
    const conversation = new AbortController();
    this.#conversation = conversation;
    const both = AbortSignal.any([signal, conversation.signal]);
    const tell = () => this.#agent?.wake();
    const beside: Promise<void>[] = [];
    try {
      const { link: bare, said } = await open(both);
      const link = new WatchedLink(bare);
      this.#linkTroubles.connected();
      this.#step("connected");
      while (this.#turns.isBusy) await this.#turns.wait(both);
      const agent = this.#makeAgent(link);
      this.#agent = agent;
      store.onCommitted.add(tell);
      beside.push(this.#look(agent, conversation, both));
      beside.push(this.#linkTroubles.stall.watch(agent, link, both));
      for (const work of beside) work.catch((error: unknown) => conversation.abort(error));
      await agent.run(async (welcome, inner) => {
        store.refuseMetHalfway(said);
        this.#linkTroubles.met();
        const step = (event: ReplicaEvent) => this.#step(event);
        await meetReplica({ ...this.#ports, agent, step }, welcome, inner);
      }, both);
    } catch (error) {
      if (signal.aborted) throw error;
      const reason: unknown = conversation.signal.aborted ? conversation.signal.reason : error;
      const isFailure = !(reason instanceof Ended);
      this.#nextTryMs = isFailure ? clock.nowMs() + this.#backOff.nextMs() : 0;
      this.#step("failed");
      this.#linkTroubles.ended(isFailure ? reason : undefined);
    } finally {
      conversation.abort(new Ended("it is over"));
      await Promise.allSettled(beside); // why they ended is the reason of the end, or follows from it.
      store.onCommitted.delete(tell);
      this.pace.end();
      this.#agent = undefined;
      this.#conversation = undefined;
    }
  }

  #makeAgent(link: Link): ReplayAgent {
    const { foreign, asked } = this.#memory;
    const options = { link, foreign, asked, mustCompare: this.needsResync };
    return agentFor(this.#ports, options, {
      onShipped: () => this.#memory.noteShipped(),
      onBodyBytes: (bytes) => this.#memory.noteBodyBytes(bytes),
      onCompared: (lsn) => this.#noteCompared(lsn),
    });
  }

  /** Beside the agent: says when all is there, and when it falls behind. */
  async #look(agent: ReplayAgent, conversation: AbortController, signal: AbortSignal): Promise<void> {
    const { clock, store, replica } = this.#ports;
    await store.untilCaptured(signal);
    await agent.untilAcked(0, signal); // it has begun.
    let isRestored = false;
    for (;;) {
      const { transactions, ms } = this.lag;
      this.pace.note(agent.comparison?.messages, { ackedLsn: this.ackedLsn, transactions }, clock.monotonicMs());
      const isAllThere = transactions === 0 && !agent.isComparing && !agent.isMending;
      if (isAllThere && !isRestored) {
        await restoreKept({ ...this.#ports, agent }, signal);
        isRestored = true;
      }
      if (agent.isComparing) this.#step("compare");
      else if (isAllThere || (isRestored && ms < LIVE_LAG_MS_MAX)) this.#arrive();
      else if (this.#state === "live") this.#step("fell-behind");
      if (isAllThere && replica.mode === "on-demand" && replica.to !== undefined) {
        this.#isAsked = false;
        conversation.abort(new Ended("all of it is there"));
        return;
      }
      await clock.sleep(isRestored ? LOOK_MS : LOOK_FIRST_MS, signal);
    }
  }

  #arrive(): void {
    if (this.#state === "live" || !this.#ports.store.isLive) return;
    this.#step("caught-up");
    this.#backOff.reset();
    this.#memory.noteSuccess();
    this.#linkTroubles.live();
  }

  /** The log goes on from there; where it does not have all that follows any more, it is compared once more. */
  #noteCompared(lsn: number): void {
    const { store, log } = this.#ports;
    const conversation = this.#conversation;
    // INVARIANT: the mark of a wish that came meanwhile stays until that is done, whoever is killed before.
    if (this.#agent?.isToCompare === true) {
      log.write("replica-compared", { lsn, again: true, ...this.#kept() });
      return;
    }
    const cleared = store.side.writer.clearResync(this.name, lsn).then((isWhole) => {
      if (isWhole) log.write("replica-compared", { lsn, ...this.#kept() });
      else conversation?.abort(new Ended("the log was trimmed meanwhile"));
    });
    cleared.catch((error: unknown) => conversation?.abort(error));
  }

  #kept() {
    const { messages = 0, mailboxes = 0 } = this.foreign ?? {};
    return { foreignMessages: messages, foreignMailboxes: mailboxes };
  }

  #step(event: ReplicaEvent): void {
    const next = nextState(this.#state, event);
    if (next === this.#state) return;
    this.#state = next;
    this.#ports.log.write("replica-state", { state: next });
  }

  #takeOffered(): ReplicaLink | undefined {
    const offered = this.#offered;
    this.#offered = undefined;
    return offered;
  }

  #retryNow(): void {
    this.#nextTryMs = 0;
    this.#wake.wake();
  }
}
