/**
 * Writing and reading compact binary records: LEB128 numbers up to 2^53, texts as their bytes.
 *
 * A reader throws `RangeError`, and only that, for bytes that end too early or hold a number that is too large.
 */
import { assert } from "../base/assert.js";

const FIRST_BYTES = 16 * 1024;

/** Grows as needed. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #at = 0;

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  /** A safe integer from 0. */
  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, `not a number for a varint: ${value}`);
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#at++] = rest;
  }

  /** A signed integer of magnitude below 2^52. */
  zigzag(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** A bytes-in-a-string. */
  text(raw: string): void {
    this.varint(raw.length);
    this.#reserve(raw.length);
    if (raw !== "") this.#at += this.#bytes.write(raw, this.#at, "latin1");
  }

  /** A copy that fills its buffer: cloning it to another thread copies nothing else. */
  finish(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#bytes, 0, this.#at);
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + count));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw new RangeError("it ends too early");
    this.#at += 1;
    return value;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value) || scale > Number.MAX_SAFE_INTEGER)
        throw new RangeError("a number is too large");
      if (byte < 0x80) return value;
    }
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  text(): string {
    const end = this.varint() + this.#at;
    if (end > this.#bytes.length) throw new RangeError("a text ends too late");
    const text = this.#bytes.toString("latin1", this.#at, end);
    this.#at = end;
    return text;
  }
}
