/**
 * How many bodies a replica asks for ahead of what it applies: while some are made durable and placed, the next are on their way.
 *
 * INVARIANT: bodies that are staged or on their way, and not part of an applied transaction, come to at most `bytesMax` together, or are
 * of a single transaction. That is what a kill, or a line that is cut, has sent again.
 * INVARIANT: the transaction that is applied next never waits here: all that is held here is given back after it.
 */
import { Gate } from "../base/gate.js";

interface Ask {
  /** Of the offer. Ids ascend in the order in which transactions are applied. */
  readonly id: number;
  readonly bytes: number;
  /** Nothing before it is to be applied any more. */
  readonly isNext: () => boolean;
}

export class BodiesAhead {
  readonly #bytesMax: number;
  readonly #bytesById = new Map<number, number>();
  readonly #waiting = new Set<number>();
  readonly #changed = new Gate();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Returns when they may be asked for; nobody overtakes an earlier transaction. Rejects with the abort reason. */
  async take(ask: Ask, signal: AbortSignal): Promise<void> {
    const { id, bytes } = ask;
    this.#waiting.add(id);
    try {
      while (!this.#mayTake(ask)) await this.#changed.wait(signal);
    } finally {
      this.#waiting.delete(id);
      this.#changed.wake();
    }
    this.#bytes += bytes;
    this.#bytesById.set(id, (this.#bytesById.get(id) ?? 0) + bytes);
  }

  /** It is settled, or given up. */
  giveBack(id: number): void {
    this.#bytes -= this.#bytesById.get(id) ?? 0;
    this.#bytesById.delete(id);
    this.#changed.wake();
  }

  #mayTake({ id, bytes, isNext }: Ask): boolean {
    if (isNext()) return true;
    for (const other of this.#waiting) if (other < id) return false;
    return this.#bytes === 0 || this.#bytes + bytes <= this.#bytesMax;
  }
}
