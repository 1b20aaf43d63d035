/** Two ends of a memory link over fakes: a source with a log, a replica that applies it. */
import { ReplayAgent, type Shipped } from "../../../src/agent/replay-agent.js";
import { Session } from "../../../src/agent/session.js";
import { SESSION_LIMITS, type SessionLimits } from "../../../src/agent/session-limits.js";
import type { SourceSide } from "../../../src/agent/source-side.js";
import type { ApplyMethods, AtOnceRequest } from "../../../src/apply/apply-types.js";
import { applyAtOnce } from "../../../src/apply/at-once.js";
import type { CrashPoint } from "../../../src/base/crash-points.js";
import { isRawPath, type RawPath } from "../../../src/base/raw-name.js";
import type { BodyMethods } from "../../../src/capture/body-types.js";
import { FreshBodies } from "../../../src/capture/fresh-bodies.js";
import type { RejectionRow } from "../../../src/log/state-types.js";
import {
  type MailboxGuid,
  parseBaseName,
  parseMailboxGuid,
  parseUid,
  parseUidValidity,
  type Uid,
} from "../../../src/maildir/ids.js";
import { NO_MARKS } from "../../../src/txn/message-state.js";
import type { Change } from "../../../src/txn/transaction.js";
import { encodeTransaction } from "../../../src/txn/transaction-codec.js";
import type { Link } from "../../../src/wire/link.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import { FakeClock } from "../../fake-clock.js";
import { type InlineWorker, inlineWorker, methodsOf } from "../../worker-client.js";
import { FakeBodies } from "./fake-bodies.js";
import { FakeReplica } from "./fake-replica.js";
import { FakeStager } from "./fake-stager.js";
import { MemoryState } from "./memory-state.js";

export const LOG_ID = "11111111111111111111111111111111";
/** Each step of a transaction is a call of its own. */
export const STEP_BY_STEP: SessionLimits = { ...SESSION_LIMITS, atOnceBytesMax: 0 };
export const REPLICA = "twin";

/** A mailbox's GUID by a letter. */
export function guid(letter: string): MailboxGuid {
  return parseMailboxGuid(letter.charCodeAt(0).toString(16).padStart(32, "0"));
}

export function path(letter: string): RawPath {
  const text = `user/${letter}`;
  if (!isRawPath(text)) throw new Error(`not a path: ${text}`);
  return text;
}

export interface Save {
  readonly uid: number;
  readonly size?: number;
}

/** What stays when the two ends are started again. */
export class Pair {
  readonly clock = new FakeClock();
  readonly sourceState = new MemoryState();
  readonly replicaState = new MemoryState();
  readonly replica = new FakeReplica();
  readonly stager = new FakeStager(this.replica);
  readonly #sizeByBase = new Map<string, number>();
  readonly bodies = new FakeBodies(this.#sizeByBase);
  readonly fresh = new FreshBodies(this.clock);
  readonly renumbered: Parameters<SourceSide["renumber"]>[0][] = [];
  /** Mailboxes that are gone at the source. */
  readonly vanished = new Set<string>();
  /** The source's first look at all that stands there is behind it. */
  isLive = true;
  /** How often the agent had the source looked at again. */
  looks = 0;
  /** Looks of the source at all mailboxes; undefined: each of those above has it begin one. */
  sweeps: number | undefined;
  /** What the source says of what is gone and stays in the log. */
  whyHeld: SourceSide["whyHeld"] = async () => undefined;
  /** What the log gives UIDs to now: what a conflict is about, until it was renumbered; not what is gone. */
  uidsAmong: (...args: Parameters<SourceSide["uidsAmong"]>) => readonly Uid[] = ({ uids }) => {
    const moved = new Set(this.renumbered.flatMap((request) => request.uids));
    return this.bodies.gone.size > 0 ? [] : uids.filter((uid) => !moved.has(uid));
  };
  /** The replica's sync of its file system. */
  syncAll: () => Promise<boolean> = async () => true;
  renumber: SourceSide["renumber"] = async (range) => {
    this.renumbered.push(range);
    return undefined;
  };

  /** Appends a transaction of that mailbox; returns its LSN. Base names are "b<mailbox><uid>". */
  log(letter: string, saves: readonly Save[] = [], more: readonly Change[] = []): number {
    const changes = saves.map(({ uid, size = 3 }): Change => {
      const base = parseBaseName(`b${letter}${uid}`);
      this.#sizeByBase.set(base, size);
      return { kind: "save", message: { uid: parseUid(uid), base, ...NO_MARKS, size, mtimeS: 7, fields: "" } };
    });
    const bytes = encodeTransaction({
      mailbox: guid(letter),
      path: path(letter),
      uidValidity: parseUidValidity(77),
      uidNext: 1_000_000,
      headerExtra: "",
      fileOwner: { uid: 1, gid: 1, mode: 0o600 },
      changes: [...changes, ...more],
      capturedMs: this.sourceState.lastLsn + 1,
    });
    return this.sourceState.append(guid(letter), bytes);
  }

  /** Starts both ends; `link` takes the place of a new memory link. */
  start(options: { readonly limits?: SessionLimits; readonly link?: ReturnType<typeof openMemoryLink> } = {}): Running {
    return new Running(this, options.link ?? openMemoryLink(), options.limits ?? STEP_BY_STEP);
  }
}

/** The thread that applies, as a session calls it. */
export function openStore({ replica, replicaState }: Pair, reach: CrashPoint): InlineWorker<ApplyMethods> {
  const ports = { store: replica as unknown as ApplyMethods, writes: replicaState.writes(), reach };
  const applying = { applyAtOnce: (request: AtOnceRequest) => applyAtOnce(ports, request) };
  return inlineWorker({ ...methodsOf(replica), ...applying } as unknown as ApplyMethods);
}

export class Running {
  readonly shipped: Shipped[] = [];
  readonly conflicts: string[] = [];
  readonly rejected: RejectionRow[] = [];
  readonly points: string[] = [];
  bodyBytes = 0;
  readonly agent: ReplayAgent;
  readonly stop = new AbortController();
  readonly store: InlineWorker<ApplyMethods>;
  /** They settle when the end has ended. */
  readonly agentRun: Promise<void>;
  readonly sessionRun: Promise<void>;
  readonly link: { readonly source: Link; readonly replica: Link };
  readonly #pair: Pair;
  readonly #prepared: Promise<void>;
  #ended: Promise<void> | undefined;

