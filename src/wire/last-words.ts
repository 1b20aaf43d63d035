/** Words of another program or host, as far as a message has room for them, and safe to print. */
import { displayRaw, UNSAFE_CHARS } from "../base/raw-name.js";

const BYTES_MAX = 4096;
const LINES_MAX = 6;
const LINE_CHARS_MAX = 300;
const SENTENCE_CHARS_MAX = 2_000;

/** A sentence of the other end of a link. Names in it are escaped by that end: a backslash stays the one that it is. */
export function safeWords(words: string): string {
  const cut = Buffer.from(words.slice(0, SENTENCE_CHARS_MAX)).toString(); // half a character becomes none.
  return cut.replace(UNSAFE_CHARS, " ");
}

/** What it said on its standard error: the end of it. */
export class LastWords {
  #bytes = "";

  add(bytes: Buffer): void {
    this.#bytes = (this.#bytes + bytes.subarray(-BYTES_MAX).toString("latin1")).slice(-BYTES_MAX);
  }

  /** One line; undefined if nothing was said. */
  shown(): string | undefined {
    const lines = this.#bytes.split(/[\r\n]+/).filter((line) => line.trim() !== "");
    if (lines.length === 0) return undefined;
    return lines
      .slice(-LINES_MAX)
      .map((line) => displayRaw(line.trim().slice(0, LINE_CHARS_MAX)))
      .join(" / ");
  }
}
