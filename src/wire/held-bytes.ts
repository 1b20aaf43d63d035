/**
 * What has come of a stream and belongs to no frame yet. Large chunks are kept as they come; small ones are put together, since each
 * buffer costs some hundred bytes beside what is in it.
 *
 * INVARIANT: however small the chunks are, what is held takes little more memory than its bytes: once `settle` was called, every buffer
 * but the last is large or full.
 * INVARIANT: a byte is copied once on its way through here, and once more where it came in a small chunk.
 */

/** A chunk of so many bytes is kept as it is. A record of TLS has up to 16 KiB. */
export const LARGE_BYTES = 8 * 1024;
/** Small ones are put together in buffers of this length. */
export const BLOCK_BYTES = 4 * 1024;

export class HeldBytes {
  #chunks: Uint8Array[] = [];
  #length = 0;
  /** What is free in the last buffer of our own: behind the last chunk, where that is in it. */
  #room = NO_ROOM;
  /** Something came since the last `settle`: the last chunk, if it is still there. */
  #isAdded = false;

  get length(): number {
    return this.#length;
  }

  /** What is held, in its order. */
  get chunks(): readonly Uint8Array[] {
    return this.#chunks;
  }

  /** By reference, until `settle`: what is taken before that was copied once only. Call `settle` before the next one. */
  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#length += bytes.length;
    this.#isAdded = true;
  }

  /** The first `length` bytes, in a buffer of their own. There are as many. */
  take(length: number): Uint8Array<ArrayBuffer> {
    const taken = new Uint8Array(length);
    let done = 0;
    let used = 0;
    while (done < length) {
      const chunk = this.#chunks[used];
      if (chunk === undefined) throw new RangeError("taking more bytes than are held");
      const part = chunk.subarray(0, length - done);
      taken.set(part, done);
      done += part.length;
      if (part.length === chunk.length) used += 1;
      else this.#chunks[used] = chunk.subarray(part.length);
    }
    this.#chunks = this.#chunks.slice(used);
    this.#length -= length;
    return taken;
  }

  /** What was added and not taken stays for longer: it is put behind what is held, if it is small. */
  settle(): void {
    const isAdded = this.#isAdded;
    this.#isAdded = false;
    const last = this.#chunks.at(-1);
    if (!isAdded || last === undefined || last.length >= LARGE_BYTES) return;
    this.#chunks.pop();
    for (let rest = last; rest.length > 0; ) rest = this.#append(rest);
  }

  /** As much as there is room for. Returns the rest. */
  #append(bytes: Uint8Array): Uint8Array {
    let last = this.#chunks.at(-1);
    if (last === undefined || this.#room.length === 0 || last.buffer !== this.#room.buffer) {
      this.#room = new Uint8Array(BLOCK_BYTES);
      last = this.#room.subarray(0, 0);
      this.#chunks.push(last);
    }
    const part = bytes.subarray(0, this.#room.length);
    this.#room.set(part);
    this.#room = this.#room.subarray(part.length);
    this.#chunks[this.#chunks.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.length + part.length);
    return bytes.subarray(part.length);
  }
}

const NO_ROOM = new Uint8Array(0);