  constructor(pair: Pair, link: ReturnType<typeof openMemoryLink>, limits: SessionLimits) {
    this.#pair = pair;
    this.link = link;
    this.store = openStore(pair, (point) => this.points.push(point));
    this.agent = makeAgent(pair, link.source, this);
    const session = new Session(
      {
        link: link.replica,
        store: this.store,
        stager: pair.stager,
        writer: pair.replicaState.writer(),
        clock: pair.clock,
        reach: (point) => this.points.push(point),
        syncAll: () => pair.syncAll(),
        appliedLsn: (logId) => pair.replicaState.applied.get(logId),
      },
      limits,
    );
    let prepared: () => void = () => undefined;
    this.#prepared = new Promise((resolve) => {
      prepared = resolve;
    });
    this.sessionRun = session.run(this.stop.signal);
    this.agentRun = this.agent.run(async () => prepared(), this.stop.signal);
    // Each test looks at both ends; until then a rejection is nobody's fault.
    for (const run of [this.sessionRun, this.agentRun]) run.catch(() => undefined);
  }

  /** After the greeting. */
  get prepared(): Promise<void> {
    return this.#prepared;
  }

  /** Until the replica has everything of the log, or a rejection covers it. */
  async untilAcked(lsn: number): Promise<void> {
    this.agent.wake();
    await Promise.race([this.agent.untilAcked(lsn, this.stop.signal), this.agentRun, this.sessionRun]);
  }

  /** Aborts both ends and waits for them; throws anything but the abort. */
  end(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    const reason = new Error("the test has seen enough");
    this.stop.abort(reason);
    const ends = await Promise.allSettled([this.sessionRun, this.agentRun]);
    for (const end of ends) if (end.status === "rejected" && end.reason !== reason) throw end.reason;
    this.checkStore();
  }

  /** Once both ends have ended. */
  checkStore(): void {
    const { replica, stager } = this.#pair;
    const misused = [...replica.misused, ...stager.misused];
    if (misused.length > 0) throw new Error(`the store was asked about ${misused.join()}, which it does not hold`);
    if (stager.users > 0) throw new Error("the thread that stages was not given back");
  }
}

function makeAgent(pair: Pair, link: Link, run: Running): ReplayAgent {
  return new ReplayAgent(
    REPLICA,
    {
      link,
      bodies: inlineWorker(pair.bodies as unknown as BodyMethods),
      reader: pair.sourceState.reader(LOG_ID),
      writer: pair.sourceState.writer(),
      clock: pair.clock,
      source: {
        pathOf: (id) => (pair.vanished.has(id) ? undefined : path("x")),
        isLive: pair.isLive,
        get sweeps() {
          return pair.sweeps ?? pair.looks;
        },
        fresh: pair.fresh,
        uidNextOf: () => 500,
        uidsAmong: (query) => pair.uidsAmong(query),
        lookAgain: () => {
          pair.looks += 1;
        },
        whyHeld: (of) => pair.whyHeld(of),
        describe: async () => ({ kind: "absent" }),
        renumber: (...args) => pair.renumber(...args),
        raiseNextUid: async () => ({ kind: "none" }),
      },
    },
    {
      onShipped: (shipped) => run.shipped.push(shipped),
      onBodyBytes: (bytes) => {
        run.bodyBytes += bytes;
      },
      onConflict: (_path, words) => run.conflicts.push(words),
      onRejected: (row) => run.rejected.push(row),
    },
  );
}
