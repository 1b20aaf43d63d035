/**
 * Moves over a TOML text and tells where its words begin and end. It judges nothing: the text is one that smol-toml accepted,
 * so what looks like a string is one.
 *
 * SOURCE: TOML 1.0 and 1.1 (https://toml.io), as far as it says where a token ends.
 */
import { parse } from "smol-toml";
import { assert } from "../../base/assert.js";

export interface Word {
  readonly text: string;
  readonly start: number;
}

export class TomlScan {
  readonly text: string;
  #offset = 0;

  constructor(text: string) {
    this.text = text;
  }

  get offset(): number {
    return this.#offset;
  }

  isAtEnd(): boolean {
    return this.#offset >= this.text.length;
  }

  looksAt(token: string): boolean {
    return this.text.startsWith(token, this.#offset);
  }

  /** Whether it stood there, and was passed. */
  takes(token: string): boolean {
    const stands = this.looksAt(token);
    if (stands) this.#offset += token.length;
    return stands;
  }

  /** Spaces, ends of lines and comments. */
  skipVoid(): void {
    this.#skip(/(?:[ \t\r\n]|#[^\n]*)*/y);
  }

  skipSpaces(): void {
    this.#skip(/[ \t]*/y);
  }

  /** A key with its parts; the end of it is left standing. */
  key(): readonly Word[] {
    const parts: Word[] = [];
    do {
      this.skipSpaces();
      parts.push(this.#keyPart());
      this.skipSpaces();
    } while (this.takes("."));
    return parts;
  }

  /** A value that is neither array nor inline table. */
  scalar(): void {
    if (this.looksAt('"""')) this.#skip(/"""(?:"{0,2}(?:\\[\s\S]|[^"\\]))*"{3,5}/y);
    else if (this.looksAt("'''")) this.#skip(/'''(?:'{0,2}[^'])*'{3,5}/y);
    else if (this.looksAt('"') || this.looksAt("'")) this.#skipString();
    else {
      const bare = this.#skip(/[^,\]}#\r\n]*/y);
      this.#offset -= bare.length - bare.trimEnd().length;
    }
  }

  #keyPart(): Word {
    const start = this.#offset;
    if (this.looksAt('"') || this.looksAt("'")) {
      this.#skipString();
      return { text: unquote(this.text.slice(start, this.#offset)), start };
    }
    return { text: this.#skip(/[A-Za-z0-9_-]+/y), start };
  }

  #skipString(): void {
    this.#skip(/"(?:\\.|[^"\\])*"|'[^']*'/y);
  }

  /** Returns what was passed. */
  #skip(pattern: RegExp): string {
    pattern.lastIndex = this.#offset;
    const found = pattern.exec(this.text);
    assert(found !== null, `the TOML at ${this.#offset} is not what it seemed`);
    this.#offset += found[0].length;
    return found[0];
  }
}

/** What a quoted key says is decided by the one who reads the values too. */
function unquote(quoted: string): string {
  const { key } = parse(`key = ${quoted}`);
  assert(typeof key === "string", "a quoted key is a text");
  return key;
}
