/**
 * The thread that stages beside a replica's store, in memory. What it has staged is the store's when it was handed over.
 */
import type { AdoptedBody, BodyPart, BodyParts, StageOutcome } from "../../../src/apply/apply-types.js";
import { divergence } from "../../../src/apply/divergence.js";
import { type ExpectedBodies, expectedAt } from "../../../src/apply/expected-bodies.js";
import type { BeginRequest, StageMethods } from "../../../src/apply/stage-types.js";
import { type InlineWorker, inlineWorker } from "../../worker-client.js";
import { type FakeReplica, hexOf } from "./fake-replica.js";

interface Begun {
  readonly expected: ExpectedBodies;
  /** By index. */
  readonly staged: Map<number, Buffer>;
  readonly parts: Map<number, Buffer[]>;
}

export class FakeStager implements StageMethods {
  /** Who has taken it and not given it back. */
  users = 0;
  readonly begun: number[] = [];
  readonly dropped: number[] = [];
  /** Transactions of which something was asked that were not begun, or ended already. */
  readonly misused: number[] = [];
  /** Called in the middle of `stageMany`. */
  onStage: (lsn: number) => void | Promise<void> = () => undefined;
  readonly worker: InlineWorker<StageMethods> = inlineWorker<StageMethods>(this);
  readonly #replica: FakeReplica;
  readonly #begunByKey = new Map<number, Begun>();

  constructor(replica: FakeReplica) {
    this.#replica = replica;
  }

  take(): InlineWorker<StageMethods> {
    this.users += 1;
    return this.worker;
  }

  giveBack(): void {
    this.users -= 1;
  }

  begin({ key, ticket: { expected } }: BeginRequest): void {
    if (this.#begunByKey.has(key)) throw new Error(`transaction ${key} has begun`);
    this.begun.push(key);
    this.#begunByKey.set(key, { expected, staged: new Map(), parts: new Map() });
  }

  // The port is synchronous; the worker that plays it waits for what is returned.
  stageMany({ key, bodies }: { readonly key: number; readonly bodies: readonly BodyParts[] }): StageOutcome {
    const stage = (): StageOutcome => {
      for (const { index, bytes, sha256 } of bodies) {
        const outcome = this.#stage(key, index, Buffer.from(bytes), sha256);
        if (outcome.kind === "diverged") return outcome;
      }
      return { kind: "staged" };
    };
    const waiting = this.onStage(key);
    return waiting === undefined ? stage() : (waiting.then(stage) as unknown as StageOutcome);
  }

  stagePart({ key, index, offset, bytes, last, sha256 }: BodyPart): StageOutcome {
    const { parts } = this.#of(key);
    const before = offset === 0 ? [] : (parts.get(index) ?? []);
    parts.set(index, [...before, Buffer.from(bytes)]);
    return last ? this.#stage(key, index, Buffer.concat(parts.get(index) ?? []), sha256) : { kind: "staged" };
  }

  handOver({ key }: { readonly key: number }): readonly AdoptedBody[] {
    const { staged } = this.#of(key);
    this.#begunByKey.delete(key);
    return [...staged].map(([index, bytes]) => {
      this.#replica.handedOver.set(`${key}.${index}`, bytes);
      return { index, ino: index + 1 };
    });
  }

  drop({ key }: { readonly key: number }): void {
    this.dropped.push(key);
    this.#begunByKey.delete(key);
  }

  #of(key: number): Begun {
    const begun = this.#begunByKey.get(key);
    if (begun !== undefined) return begun;
    this.misused.push(key);
    throw new Error(`transaction ${key} has not begun`);
  }

  #stage(key: number, index: number, bytes: Buffer, sha256: string | undefined): StageOutcome {
    const { expected, staged } = this.#of(key);
    if (expectedAt(expected, index)?.size === bytes.length && sha256 === hexOf(bytes)) {
      staged.set(index, bytes);
      return { kind: "staged" };
    }
    const { mailbox, path } = expected;
    return { kind: "diverged", divergence: divergence({ kind: "body-mismatch", mailbox, path, index }) };
  }
}
