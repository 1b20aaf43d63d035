/**
 * An IMAP session that sends what a test says and nothing else: BODY[] without PEEK, which sets \Seen (RFC 3501 6.4.5) and
 * for which the client of the other tests has no call. One command at a time; literals are read, not sent.
 */
import { connect, type Socket } from "node:net";
import type { DovecotSite } from "./dovecot.js";

/** One response as it came, with the literals in it apart. */
export interface RawResponse {
  /** Without line ends; each literal stands as its "{size}". */
  readonly line: string;
  readonly literals: readonly Buffer[];
}

export class RawImap implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #incoming: AsyncIterator<Buffer>;
  #rest = Buffer.alloc(0);
  #commands = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#incoming = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  static async login(site: DovecotSite, user: string): Promise<RawImap> {
    const session = new RawImap(connect({ port: site.imapPort, host: "127.0.0.1", noDelay: true }));
    await session.#response(); // the greeting.
    await session.run(`LOGIN ${user} "${site.password}"`);
    return session;
  }

  /** The untagged responses to a command, in order; throws with the server's words when it says NO, BAD or BYE. */
  async run(command: string): Promise<readonly RawResponse[]> {
    this.#commands += 1;
    const tag = `r${this.#commands}`;
    this.#socket.write(`${tag} ${command}\r\n`);
    const untagged: RawResponse[] = [];
    for (;;) {
      const response = await this.#response();
      if (response.line.startsWith("* BYE")) throw new Error(`${command}: ${response.line}`);
      if (!response.line.startsWith(`${tag} `)) untagged.push(response);
      else if (response.line.startsWith(`${tag} OK`)) return untagged;
      else throw new Error(`${command}: ${response.line}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }

  async #response(): Promise<RawResponse> {
    let line = await this.#line();
    const literals: Buffer[] = [];
    for (let size = /\{(\d+)\}$/.exec(line); size !== null; size = /\{(\d+)\}$/.exec(line)) {
      literals.push(await this.#bytes(Number(size[1])));
      line += await this.#line();
    }
    return { line, literals };
  }

  async #line(): Promise<string> {
    let end = this.#rest.indexOf("\r\n");
    for (; end < 0; end = this.#rest.indexOf("\r\n")) await this.#more();
    const line = this.#rest.toString("latin1", 0, end);
    this.#rest = this.#rest.subarray(end + 2);
    return line;
  }

  async #bytes(count: number): Promise<Buffer> {
    while (this.#rest.length < count) await this.#more();
    const bytes = Buffer.from(this.#rest.subarray(0, count));
    this.#rest = this.#rest.subarray(count);
    return bytes;
  }

  async #more(): Promise<void> {
    const next = await this.#incoming.next();
    if (next.done === true) throw new Error("the server closed the connection");
    this.#rest = Buffer.concat([this.#rest, next.value]);
  }
}
