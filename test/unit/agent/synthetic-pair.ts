/**
 * One mailbox as both ends of a comparison have it, of any size and without files: a baseline at the source, and what is held on the
 * replica. Between them are real messages of the link, compressed as between hosts, of which the bytes are counted.
 */
import type { Socket } from "node:net";
import { Asker } from "../../../src/agent/asker.js";
import { type Compared, type ComparisonPorts, compareMailbox } from "../../../src/agent/compare-mailbox.js";
import { comparedParts } from "../../../src/apply/mailbox-look.js";
import { firstAbove } from "../../../src/base/ascending.js";
import { systemClock } from "../../../src/base/clock.js";
import { openHash } from "../../../src/base/hash.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import { encodeChunk } from "../../../src/log/baseline-chunk.js";
import type { StateReader } from "../../../src/log/state-ports.js";
import type { BaselineRecord, ChunkWrite, MailboxRow } from "../../../src/log/state-types.js";
import { parseBaseName, parseMailboxGuid, parseUid, parseUidValidity, UID_MAX } from "../../../src/maildir/ids.js";
import { chunkOf } from "../../../src/txn/chunks.js";
import { StateDigester } from "../../../src/txn/digest.js";
import { MarkedUids } from "../../../src/txn/marked-uids.js";
import type { MessageState } from "../../../src/txn/message-state.js";
import type { Change } from "../../../src/txn/transaction.js";
import { decodeTransaction } from "../../../src/txn/transaction-codec.js";
import { openCompressed } from "../../../src/wire/compressed.js";
import type { Link } from "../../../src/wire/link.js";
import type { Answer, Ask, ComparedMailbox, ComparedMessage } from "../../../src/wire/messages.js";
import { openStreamLink } from "../../../src/wire/stream-link.js";
import { openSocketPair } from "../../contract/socket-pair.js";

const digester = new StateDigester(await openHash());
const UIDVALIDITY = parseUidValidity(1_700_000_000);

/** What the comparison says, and what it cost. */
export interface Outcome {
  readonly compared: Compared;
  readonly changes: readonly Change[];
  /** Both ways, as they are on the socket. */
  readonly bytes: number;
  /** Of the source. */
  readonly questions: readonly Ask[];
  /** Messages that the replica told. */
  readonly told: number;
  /** Of this process, for both ends; without files. */
  readonly cpuMs: number;
}

export class SyntheticPair {
  /** Messages that the replica looks at for one answer. */
  lookedAtOnce = 65_536;
  /** The replica forgets what it has looked at before that question: the first is 1. */
  forgetsBefore: number | undefined;
  /** What it says in the place of an answer. */
  lie: (answer: Answer) => Answer = (answer) => answer;
  readonly #sockets: readonly [Socket, Socket];
  readonly #links: readonly [Link, Link];
  readonly #asker: Asker;
  readonly #stop = new AbortController();
  #replica: readonly ComparedMessage[] = [];
  #uids: readonly number[] = [];
  #look: { readonly seed: number; at: number; marked: MarkedUids } | undefined;
  #questions: Ask[] = [];
  #told = 0;

