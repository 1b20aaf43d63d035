/**
 * Reads all bodies of a source and one replica again and again, a few at a time, and has those repaired that were changed on the replica. What
 * was changed at the source, or where nothing tells, is told, and written over nothing.
 *
 * INVARIANT: it reads only while the replica is there, live and not behind, and waits after each turn as long as the rate says: shipping does not
 * wait for it.
 * INVARIANT: the place is noted when all of a turn was done: a killed daemon repeats a turn, and leaves none out.
 */
import { RemoteSide } from "../../agent/remote-side.js";
import type { ReplayAgent } from "../../agent/replay-agent.js";
import type { Clock } from "../../base/clock.js";
import { MailtwinError } from "../../base/errors.js";
import { Gate } from "../../base/gate.js";
import { displayRaw } from "../../base/raw-name.js";
import type { MailboxRow } from "../../log/state-types.js";
import type { MailboxGuid, Uid } from "../../maildir/ids.js";
import { resyncError } from "../../resync/errors.js";
import type { JudgedBody } from "../../resync/judge-bodies.js";
import { witnessesOf } from "../body-notes.js";
import type { ScrubStatus } from "../control/status.js";
import { mendMailboxes } from "../run/asked-verify.js";
import { DAEMON_HINTS } from "../run/daemon-hints.js";
import type { EventLog } from "../run/event-log.js";
import type { ReplicaRunner } from "../run/replica-runner.js";
import type { SourceStore } from "../run/source-store.js";
import type { Troubles } from "../run/troubles.js";
import { LOOKS } from "../run/turns.js";
import { mailboxName } from "../words.js";
import type { ScrubLimits } from "./limits.js";
import { lookAtBodies, type ReadingSide } from "./look-at-bodies.js";
import { bytesOf, endOf, nextTurn } from "./next-turn.js";
import {
  beginRound,
  dueMs,
  endRound,
  OPEN_MAX,
  type OpenBody,
  readScrubState,
  type ScrubPlace,
  type ScrubState,
  withOpen,
  writeScrubState,
} from "./scrub-state.js";
import { badOf, wordsOfAll, wordsOfOpen } from "./scrub-words.js";

export interface ScrubPorts {
  readonly limits: () => ScrubLimits | undefined;
  readonly store: Pick<SourceStore, "side" | "sums">;
  readonly runner: Pick<
    ReplicaRunner,
    "name" | "agent" | "isPaused" | "state" | "lag" | "mayHave" | "withAgent" | "judge"
  >;
  readonly clock: Clock;
  readonly troubles: Troubles;
  readonly log: EventLog;
}

const CODE = "bodies-differ";
const HINT = DAEMON_HINTS[CODE] ?? "";
/** How often it is looked whether a turn is due, and may be. */
const LOOK_MS = 1_000;
/** After what keeps a turn from being done. */
const RETRY_MS = 60_000;
/** How long a turn waits for what it has asked to be repaired. */
const REPAIR_MS_MAX = 300_000;
/** What needs a person is looked at again after so long. */
const OPEN_MS = 600_000;
/** The list of mailboxes is read anew after so long. */
const LIST_MS = 600_000;
const LAG_MS_MAX = 1_000;
/** So often a mailbox is looked for before it is passed over in this round. */
const LOST_TRIES_MAX = 3;
/** Of a turn. */
const MESSAGES_MAX = 64;
const BYTES_MAX = 8 * 1024 * 1024;
/** Of those that need a person, as `status` names them. */
const NAMED_MAX = 20;

export function scrubKey(replica: string): string {
  return `scrub-${replica}`;
}

interface Listed {
  /** Ascending. */
  readonly guids: readonly MailboxGuid[];
  readonly messages: number;
  readonly atMs: number;
}

interface Sides {
  readonly agent: ReplayAgent;
  readonly a: ReadingSide;
  readonly b: RemoteSide;
}

export class ReplicaScrub {
  readonly #ports: ScrubPorts;
  readonly #wake = new Gate();
  #state: ScrubState;
  #listed: Listed | undefined;
  #sides: Sides | undefined;
  /** Of the monotonic clock. */
  #notBeforeMs = 0;
  #openDueMs = 0;
  #lost: { readonly guid: MailboxGuid; readonly tries: number } | undefined;

  constructor(ports: ScrubPorts) {
    this.#ports = ports;
    this.#state = readScrubState(ports.store.side.reader.meta(scrubKey(ports.runner.name)));
  }

