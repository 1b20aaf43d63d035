/**
 * A replica's store in memory: stages bodies and notes the order in which transactions are executed. What it refuses is
 * scripted per transaction: by its LSN, which a test writes down as the time when it was captured.
 */
import { createHash } from "node:crypto";
import type {
  ApplyMethods,
  BodyPart,
  BodyParts,
  ExecuteOutcome,
  PrepareOutcome,
  StageOutcome,
  YieldOutcome,
} from "../../../src/apply/apply-types.js";
import { type Divergence, divergence } from "../../../src/apply/divergence.js";
import { expectedBodies } from "../../../src/apply/expected-bodies.js";
import { lackingAmong } from "../../../src/apply/find-body.js";
import { headOf, restOf } from "../../../src/txn/split.js";
import type { Transaction } from "../../../src/txn/transaction.js";
import { decodeTransaction } from "../../../src/txn/transaction-codec.js";

interface Pending {
  readonly transaction: Transaction;
  readonly voidBelow: number;
  /** By index. */
  readonly staged: Map<number, Buffer>;
  readonly gone: Set<number>;
}

export type Refusal =
  | "busy"
  | "lacking"
  /** About all UIDs of the transaction below that one. */
  | { readonly kind: "uid-passed"; readonly replicaNext: number }
  | { readonly kind: "uid-bound-otherwise" }
  | { readonly kind: "mailbox-missing" };

export interface Applied {
  readonly lsn: number;
  readonly mailbox: string;
  readonly transaction: Transaction;
  readonly voidBelow: number;
  readonly gone: readonly number[];
  /** Hex by index. */
  readonly bodies: ReadonlyMap<number, string>;
}

export class FakeReplica implements Partial<ApplyMethods> {
  readonly applied: Applied[] = [];
  readonly dropped: number[] = [];
  readonly forgotten: string[] = [];
  /** Transactions of which something was asked that were not prepared, or dropped already: it would end the real thread. */
  readonly misused: number[] = [];
  /** Outcomes of the next calls of `execute` for that transaction, before it is applied. */
  readonly refusals = new Map<number, Refusal[]>();
  /** Outcomes of the next calls of `prepare` for that transaction. */
  readonly unprepared = new Map<number, Refusal[]>();
  /** Held for ever: `execute` always says so. */
  readonly locked = new Set<number>();
  yieldOutcome: YieldOutcome = { kind: "yielded", moves: [], uidNext: 1000 };
  /** Called in the middle of `execute`. */
  onExecute: (lsn: number) => void = () => undefined;
  readonly #pending = new Map<number, Pending>();

  /** Taken over from the thread that stages, in the order of the calls. */
  readonly adopted: { readonly lsn: number; readonly indexes: readonly number[] }[] = [];
  /** What the thread that stages has handed over, by transaction and index: this store sees it only when it adopts it. */
  readonly handedOver = new Map<string, Buffer>();

