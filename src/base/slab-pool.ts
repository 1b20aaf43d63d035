/**
 * Memory that circulates between threads: bulk bytes are read into a shared slab by one thread, written out of it by another,
 * and the slab is used again. Fresh buffers for gigabytes of mail would have every thread collect garbage all the time.
 *
 * INVARIANT: between `take` and `releaseSlab` a slab belongs to whoever holds a view of it; nobody looks at it afterwards.
 * A slab that is never released is only lost to the pool: `take` then answers undefined and its user takes private memory.
 */
import { assert } from "./assert.js";

const HEADER_BYTES = 64;
const FREE = 0;
const TAKEN = 1;

export class SlabPool {
  readonly #slabBytes: number;
  readonly #slabsMax: number;
  readonly #slabs: SharedArrayBuffer[] = [];

  constructor({ slabBytes, slabsMax }: { readonly slabBytes: number; readonly slabsMax: number }) {
    assert(slabBytes > 0 && slabsMax > 0, "a pool has room");
    this.#slabBytes = slabBytes;
    this.#slabsMax = slabsMax;
  }

  /** All usable bytes of a free slab; undefined when every slab is in use. */
  take(): Uint8Array<SharedArrayBuffer> | undefined {
    const free = this.#slabs.find((slab) => Atomics.compareExchange(stateOf(slab), 0, FREE, TAKEN) === FREE);
    const slab = free ?? this.#grow();
    return slab === undefined ? undefined : new Uint8Array(slab, HEADER_BYTES);
  }

  #grow(): SharedArrayBuffer | undefined {
    if (this.#slabs.length >= this.#slabsMax) return undefined;
    const slab = new SharedArrayBuffer(HEADER_BYTES + this.#slabBytes);
    Atomics.store(stateOf(slab), 0, TAKEN);
    this.#slabs.push(slab);
    return slab;
  }
}

/** Gives the slabs behind these views back, from whatever thread; other memory is left alone. Call it once for a slab. */
export function releaseSlabs(views: Iterable<Uint8Array>): void {
  const slabs = new Set<SharedArrayBuffer>();
  for (const { buffer } of views) if (buffer instanceof SharedArrayBuffer) slabs.add(buffer);
  for (const slab of slabs) Atomics.store(stateOf(slab), 0, FREE);
}

/** The buffers that can be moved to another thread: all that are not shared anyway. */
export function movableBuffers(views: Iterable<Uint8Array>): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { buffer } of views) if (buffer instanceof ArrayBuffer) buffers.add(buffer);
  return [...buffers];
}

function stateOf(slab: SharedArrayBuffer): Int32Array {
  return new Int32Array(slab, 0, 1);
}
