/** What a program said on its standard error, as far as a message has room for it: the end of it, safe to print. */
import { displayRaw } from "../base/raw-name.js";

const BYTES_MAX = 4096;
const LINES_MAX = 6;
const LINE_CHARS_MAX = 300;

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
