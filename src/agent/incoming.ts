/**
 * One offered transaction on its way into the replica: prepared, its bodies staged, durable, ready to be executed.
 *
 * INVARIANT: `ready` settles once: "ready" when every body is staged and on stable storage, else why it will not be.
 */

import type { ApplyMethods } from "../apply/apply-types.js";
import type { Divergence } from "../apply/divergence.js";
import { movableBuffers, releaseSlabs } from "../base/slab-pool.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { StateWriter } from "../log/state-ports.js";
import type { Bodies, BodyPart, Offer } from "../wire/messages.js";

export type Readiness =
  | { readonly kind: "ready"; readonly intent: number }
  | { readonly kind: "diverged"; readonly divergence: Divergence }
  | { readonly kind: "given-up" };

export interface IncomingPorts {
  readonly store: WorkerClient<ApplyMethods>;
  readonly writer: StateWriter;
  /** Sends the replica's wish. */
  readonly want: (lsn: number, indexes: readonly number[]) => Promise<void>;
  /** One call makes all that was written to the store's file system durable; false where the system has none. */
  readonly syncAll: () => Promise<boolean>;
  readonly reach: (point: string) => void;
}

/** From this many bodies on, one syncfs costs less than an fsync for each. */
const SYNC_EACH_MAX = 24;

export class Incoming {
  readonly offer: Offer;
  ready: Promise<Readiness>;
  readonly #ports: IncomingPorts;
  readonly #lacking = new Set<number>();
  #wanted = 0;
  #complete: (() => void) | undefined;
  #divergence: Divergence | undefined;
  #givenUp = false;
  #intent: number | undefined;

  constructor(ports: IncomingPorts, offer: Offer) {
    this.#ports = ports;
    this.offer = offer;
    this.ready = this.#makeReady(0);
  }

  get lsn(): number {
    return this.offer.lsn;
  }

  /** Prepares it again; saves below `voidBelow` that are not bound here are left out. */
  again(voidBelow: number): void {
    this.#divergence = undefined;
    this.#lacking.clear();
    this.ready = this.#makeReady(voidBelow);
  }

  /** What was found at `prepare` is gone: these bodies have to come after all. */
  lack(indexes: readonly number[]): void {
    this.ready = this.#fetch(indexes).then(() => this.#seal());
  }

  /** Its bodies do not come: what is still on the way is dropped. */
  giveUp(): void {
    this.#givenUp = true;
    this.#lacking.clear();
    this.#complete?.();
  }

  async takeBodies(bodies: Bodies): Promise<void> {
    try {
      await this.#stageBodies(bodies);
    } finally {
      releaseSlabs(bodies.payloads);
    }
  }

  async #stageBodies({ heads, payloads }: Bodies): Promise<void> {
    const gone = heads.filter((head) => head.gone && this.#lacking.has(head.index));
    const present = heads.filter((head) => !head.gone);
    const bodies = present.flatMap((head, i) => {
      const bytes = payloads[i];
      // What was not asked for is dropped, not stored.
      return bytes === undefined || !this.#lacking.has(head.index)
        ? []
        : [{ index: head.index, bytes, sha256: hexOf(head.sha256) }];
    });
    for (const { index } of gone) {
      await this.#ports.store.call("gone", { key: this.lsn, index });
      this.#arrived(index);
    }
    if (bodies.length === 0) return;
    const transfer = movableBuffers(bodies.map((body) => body.bytes));
    const outcome = await this.#ports.store.call("stageMany", { key: this.lsn, bodies }, transfer);
    if (outcome.kind === "diverged") this.#fail(outcome.divergence);
    for (const { index } of bodies) this.#arrived(index);
  }

  async takePart({ index, offset, last, sha256, payload }: BodyPart): Promise<void> {
    if (!this.#lacking.has(index)) return;
    const part = { key: this.lsn, index, offset, bytes: payload, last, sha256: last ? hexOf(sha256) : undefined };
    const outcome = await this.#ports.store.call("stagePart", part, [payload.buffer as ArrayBuffer]);
    if (outcome.kind === "diverged") this.#fail(outcome.divergence);
    if (last) this.#arrived(index);
  }

  async #makeReady(voidBelow: number): Promise<Readiness> {
    const prepared = await this.#ports.store.call("prepare", { key: this.lsn, bytes: this.offer.payload, voidBelow });
    if (prepared.kind === "diverged") return prepared;
    await this.#fetch(prepared.wants.map((wanted) => wanted.index));
    return this.#seal();
  }

  async #fetch(indexes: readonly number[]): Promise<void> {
    if (indexes.length === 0) return;
    for (const index of indexes) this.#lacking.add(index);
    this.#wanted += indexes.length;
    const complete = new Promise<void>((resolve) => {
      this.#complete = resolve;
    });
    if (this.#givenUp) return;
    await this.#ports.want(this.lsn, indexes);
    await complete;
  }

  /** Durable bodies first, then the intent: from here a restart knows what was on the way. */
  async #seal(): Promise<Readiness> {
    if (this.#givenUp) return { kind: "given-up" };
    if (this.#divergence !== undefined) return { kind: "diverged", divergence: this.#divergence };
    const synced = this.#wanted > SYNC_EACH_MAX && (await this.#ports.syncAll());
    if (!synced && this.#wanted > 0) await this.#ports.store.call("syncStaged", { key: this.lsn });
    this.#ports.reach("apply.staged");
    if (this.#intent === undefined) {
      const bytes = await this.#ports.store.call("intentOf", { key: this.lsn });
      this.#intent = await this.#ports.writer.putIntent({ bytes });
      this.#ports.reach("apply.intent");
    }
    return { kind: "ready", intent: this.#intent };
  }

  #fail(divergence: Divergence): void {
    this.#divergence ??= divergence;
    this.#lacking.clear(); // what is still on the way does not fit any more.
    this.#complete?.();
  }

  #arrived(index: number): void {
    this.#lacking.delete(index);
    if (this.#lacking.size === 0) this.#complete?.();
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}