  /** Undefined where nothing is read again. */
  get status(): ScrubStatus | undefined {
    if (this.#ports.limits() === undefined) return undefined;
    const { startedMs, endedMs, done, read, repaired, open, further, isInRound } = this.#state;
    const all = this.#listed?.messages ?? 0;
    const named = open.slice(0, NAMED_MAX).map((it) => {
      return { mailbox: this.#nameOf(it.guid), uid: it.uid, bad: it.bad, words: wordsOfOpen(it), sinceMs: it.sinceMs };
    });
    const counts = { done, all: Math.max(done, all), read, repaired, unresolved: open.length + further };
    return { isInRound, ...counts, startedMs, endedMs, named };
  }

  /** What needs a person is looked at again soon: something was done about it. */
  lookAgain(): void {
    this.#openDueMs = 0;
    this.#notBeforeMs = 0;
    this.#wake.wake();
  }

  /** Until `signal` aborts, whose reason it rejects with. Rejects with a defect, too. */
  async run(signal: AbortSignal): Promise<never> {
    const { clock } = this.#ports;
    for (;;) {
      this.#tell();
      const limits = this.#ports.limits();
      const isDue = limits !== undefined && this.#isDue(limits);
      const isFree = clock.monotonicMs() >= this.#notBeforeMs;
      if (limits !== undefined && isDue && isFree && this.#isReady()) await this.#try(limits, signal);
      else await this.#wake.waitUntil(this.#nextLookMs(isDue), clock, signal);
      signal.throwIfAborted();
    }
  }

  /** Of the monotonic clock. */
  #nextLookMs(isDue: boolean): number {
    const nowMs = this.#ports.clock.monotonicMs();
    const isSoon = isDue && this.#notBeforeMs > nowMs;
    return isSoon ? Math.min(this.#notBeforeMs, nowMs + LOOK_MS) : nowMs + LOOK_MS;
  }

  #isDue(limits: ScrubLimits): boolean {
    const nowMs = this.#ports.clock.nowMs();
    const isOpenDue = this.#state.open.length > 0 && this.#ports.clock.monotonicMs() >= this.#openDueMs;
    return isOpenDue || dueMs(this.#state, limits, { all: this.#list().messages, nowMs }) <= nowMs;
  }

  #isReady(): boolean {
    const { agent, isPaused, state, lag } = this.#ports.runner;
    if (agent === undefined || isPaused || state !== "live") return false;
    return !agent.isComparing && !agent.isMending && lag.ms < LAG_MS_MAX;
  }

  /** What fails with a link, or passes by itself, is tried again later. */
  async #try(limits: ScrubLimits, signal: AbortSignal): Promise<void> {
    const { runner, clock, log } = this.#ports;
    const { agent } = runner;
    const startMs = clock.monotonicMs();
    try {
      const bytes = await this.#turn(limits, signal);
      this.#notBeforeMs = startMs + (bytes * 1000) / limits.maxRate;
    } catch (error) {
      signal.throwIfAborted();
      if (agent !== undefined) runner.judge(agent, error);
      // A link that is given up fails whoever waits, by whatever error, before the runner lets go of its agent.
      const hasLinkEnded = runner.agent !== agent || agent?.asker.hasFailed === true;
      if (!hasLinkEnded && !(error instanceof MailtwinError)) throw error;
      if (!hasLinkEnded)
        log.write("scrub-delayed", { code: (error as MailtwinError).code, message: (error as MailtwinError).message });
      this.#notBeforeMs = clock.monotonicMs() + (hasLinkEnded ? LOOK_MS : RETRY_MS);
    }
  }

  /** Returns the bytes that were read on one side. */
  async #turn(limits: ScrubLimits, signal: AbortSignal): Promise<number> {
    const { clock, store } = this.#ports;
    if (this.#state.open.length > 0 && clock.monotonicMs() >= this.#openDueMs) {
      const bytes = await this.#lookAtOpen(signal);
      this.#openDueMs = clock.monotonicMs() + OPEN_MS;
      if (bytes > 0) return bytes;
    }
    const nowMs = clock.nowMs();
    if (dueMs(this.#state, limits, { all: this.#list().messages, nowMs }) > nowMs) return 0;
    if (!this.#state.isInRound) {
      this.#listed = undefined;
      this.#state = beginRound(this.#state, nowMs);
    }
    const turnLimits = { messagesMax: MESSAGES_MAX, bytesMax: Math.min(BYTES_MAX, limits.maxRate) };
    const find = () => nextTurn(store.side.reader, this.#list().guids, this.#state.at, turnLimits);
    let turn = find();
    if (turn === undefined) {
      this.#listed = undefined; // what came meanwhile has its turn.
      turn = find();
    }
    if (turn === undefined) {
      await this.#end();
      return 0;
    }
    const { row, messages } = turn;
    const last = messages.at(-1);
    const isHeld = await this.#isHeld(row.guid);
    const found = isHeld
      ? "lost"
      : await this.#look(
          row,
          messages.map(({ uid }) => uid),
          signal,
        );
    if (found === "lost" && !isHeld && this.#mayWaitFor(row.guid))
      throw resyncError("compared-unknown", `reading the bodies of ${displayRaw(row.path)} again: it is not there now`);
    const at: ScrubPlace = found === "lost" || last === undefined ? endOf(row.guid) : { guid: row.guid, uid: last.uid };
    const done = this.#state.done + messages.length;
    this.#state = { ...this.#state, at, done, read: this.#state.read + (found === "lost" ? 0 : found) };
    await this.#keep();
    return found === "lost" ? 0 : messages.reduce((sum, { size }) => sum + size, 0);
  }

  /** The replica refuses it, or at the source it is gone, and waits for a person: it is not looked for. */
  async #isHeld(guid: MailboxGuid): Promise<boolean> {
    const { reader, worker } = this.#ports.store.side;
    if (reader.rejections(this.#ports.runner.name).some(({ mailbox }) => mailbox === guid)) return true;
    return (await worker.call("whyHeld", { guid, uids: [] })) !== undefined;
  }

  /** It was renamed a moment ago, say. What stays away does not keep the others waiting. */
  #mayWaitFor(guid: MailboxGuid): boolean {
    this.#lost = { guid, tries: this.#lost?.guid === guid ? this.#lost.tries + 1 : 1 };
    return this.#lost.tries < LOST_TRIES_MAX;
  }

  /** Returns how many were read on both sides; "lost": the mailbox is not there to be read. */
  async #look(row: MailboxRow, uids: readonly Uid[], signal: AbortSignal): Promise<number | "lost"> {
    const place = { guid: row.guid, a: row.path, b: row.path };
    const { store, clock } = this.#ports;
    const { notes, reader } = store.side;
    for (let looks = 0; ; looks++) {
      const sides = await this.#open(looks > 0, signal);
      try {
        const { loggedSize } = witnessesOf({ notes, reader });
        const ports = { sides, notes, clock, loggedSize };
        const { read, judged } = await lookAtBodies(ports, place, uids, signal);
        await this.#settle(row, uids, judged, signal);
        return read;
      } catch (error) {
        if (!(error instanceof MailtwinError) || error.code !== "compared-unknown") throw error;
        if (looks > 0) return "lost"; // renamed or deleted, or the replica does not have it: the log says so, or a comparison.
      }
    }
  }

  /** Both sides, of the link that stands. `anew`: mailboxes came to the replica since it was looked at. */
  async #open(anew: boolean, signal: AbortSignal): Promise<Sides> {
    const { agent } = this.#ports.runner;
    if (agent === undefined) throw resyncError("compared-missing", "reading bodies again: the replica has gone");
    if (this.#sides?.agent === agent && !anew) return this.#sides;
    const b = new RemoteSide(agent.asker);
    await LOOKS.take(agent, () => b.store(signal), signal); // else it answers of no mailbox.
    this.#sides = { agent, a: ownSide(this.#ports.store.sums), b };
    return this.#sides;
  }

  /** Has repaired what can be, and notes the rest. */
  async #settle(
    row: MailboxRow,
    uids: readonly Uid[],
    judged: readonly JudgedBody[],
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, log, runner } = this.#ports;
    const mailbox = displayRaw(row.path);
    for (const { uid, verdict } of judged)
      if (verdict.kind === "changed-alike") log.write("body-changed-alike", { mailbox, uid });
    const damaged = judged.filter(({ verdict }) => verdict.kind === "replica-bad").map(({ uid }) => uid);
    const repaired = new Set(damaged.length === 0 ? [] : await this.#repair(row, damaged, signal));
    const wasOpen = new Map(this.#state.open.filter(({ guid }) => guid === row.guid).map((it) => [it.uid, it]));
    const open: OpenBody[] = [];
    for (const { uid, verdict } of judged) {
      const bad = badOf(verdict);
      const by = "by" in verdict ? verdict.by : undefined;
      if (repaired.has(uid)) log.write("body-repaired", { mailbox, uid, by });
      else if (bad !== undefined) {
        open.push({ guid: row.guid, uid, bad, sinceMs: clock.nowMs() });
        const isTold = this.#state.open.length >= OPEN_MAX || wasOpen.get(uid)?.bad === bad;
        if (!isTold) log.write("body-differs", { mailbox, uid, bad, by, message: wordsOfOpen({ bad }), hint: HINT });
      }
    }
    const stillOpen = new Set(open.map(({ uid }) => uid));
    const closed = uids.filter((uid) => wasOpen.has(uid) && !stillOpen.has(uid));
    for (const uid of closed) log.write("body-well", { mailbox, uid });
    const at = (uid: Uid) => ({ guid: row.guid, uid });
    const state = withOpen(this.#state, open, closed.map(at));
    this.#state = { ...state, repaired: state.repaired + repaired.size };
    if (runner.agent === undefined) throw resyncError("compared-missing", "reading bodies again: the replica has gone");
    this.#tell();
  }

  /** Returns those whose bytes are the source's afterwards. */
  async #repair(row: MailboxRow, uids: readonly Uid[], signal: AbortSignal): Promise<readonly Uid[]> {
    const { runner, store, clock } = this.#ports;
    const late = AbortSignal.timeout(REPAIR_MS_MAX);
    const damaged = new Map([[row.guid, uids]]);
    const mending = { clock, signal: AbortSignal.any([signal, late]) };
    await mendMailboxes({ runner, source: store }, damaged, mending).catch((error: unknown) => {
      if (!late.aborted || signal.aborted) throw error;
    });
    const sides = await this.#open(false, signal);
    const of = { path: row.path, uids };
    const [ofA, ofB] = await Promise.all([sides.a.hashes(of, signal), sides.b.hashes(of, signal)]);
    return uids.filter((_, index) => ofA[index] !== undefined && ofA[index] === ofB[index]);
  }

  /** Returns the bytes that were read on one side. */
  async #lookAtOpen(signal: AbortSignal): Promise<number> {
    const { store, runner } = this.#ports;
    let bytes = 0;
    const guids = new Set(this.#state.open.map(({ guid }) => guid));
    for (const guid of guids) {
      const row = store.side.reader.mailboxByGuid(guid);
      const own = this.#state.open.filter((it) => it.guid === guid);
      const uids = own.map(({ uid }) => uid).sort((one, other) => one - other);
      const isMeant = row !== undefined && runner.mayHave(row.path);
      if (!isMeant) this.#state = withOpen(this.#state, [], own);
      for (let at = 0; isMeant && at < uids.length; at += MESSAGES_MAX)
        await this.#look(row, uids.slice(at, at + MESSAGES_MAX), signal);
      if (isMeant) bytes += bytesOf(store.side.reader, row, uids);
    }
    await this.#keep();
    return bytes;
  }

  async #end(): Promise<void> {
    const { clock, log, store } = this.#ports;
    const { startedMs = 0, read, repaired, open, further } = this.#state;
    const nowMs = clock.nowMs();
    this.#state = endRound(this.#state, nowMs);
    await this.#keep();
    const unresolved = open.length + further;
    log.write("scrub-ended", { startedMs, read, repaired, unresolved, elapsedMs: Math.max(0, nowMs - startedMs) });
    await store.side.notes.keepOnly(store.side.reader.mailboxes().map(({ guid }) => guid));
  }

  async #keep(): Promise<void> {
    const { store, runner } = this.#ports;
    await store.side.writer.setMeta(scrubKey(runner.name), writeScrubState(this.#state));
  }

  #list(): Listed {
    const { store, runner, clock } = this.#ports;
    const nowMs = clock.monotonicMs();
    if (this.#listed === undefined || nowMs - this.#listed.atMs > LIST_MS) {
      const rows = store.side.reader.mailboxes().filter(({ path }) => runner.mayHave(path));
      const guids = rows.map(({ guid }) => guid).sort((one, other) => (one < other ? -1 : 1));
      const messages = rows.reduce((sum, row) => sum + row.messages, 0);
      this.#listed = { guids, messages, atMs: nowMs };
    }
    return this.#listed;
  }

  #tell(): void {
    const { troubles, limits, clock, store } = this.#ports;
    const { open, further } = this.#state;
    if (limits() === undefined || open.length === 0) {
      troubles.over(CODE);
      return;
    }
    const words = wordsOfAll(open, further, (guid) => store.side.reader.mailboxByGuid(guid)?.path);
    troubles.note(CODE, { code: CODE, words, hint: HINT, level: "needs-you" }, open[0]?.sinceMs ?? clock.nowMs());
  }

  #nameOf(guid: MailboxGuid): string {
    const path = this.#ports.store.side.reader.mailboxByGuid(guid)?.path;
    return path === undefined ? "" : mailboxName(path);
  }
}

/** The source's own, without the list of mailboxes that others are held to. */
function ownSide(sums: SourceStore["sums"]): ReadingSide {
  const use = async <T>(work: (worker: ReturnType<typeof sums.take>) => Promise<T>): Promise<T> => {
    const worker = sums.take();
    try {
      return await work(worker);
    } finally {
      sums.giveBack();
    }
  };
  return {
    hashes: (of) => use((worker) => worker.call("hashes", of)),
    states: (of) => use((worker) => worker.call("states", of)),
  };
}