  private constructor(sockets: readonly [Socket, Socket]) {
    this.#sockets = sockets;
    const [a, b] = sockets;
    const open = (stream: Socket) =>
      openStreamLink({ stream: openCompressed(stream, systemClock), clock: systemClock, peer: "the other end" });
    this.#links = [open(a), open(b)];
    this.#asker = new Asker({ link: this.#links[0], clock: systemClock });
    for (const run of [this.#readReplies(), this.#answer()]) run.catch((error: unknown) => this.#asker.fail(error));
  }

  static async open(): Promise<SyntheticPair> {
    return new SyntheticPair(await openSocketPair());
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error("the test is over"));
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Both ascending by UID. */
  async compare(source: readonly BaselineRecord[], replica: readonly ComparedMessage[]): Promise<Outcome> {
    [this.#replica, this.#look, this.#questions, this.#told] = [replica, undefined, [], 0];
    this.#uids = replica.map(({ uid }) => uid);
    const before = this.#bytes;
    const changes: Change[] = [];
    const signal = this.#stop.signal;
    const { row, reader } = baselineOf(source);
    const ports = {
      ...{ reader, clock: systemClock, asker: this.#asker, mayHave: undefined },
      source: {
        pathOf: () => row.path,
        uidNextOf: () => row.uidNext,
        raiseNextUid: async () => ({ kind: "none" }),
        describe: async () => ({ kind: "described", creation: { kind: "create", parents: [] }, fileOwner: OWNER }),
      },
      line: {
        untilClear: async () => undefined,
        offerBeside: async ({ bytes }: { readonly bytes: Uint8Array }) => {
          changes.push(...decodeTransaction(bytes).changes);
          await this.#links[0].send({ kind: "offer", id: 1, lsn: 0, mailbox: row.guid, payload: bytes }, signal);
        },
      },
      rejections: { isRefused: () => false },
      ...{ onForeign: () => undefined, onNextUid: () => undefined, onReached: () => undefined },
      renumbers: () => ({ source: true, replica: true, nobody: true }),
    } as unknown as ComparisonPorts;
    const started = process.cpuUsage();
    const compared = await compareMailbox(ports, row.guid, signal);
    const { user, system } = process.cpuUsage(started);
    // Answered last: all that was offered is on the socket by then.
    await this.#asker.ask({ kind: "survey" }, signal);
    return {
      ...{ compared, changes, bytes: this.#bytes - before, told: this.#told },
      ...{ questions: this.#questions.slice(0, -1), cpuMs: Math.round((user + system) / 1000) },
    };
  }

  get #bytes(): number {
    const [a, b] = this.#sockets;
    return a.bytesWritten + b.bytesWritten;
  }

  async #readReplies(): Promise<void> {
    for await (const message of this.#links[0].messages(this.#stop.signal))
      if (message.kind === "reply") this.#asker.settle(message);
  }

  async #answer(): Promise<void> {
    const [, link] = this.#links;
    const { signal } = this.#stop;
    for await (const message of link.messages(signal)) {
      if (message.kind === "offer") await link.send({ kind: "outcome", id: message.id, notes: [] }, signal);
      if (message.kind !== "request") continue;
      this.#questions.push(message.ask);
      const answer = this.lie(this.#answerTo(message.ask));
      await link.send({ kind: "reply", id: message.id, result: { ok: true, answer } }, signal);
    }
  }

  #answerTo(ask: Ask): Answer {
    if (ask.kind === "compare") return { kind: "compare", ...standing(this.#replica), ...this.#compare(ask) };
    if (ask.kind !== "tell-held") return { kind: "survey", mailboxes: [] };
    const reached = (ask.spans.at(-1)?.below ?? UID_MAX + 1) - 1;
    const messages = ask.spans.flatMap(({ from, below }) =>
      this.#replica.slice(firstAbove(this.#uids, from - 1), firstAbove(this.#uids, below - 1)),
    );
    this.#told += Math.min(messages.length, PAGE_MAX);
    const next = messages[PAGE_MAX];
    const page =
      next === undefined ? { messages, reached } : { messages: messages.slice(0, PAGE_MAX), reached: next.uid - 1 };
    return { kind: "tell-held", ...standing(this.#replica), ...page };
  }

  #compare({ seed, sums }: Extract<Ask, { kind: "compare" }>): Pick<ComparedMailbox, "looked" | "differing"> {
    const isForgotten = this.#questions.length === this.forgetsBefore;
    const look = this.#look?.seed === seed && !isForgotten ? this.#look : { seed, at: 0, marked: new MarkedUids(seed) };
    this.#look = look;
    for (const { held, ...state } of this.#replica.slice(look.at, look.at + this.lookedAtOnce))
      look.marked.add(state.uid, digester.halvesWithFields(state), held !== "applied");
    look.at += this.lookedAtOnce;
    const next = this.#replica[look.at];
    if (next !== undefined) return { looked: Math.max(1, next.uid - 1) };
    return { looked: UID_MAX, ...(sums === undefined ? {} : { differing: comparedParts(look.marked, sums) }) };
  }
}

const PAGE_MAX = 4096;
const OWNER = { uid: 0, gid: 0, mode: 0o600 };
const PATH = "u1/Maildir" as RawPath;

function standing(replica: readonly ComparedMessage[]) {
  const uidNext = (replica.at(-1)?.uid ?? 0) + 1;
  const place = { path: PATH, uidValidity: UIDVALIDITY, uidNext };
  return { written: { ...place, headerExtra: "" }, standing: place };
}

function baselineOf(records: readonly BaselineRecord[]) {
  const row: MailboxRow = {
    ...{ id: 1, guid: parseMailboxGuid("1".repeat(32)), path: PATH, uidValidity: UIDVALIDITY },
    ...{ uidNext: (records.at(-1)?.uid ?? 0) + 1, headerExtra: "", keywords: ["$Junk"], fingerprint: "" },
    messages: records.length,
  };
  const byChunk = new Map<number, BaselineRecord[]>();
  for (const record of records) {
    const chunk = chunkOf(record.uid);
    const all = byChunk.get(chunk) ?? [];
    all.push(record);
    byChunk.set(chunk, all);
  }
  const keywordIndexByName = new Map([["$Junk", 0]]);
  const writes = new Map<number, ChunkWrite>();
  for (const [chunk, all] of byChunk)
    writes.set(chunk, encodeChunk({ mailboxId: 1, chunk, records: all, keywordIndexByName, digester }));
  const reader: Pick<StateReader, "lastLsn" | "mailboxByGuid" | "chunk"> & object = {
    snapshot: (run: () => unknown) => run(),
    lastLsn: () => 1,
    mailboxByGuid: () => row,
    digests: () => [...writes.values()],
    chunk: (_: number, chunk: number) => writes.get(chunk)?.bytes,
  } as never;
  return { row, reader };
}

/** A pseudo-random sequence: the same numbers again for the same seed, below `limit`. */
export function numbersOf(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** As Dovecot names them. */
export function recordOf(uid: number, next: (limit: number) => number): BaselineRecord {
  const size = 1_000 + next(60_000);
  const mtimeS = 1_700_000_000 + uid * 37;
  const name = `${mtimeS}.M${next(1_000_000)}P${next(30_000)}.mail.example.net,S=${size},W=${size + next(2_000)}`;
  return {
    ...{ uid: parseUid(uid), base: parseBaseName(name), info: next(3) === 0 ? ":2," : ":2,S" },
    ...{ keywords: [], size, mtimeS, fields: "", ino: 0 },
  };
}

export function heldOf(state: MessageState, held: ComparedMessage["held"] = "applied"): ComparedMessage {
  return { ...state, held };
}
