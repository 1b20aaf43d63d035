/**
 * The growing bytes of one mail, in one allocation that is used again for the next mail.
 *
 * INVARIANT: the bytes hold no CR, so the size that IMAP reports (every line ending as CRLF) is bytes + line feeds.
 */
import type { Random } from "./random.js";

const LINE_FEED = 10;
const BASE64 = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", "latin1");
/** Characters of a full base64 line, without its line feed. */
const BASE64_LINE = 76;

export class MailBuffer {
  #bytes: Buffer;
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytes = Buffer.allocUnsafe(bytesMax);
  }

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** What has been written so far; valid until the next `clear`. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Appends latin1 text. */
  text(text: string): void {
    this.#reserve(text.length);
    this.#length += this.#bytes.write(text, this.#length, "latin1");
  }

  append(bytes: Buffer): void {
    this.#reserve(bytes.length);
    this.#length += bytes.copy(this.#bytes, this.#length);
  }

  /** Appends at most `bytesMax` of `bytes` and sees to it that the last one is a line feed. */
  appendCut(bytes: Buffer, bytesMax: number): void {
    const taken = Math.min(bytes.length, bytesMax);
    if (taken === 0) return;
    this.append(bytes.subarray(0, taken));
    this.#bytes[this.#length - 1] = LINE_FEED;
  }

  /** Appends `bytes` characters (line feeds included) of the base64 form of pseudo-random bytes; up to 4 fewer. */
  base64(random: Random, bytes: number): void {
    this.#reserve(bytes);
    const out = this.#bytes;
    let at = this.#length;
    const end = at + bytes;
    while (at + 5 <= end) {
      const quads = Math.min(BASE64_LINE / 4, Math.floor((end - at - 1) / 4));
      for (let quad = 0; quad < quads; quad++) {
        const bits = random.u32();
        out[at++] = BASE64[bits & 63] as number;
        out[at++] = BASE64[(bits >>> 6) & 63] as number;
        out[at++] = BASE64[(bits >>> 12) & 63] as number;
        out[at++] = BASE64[(bits >>> 18) & 63] as number;
      }
      out[at++] = LINE_FEED;
    }
    this.#length = at;
  }

  /** Size with every line ending as CRLF. */
  virtualSize(): number {
    return virtualSizeOf(this.bytes());
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe((this.#length + more) * 2);
    this.bytes().copy(grown);
    this.#bytes = grown;
  }
}

/** The size of a mail with every line ending as CRLF, whatever it has now. */
export function virtualSizeOf(bytes: Uint8Array): number {
  let size = bytes.length;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === LINE_FEED && (i === 0 || bytes[i - 1] !== 13)) size++;
  }
  return size;
}