  prepare({
    key,
    mailbox,
    bytes,
    voidBelow,
    apartAbove = Number.POSITIVE_INFINITY,
    along = [],
    from = 0,
    cutAbove = Number.POSITIVE_INFINITY,
  }: Parameters<ApplyMethods["prepare"]>[0]): PrepareOutcome {
    const transaction = restOf(decodeTransaction(bytes), from);
    if ((mailbox ?? transaction.mailbox) !== transaction.mailbox) return { kind: "misnamed" };
    const { staged, gone } = this.#pending.get(key) ?? { staged: new Map(), gone: new Set<number>() };
    this.#pending.set(key, { transaction, voidBelow, staged, gone });
    const refusal = this.unprepared.get(transaction.capturedMs)?.shift();
    if (refusal !== undefined) return { kind: "diverged", divergence: divergenceOf(transaction, refusal) };
    const { lacking, cut } = lackingAmong(this.#wantsOf(key), cutAbove, () => true);
    if (cut !== undefined) this.#pending.set(key, { transaction: headOf(transaction, cut), voidBelow, staged, gone });
    const alongByIndex = new Map(along.map((body) => [body.index, body]));
    const taken = lacking.flatMap(({ index }) => alongByIndex.get(index) ?? []);
    const outcome = this.stageMany({ key, bodies: taken });
    if (outcome.kind === "diverged") return outcome;
    const wants = this.#wantsOf(key);
    const ticket = { storeRoot: "/store", scratchRoot: "/scratch", expected: expectedBodies(transaction) };
    const intent = Uint8Array.of(key);
    const ready = { kind: "ready", intent, wants, taken: taken.length, ...(cut === undefined ? {} : { cut }) } as const;
    return wants.length > apartAbove ? { ...ready, ticket } : ready;
  }

  adoptStaged({ key, bodies }: Parameters<ApplyMethods["adoptStaged"]>[0]): void {
    const { staged } = this.#of(key);
    this.adopted.push({ lsn: key, indexes: bodies.map(({ index }) => index) });
    for (const { index } of bodies) {
      const bytes = this.handedOver.get(`${key}.${index}`);
      if (bytes === undefined) throw new Error(`body ${index} of ${key} was not handed over`);
      staged.set(index, bytes);
    }
  }

  stageMany({ key, bodies }: { readonly key: number; readonly bodies: readonly BodyParts[] }): StageOutcome {
    for (const { index, bytes, sha256 } of bodies) {
      if (!this.#stage(key, index, Buffer.from(bytes), sha256)) return this.#mismatch(key, index);
    }
    return { kind: "staged" };
  }

  readonly #parts = new Map<string, Buffer[]>();

  stagePart({ key, index, offset, bytes, last, sha256 }: BodyPart): StageOutcome {
    const parts = offset === 0 ? [] : (this.#parts.get(`${key}.${index}`) ?? []);
    if (parts.reduce((sum, part) => sum + part.length, 0) !== offset) throw new Error("parts come in order");
    parts.push(Buffer.from(bytes));
    this.#parts.set(`${key}.${index}`, parts);
    if (!last) return { kind: "staged" };
    return this.#stage(key, index, Buffer.concat(parts), sha256) ? { kind: "staged" } : this.#mismatch(key, index);
  }

  gone({ key, index }: { readonly key: number; readonly index: number }): void {
    this.#of(key).gone.add(index);
  }

  syncStaged({ key }: { readonly key: number }): void {
    this.#of(key);
  }

  execute({ key }: { readonly key: number }): ExecuteOutcome {
    const { transaction, staged, gone, voidBelow } = this.#of(key);
    const lsn = transaction.capturedMs;
    this.onExecute(lsn);
    const refusal = this.locked.has(lsn) ? "busy" : this.refusals.get(lsn)?.shift();
    if (refusal === "busy") return { kind: "busy", by: "9:host", ageMs: 1500 };
    if (refusal === "lacking") {
      staged.clear();
      return { kind: "lacking", wants: this.#wantsOf(key) };
    }
    if (refusal !== undefined) return { kind: "diverged", divergence: divergenceOf(transaction, refusal) };
    if (this.#wantsOf(key).length > 0) throw new Error(`transaction ${key} is executed without its bodies`);
    const bodies = new Map([...staged].map(([index, bytes]) => [index, hexOf(bytes)]));
    this.applied.push({ lsn, mailbox: transaction.mailbox, transaction, voidBelow, gone: [...gone], bodies });
    this.#pending.delete(key);
    return {
      kind: "applied",
      effect: { mailboxes: [], removedMailboxIds: [], chunks: [], limbo: [] },
      notes: [{ kind: "keywords-full", words: `note of ${lsn}` }],
      lockedMs: 1,
    };
  }

  drop({ key }: { readonly key: number }): boolean {
    this.dropped.push(key);
    this.#pending.delete(key);
    return true;
  }

  yieldUids(): YieldOutcome {
    return this.yieldOutcome;
  }

  mailboxes() {
    return [];
  }

  forget({ mailbox }: { readonly mailbox: string }): void {
    this.forgotten.push(mailbox);
  }

  #of(key: number): Pending {
    const pending = this.#pending.get(key);
    if (pending === undefined) {
      this.misused.push(key); // whoever asked may not look at the answer any more.
      throw new Error(`transaction ${key} was not prepared`);
    }
    return pending;
  }

  #wantsOf(key: number) {
    const { transaction, staged, gone, voidBelow } = this.#of(key);
    return transaction.changes.flatMap((change, index) => {
      if (change.kind !== "save" || staged.has(index) || gone.has(index) || change.message.uid < voidBelow) return [];
      const { uid, base, size } = change.message;
      return [{ index, uid, base, size }];
    });
  }

  #stage(key: number, index: number, bytes: Buffer, sha256: string | undefined): boolean {
    const change = this.#of(key).transaction.changes[index];
    if (change?.kind !== "save" || change.message.size !== bytes.length || sha256 !== hexOf(bytes)) return false;
    this.#of(key).staged.set(index, bytes);
    return true;
  }

  #mismatch(key: number, index: number): StageOutcome {
    const { mailbox, path } = this.#of(key).transaction;
    return { kind: "diverged", divergence: divergence({ kind: "body-mismatch", mailbox, path, index }) };
  }
}

export function hexOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function divergenceOf({ mailbox, path, changes }: Transaction, refusal: Refusal): Divergence {
  const saves = changes.flatMap((change) => (change.kind === "save" ? [change.message] : []));
  const [first] = saves;
  if (typeof refusal === "object" && refusal.kind === "uid-bound-otherwise" && first !== undefined) {
    const { uid, base } = first;
    const odds = { uids: [uid], replicaNext: uid + 1 };
    return divergence({ kind: "uid-bound-otherwise", mailbox, path, uid, base, found: "other", ...odds });
  }
  if (typeof refusal === "object" && refusal.kind === "uid-passed") {
    const { replicaNext } = refusal;
    const uids = saves.map(({ uid }) => uid).filter((uid) => uid < replicaNext);
    return divergence({ kind: "uid-passed", mailbox, path, firstUid: first?.uid ?? 1, uids, replicaNext });
  }
  return divergence({ kind: "mailbox-missing", mailbox, path });
}
