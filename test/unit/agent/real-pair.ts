/**
 * Two ends of a link over real stores and real state databases, in the test's own thread: what `run` and `serve` put together. Time
 * stands still for both ends; the capture has the real one.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Mended } from "../../../src/agent/mender.js";
import type { NextUidNews } from "../../../src/agent/next-uids.js";
import type { ReplayAgentOptions } from "../../../src/agent/recovery.js";
import { ReplayAgent, type Shipped } from "../../../src/agent/replay-agent.js";
import { Session } from "../../../src/agent/session.js";
import { SESSION_LIMITS, type SessionLimits } from "../../../src/agent/session-limits.js";
import type { SessionSinks } from "../../../src/agent/session-sinks.js";
import type { ApplyMethods, AtOnceRequest } from "../../../src/apply/apply-types.js";
import { applyAtOnce } from "../../../src/apply/at-once.js";
import { ReplicaStore } from "../../../src/apply/replica-store.js";
import { type Clock, systemClock } from "../../../src/base/clock.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { openHash } from "../../../src/base/hash.js";
import { type RawPath, rawFromText } from "../../../src/base/raw-name.js";
import { BodyReader } from "../../../src/capture/body-reader.js";
import type { BodyMethods } from "../../../src/capture/body-types.js";
import type { BrakeLimits } from "../../../src/capture/brake.js";
import type { CaptureMethods, ExamineRequest } from "../../../src/capture/capture-types.js";
import { Capturer } from "../../../src/capture/capturer.js";
import { CAPTURER_LIMITS } from "../../../src/capture/ration.js";
import { recordExamined, recordVanished } from "../../../src/capture/record-found.js";
import { openSourceStore } from "../../../src/capture/source-store.js";
import { WatchedLink } from "../../../src/daemon/run/watched-link.js";
import { adaptSource } from "../../../src/daemon/source-adapter.js";
import { OwnWrites } from "../../../src/log/own-writes.js";
import type { StateReader, StateWriter } from "../../../src/log/state-ports.js";
import { openStateReader } from "../../../src/log/state-reader.js";
import type { RejectionRow } from "../../../src/log/state-types.js";
import { type MailboxGuid, parseMailboxGuid } from "../../../src/maildir/ids.js";
import { StateDigester } from "../../../src/txn/digest.js";
import type { Link } from "../../../src/wire/link.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import type { WireMessage } from "../../../src/wire/messages.js";
import { openInlineStateWriter } from "../../contract/inline-state-writer.js";
import { FakeClock } from "../../fake-clock.js";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import { type Bench, openBench } from "../../live/twin/small-store.js";
import { inlineWorker, methodsOf } from "../../worker-client.js";

export const REPLICA = "far";
const HEALING = { compares: true, heals: true, asksStanding: true, random: () => 0 } as const;

export class RealPair {
  readonly bench: Bench;
  readonly clock: Clock;
  readonly sourceReader: StateReader;
  readonly replicaReader: StateReader;
  readonly sourceWriter: StateWriter;
  readonly capturer: Capturer;
  readonly replicaWriter: StateWriter;
  readonly #worker;
  readonly #bodies;
  readonly #digester: StateDigester;
  readonly #replicaWrites: OwnWrites;
  readonly #sourceWrites: OwnWrites;
  store: ReplicaStore;
  /** So much later it is for the replica's store. */
  laterMs = 0;
  /** Of agents that are made from here on. */
  mayHave: ((path: RawPath) => boolean) | undefined;
  /** Of agents that are made from here on: what comes before the first offer. */
  prepare: Parameters<ReplayAgent["run"]>[0] = async () => undefined;
  /** Of sessions that are made from here on. */
  mayWrite: ((path: RawPath) => boolean) | undefined;
  /** Of sessions that are made from here on. */
  limits: Partial<SessionLimits> = {};
  /** Of the sessions that are made from then on. */
  sinks: SessionSinks | undefined;

  private constructor(
    bench: Bench,
    { digester, clock }: { readonly digester: StateDigester; readonly clock: Clock },
    parts: Awaited<ReturnType<typeof openParts>>,
  ) {
    this.bench = bench;
    this.clock = clock;
    this.#digester = digester;
    this.sourceReader = parts.sourceReader;
    this.sourceWriter = parts.sourceWriter;
    this.replicaReader = parts.replicaReader;
    this.replicaWriter = parts.replicaWriter;
    this.#replicaWrites = parts.replicaWrites;
    const { sourceStore, sourceWrites } = parts;
    this.#sourceWrites = sourceWrites;
    const recording = { store: sourceStore, writes: sourceWrites, reach: () => undefined };
    this.#worker = inlineWorker({
      ...methodsOf(sourceStore),
      examine: (request: ExamineRequest) => recordExamined(recording, sourceStore.examine(request)),
      vanished: (request: Parameters<CaptureMethods["vanished"]>[0]) =>
        recordVanished(recording, sourceStore.vanished(request)),
    } as unknown as CaptureMethods);
    this.#bodies = inlineWorker(parts.bodies as unknown as BodyMethods);
    const ports = { worker: this.#worker, clock: systemClock };
    this.capturer = new Capturer({ ...ports, onCommitted: () => undefined }, CAPTURER_LIMITS, []);
    this.store = this.#openStore();
  }

  /** `brake` undefined: no deletion is held back. */
  static async open(clock: Clock = new FakeClock(), brake?: BrakeLimits): Promise<RealPair> {
    const bench = openBench();
    for (const dir of [bench.replica, bench.state, join(bench.dir, "scratch")]) mkdirSync(dir);
    const digester = new StateDigester(await openHash());
    return new RealPair(bench, { digester, clock }, await openParts(bench, brake));
  }

  /** As a new process of the replica: only the database is left. */
  reopenReplica(): void {
    this.store = this.#openStore();
    this.store.recover();
  }

  /** What an agent of this pair needs of the source, for whoever makes his own. */
  get sourceParts() {
    const { sourceReader: reader, capturer } = this;
    return { bodies: this.#bodies, adapted: adaptSource({ reader, capturer, worker: this.#worker }) };
  }

  /** All that changed in the source is in the log. */
  async capture(): Promise<number> {
    this.capturer.sweepSoon();
    await this.capturer.run(new AbortController().signal, true);
    return this.sourceReader.lastLsn();
  }

  /** Captures what changes from now on, until `signal` aborts: what is refused may have UIDs changed at the source. */
  async captureOn(signal: AbortSignal): Promise<void> {
    await this.capturer.run(signal, false).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  start(options: Partial<ReplayAgentOptions> = {}): RealRun {
    return new RealRun(this, { ...HEALING, ...options });
  }

  /** A run until everything is equal as far as the log goes. */
  async ship(options: Partial<ReplayAgentOptions> = {}): Promise<RealRun> {
    const run = this.start(options);
    await run.untilAcked(await this.capture());
    await run.end();
    return run;
  }

  get differences(): readonly string[] {
    return rawDifferences(this.bench.source, this.bench.replica).map(({ words }) => words);
  }

  guidAt(path: string): MailboxGuid {
    const row = this.sourceReader.mailboxes().find((it) => it.path === path);
    return parseMailboxGuid(row?.guid ?? "");
  }

  /** As if the log had a limit, and the replica was away for too long. */
  async trimAll(): Promise<void> {
    await this.sourceWriter.trimLog(this.sourceReader.lastLsn());
  }

  makeAgent(link: Link, options: Partial<ReplayAgentOptions>, run: RealRun): ReplayAgent {
    const { sourceReader: reader, sourceWriter: writer, clock } = this;
    const { bodies, adapted: source } = this.sourceParts;
    return new ReplayAgent(
      REPLICA,
      { link, bodies, reader, writer, clock, source, mayHave: this.mayHave },
      {
        onShipped: (shipped) => run.shipped.push(shipped),
        onBodyBytes: (bytes) => {
          run.bodyBytes += bytes;
        },
        onConflict: (_path, words) => run.conflicts.push(words),
        onRejected: (row) => run.rejected.push(row),
        onCompared: (lsn) => run.compared.push(lsn),
        onNextUid: (news) => run.nextUids.push(news),
        onForeign: (mailbox, messages) => run.foreign.set(mailbox, messages),
        onMended: (mended) => run.mended.push(mended),
      },
      options,
    );
  }

  makeSession(link: Link): Session {
    const { replicaReader: reader, clock } = this;
    const stager = {
      take: () => {
        throw new Error("nothing is staged apart here");
      },
      giveBack: () => undefined,
    };
    const atOnce = { store: this.store, writes: this.#replicaWrites, reach: () => undefined };
    const store = inlineWorker({
      ...methodsOf(this.store),
      applyAtOnce: (request: AtOnceRequest) => applyAtOnce(atOnce, request),
    } as unknown as ApplyMethods);
    const appliedLsn = (logId: string) => {
      const lsn = reader.appliedLsn(logId);
      return lsn === 0 && reader.mailboxes().length === 0 ? undefined : lsn;
    };
    const ports = { link, store, stager, writer: this.replicaWriter, clock, reach: () => undefined, appliedLsn };
    const limits = { ...SESSION_LIMITS, stagedHereMax: Number.POSITIVE_INFINITY, ...this.limits };
    const { mayWrite } = this;
    const pathOf = (mailbox: MailboxGuid) => reader.mailboxByGuid(mailbox)?.path;
    const rights = mayWrite === undefined ? undefined : { mayWrite, pathOf };
    return new Session({ ...ports, syncAll: async () => true, rights, sinks: this.sinks }, limits);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const reader of [this.sourceReader, this.replicaReader]) reader[Symbol.dispose]();
    this.#replicaWrites[Symbol.dispose]();
    this.#sourceWrites[Symbol.dispose]();
    for (const writer of [this.sourceWriter, this.replicaWriter]) await writer[Symbol.asyncDispose]();
    this.bench[Symbol.dispose]();
  }

  #openStore(): ReplicaStore {
    const { replica, dir } = this.bench;
    const [storeRoot, scratchRoot] = [rawFromText(replica), rawFromText(join(dir, "scratch"))];
    const options = { storeRoot, scratchRoot, statePath: "", hostname: "replica", pid: process.pid };
    const clock = { nowMs: () => systemClock.nowMs(), monotonicMs: () => systemClock.monotonicMs() + this.laterMs };
    const ports = { disk: openNodeDisk(), reader: this.replicaReader, digester: this.#digester, clock };
    return new ReplicaStore(ports, options);
  }
}

async function openParts({ state, source }: Bench, brake: BrakeLimits | undefined) {
  const [sourcePath, replicaPath] = [join(state, "source.db"), join(state, "replica.db")];
  const [sourceWriter, replicaWriter] = [openInlineStateWriter(sourcePath), openInlineStateWriter(replicaPath)];
  if (!existsSync(sourcePath)) throw new Error("the database is made when it is opened");
  const storeRoot = rawFromText(source);
  const statePath = sourcePath;
  const sourceStore = await openSourceStore({ storeRoot, statePath, hostname: "source", pid: process.pid, brake });
  const sourceReader = openStateReader(sourcePath);
  const bodies = new BodyReader({ disk: openNodeDisk(), storeRoot }, openStateReader(sourcePath));
  return {
    ...{ sourceWriter, replicaWriter, sourceStore, sourceReader, bodies },
    replicaReader: openStateReader(replicaPath),
    ...{ sourceWrites: new OwnWrites(sourcePath), replicaWrites: new OwnWrites(replicaPath) },
  };
}

/** Both ends of one link. */
export class RealRun {
  readonly shipped: Shipped[] = [];
  readonly conflicts: string[] = [];
  readonly rejected: RejectionRow[] = [];
  readonly compared: number[] = [];
  readonly mended: Mended[] = [];
  readonly nextUids: NextUidNews[] = [];
  /** Messages that only the replica has, of mailboxes that were compared. */
  readonly foreign = new Map<MailboxGuid, number>();
  /** What the source sent. */
  readonly sent: WireMessage[] = [];
  bodyBytes = 0;
  /** Called with each message of the source before it is sent. */
  onSend: (message: WireMessage) => void = () => undefined;
  /** What of the replica's is kept from the source; `letThrough` gives it to it. */
  holds: (message: WireMessage) => boolean = () => false;
  readonly #held: WireMessage[] = [];
  readonly agent: ReplayAgent;
  /** The source's end. */
  readonly link: WatchedLink;
  readonly agentRun: Promise<void>;
  readonly sessionRun: Promise<void>;
  readonly #stop = new AbortController();
  readonly #link = openMemoryLink();

  constructor(pair: RealPair, options: Partial<ReplayAgentOptions>) {
    const send: Link["send"] = async (message, signal) => {
      this.sent.push(message);
      this.onSend(message);
      await this.#link.source.send(message, signal);
    };
    this.link = new WatchedLink({ ...this.#link.source, send, messages: (signal) => this.#messages(signal) });
    this.agent = pair.makeAgent(this.link, options, this);
    this.sessionRun = pair.makeSession(this.#link.replica).run(this.#stop.signal);
    this.agentRun = this.agent.run(pair.prepare, this.#stop.signal);
    for (const run of [this.sessionRun, this.agentRun]) run.catch(() => undefined);
  }

  /** Replies that were held: nothing is held from here on. */
  letThrough(): void {
    this.holds = () => false;
    for (const message of this.#held.splice(0)) if (message.kind === "reply") this.agent.asker.settle(message);
  }

  async *#messages(signal: AbortSignal): AsyncGenerator<WireMessage> {
    for await (const message of this.#link.source.messages(signal)) {
      if (this.holds(message)) this.#held.push(message);
      else yield message;
    }
  }

  async untilAcked(lsn: number): Promise<void> {
    this.agent.wake();
    await Promise.race([this.agent.untilAcked(lsn, this.#stop.signal), this.agentRun, this.sessionRun]);
  }

  /** As a cable that is pulled: what was sent and not read is lost. */
  async cut(): Promise<void> {
    this.#stop.abort(new Error("cut"));
    await Promise.allSettled([this.agentRun, this.sessionRun]);
  }

  /** Throws what ended it, if something did. */
  async end(): Promise<void> {
    const reason = new Error("the test has seen enough");
    this.#stop.abort(reason);
    for (const end of await Promise.allSettled([this.sessionRun, this.agentRun]))
      if (end.status === "rejected" && end.reason !== reason) throw end.reason;
  }
}
