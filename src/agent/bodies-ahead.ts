/**
 * How many bodies a replica asks for ahead of what it applies: while some are made durable and placed, the next are on their way.
 *
 * INVARIANT: bodies that are staged or on their way, and not part of an applied transaction, come to at most `bytesMax` together, or are
 * of a single transaction. That is what a kill, or a line that is cut, has sent again.
 * INVARIANT: the transaction that is applied next never waits here: all that is held here is given back after it.
 */
import { Gate } from "../base/gate.js";

interface Ask extends BodiesOf {
  /** Nothing before it is to be applied any more. */
  readonly isNext: () => boolean;
}

/** What is asked for of one transaction at a time. */
export interface BodiesOf {
  /** Of the offer. Ids ascend in the order in which transactions are applied. */
  readonly id: number;
  readonly bytes: number;
  /** Others of it follow when these are applied: until they are asked for, nobody behind it asks. */
  readonly hasMore: boolean;
  /** What it has asked for before is applied. */
  readonly isFurther: boolean;
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
    const { id, bytes, hasMore, isFurther } = ask;
    this.#waiting.add(id);
    try {
      while (!this.#mayTake(ask)) await this.#changed.wait(signal);
    } finally {
      this.#waiting.delete(id);
      this.#changed.wake();
    }
    if (isFurther) this.giveBack(id);
    const counted = hasMore ? Math.max(bytes, this.#bytesMax) : bytes;
    this.#bytes += counted;
    this.#bytesById.set(id, (this.#bytesById.get(id) ?? 0) + counted);
  }

  /** It is settled, or given up. */
  giveBack(id: number): void {
    this.#bytes -= this.#bytesById.get(id) ?? 0;
    this.#bytesById.delete(id);
    this.#changed.wake();
  }

  #mayTake({ id, bytes, hasMore, isNext }: Ask): boolean {
    if (isNext()) return true;
    for (const other of this.#waiting) if (other < id) return false;
    return this.#bytes === 0 || (!hasMore && this.#bytes + bytes <= this.#bytesMax);
  }
}
