/**
 * A byte stream that travels compressed: raw deflate, one stream in each direction for as long as the connection lives, so that mails
 * which are like those before them cost little. What is written together (cork) is flushed together, and arrives whole.
 *
 * What comes first (a comparison, a day's changes) is compressed well. What is more than that is compressed fast, but where so much comes,
 * and the line takes it so quickly, that it would wait for the compressing: that is passed on as it is.
 *
 * INVARIANT: what the other end compressed is never held beyond what its reader takes: it is unpacked piece by piece.
 * INVARIANT: what came before the line failed is read before the failure: it may be the other end's last words.
 * INVARIANT: the line is ended behind all that was written, however slowly it takes that.
 */
import { Duplex } from "node:stream";
import { constants, createDeflateRaw, createInflateRaw } from "node:zlib";
import type { Clock } from "../base/clock.js";
import { wireError } from "./errors.js";

/** The capability that both ends name (greeting.ts). */
export const DEFLATE = "deflate";

const PIECE_BYTES = 64 * 1024;
const [WELL, FAST, STORED] = [6, constants.Z_BEST_SPEED, constants.Z_NO_COMPRESSION];

type Done = (error?: Error | null) => void;

/** `raw` is the new stream's from now on: it ends, fails and is destroyed with it. */
export function openCompressed(raw: Duplex, clock: Pick<Clock, "monotonicMs">): Duplex {
  const packer = new Packer(raw, new Pace(clock), (error) => void stream.destroy(error));
  // A stream that is cut gives what came before; the link says what is an orderly end.
  const inflate = createInflateRaw({ chunkSize: PIECE_BYTES, finishFlush: constants.Z_SYNC_FLUSH });
  const stream = new Duplex({
    allowHalfOpen: true,
    read: () => void inflate.resume(),
    writev: (chunks, done) =>
      packer.write(
        chunks.map(({ chunk }) => chunk as Buffer),
        done,
      ),
    write: (chunk: Buffer, _encoding, done) => packer.write([chunk], done),
    final: (done: Done) => packer.end(done),
    destroy(error, done) {
      for (const part of [inflate, raw, packer]) part.destroy();
      done(error);
    },
  });
  unpack(raw, inflate, stream);
  return stream;
}

/** Into `stream` whatever comes, then how that ended. */
function unpack(raw: Duplex, inflate: ReturnType<typeof createInflateRaw>, stream: Duplex): void {
  let cut: { readonly error: Error | undefined } | undefined;
  const cutOff = (error?: Error): void => {
    cut ??= { error };
    if (inflate.readableEnded) stream.destroy(error);
    else inflate.end();
  };
  raw.on("data", (bytes: Buffer) => {
    if (!inflate.write(bytes)) raw.pause();
  });
  raw.on("end", () => void inflate.end());
  raw.on("error", cutOff);
  raw.on("close", () => {
    if (!raw.readableEnded) cutOff();
  });
  inflate.on("drain", () => void raw.resume());
  inflate.on("data", (bytes: Buffer) => {
    if (!stream.push(bytes)) inflate.pause();
  });
  inflate.on("end", () => {
    if (cut === undefined) stream.push(null);
    else stream.destroy(cut.error);
  });
  inflate.on("error", (cause: Error) => {
    stream.destroy(wireError("wire-invalid", `unpacking what the other end sends: ${cause.message}`, cause));
  });
}

/** What is written, onto the line. */
class Packer {
  readonly #raw: Duplex;
  readonly #pace: Pace;
  readonly #deflate: ReturnType<typeof createDeflateRaw>;
  /** To another level, for which Node waits until all before is out. */
  #isChanging = false;
  #isDestroyed = false;

  constructor(raw: Duplex, pace: Pace, onError: (error: Error) => void) {
    this.#raw = raw;
    this.#pace = pace;
    this.#deflate = createDeflateRaw({ level: pace.level, chunkSize: PIECE_BYTES });
    this.#deflate.on("data", (bytes: Buffer) => this.#pass(bytes));
    this.#deflate.on("error", onError);
    raw.on("drain", () => this.#goOn());
    raw.on("close", () => this.#goOn()); // what is left is dropped, and nobody waits for it.
  }

  /** Done when it is out, or as much of it as the line does not keep waiting. */
  write(pieces: readonly Buffer[], done: Done): void {
    for (const piece of pieces) this.#deflate.write(piece);
    this.#deflate.flush(constants.Z_SYNC_FLUSH, () => {
      const before = this.#pace.level;
      this.#pace.note(pieces.reduce((bytes, { length }) => bytes + length, 0));
      if (this.#pace.level === before || this.#deflate.destroyed) done();
      else this.#change(done);
    });
  }

  /** Done when the line has all of it, and is ended. */
  end(done: Done): void {
    // Not when deflate has "finished": a line that keeps it waiting has not got all of it then.
    this.#deflate.once("end", () => this.#raw.end(() => done())); // why it failed, if it did, the line says itself.
    this.#deflate.end();
  }

  /** After the line. */
  destroy(): void {
    this.#isDestroyed = true;
    // What is destroyed while its level changes throws, where nobody could catch it.
    if (this.#isChanging) this.#deflate.resume();
    else this.#deflate.destroy();
  }

  #change(done: Done): void {
    this.#isChanging = true;
    this.#deflate.params(this.#pace.level, constants.Z_DEFAULT_STRATEGY, () => {
      this.#isChanging = false;
      if (this.#isDestroyed) this.#deflate.destroy();
      done();
    });
  }

  #pass(bytes: Buffer): void {
    // Where the line is closed already nobody reads what comes: to write it would be an error, and hide what has come before.
    if (!this.#raw.writable || this.#raw.write(bytes)) return;
    this.#pace.waits();
    this.#deflate.pause();
  }

  #goOn(): void {
    this.#pace.goesOn();
    this.#deflate.resume();
  }
}

/** As much of a stream is compressed well whatever the line. */
const WELL_BYTES = 4 * 1024 * 1024;
/** How often it is judged afterwards. */
const JUDGED_BYTES = 1024 * 1024;
/** What takes longer has the time to be compressed: that is a tenth of it, or two. */
const QUICK_MS = 100;
/** Of the time in which so much was written, that the line kept it waiting: more, and compressing is worth its time. */
const WAITED_SHARE = 0.5;

/** How hard to compress: by how much there was so far, how fast it came, and by what of that time it waited for the line. */
class Pace {
  level: number = WELL;
  readonly #clock: Pick<Clock, "monotonicMs">;
  #bytes = 0;
  #judgeAt = WELL_BYTES;
  #since: { readonly bytes: number; readonly ms: number };
  #waitedMs = 0;
  #waitsSinceMs: number | undefined;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
    this.#since = { bytes: 0, ms: clock.monotonicMs() };
  }

  /** The line takes no more for now. */
  waits(): void {
    this.#waitsSinceMs ??= this.#clock.monotonicMs();
  }

  goesOn(): void {
    if (this.#waitsSinceMs === undefined) return;
    this.#waitedMs += this.#clock.monotonicMs() - this.#waitsSinceMs;
    this.#waitsSinceMs = undefined;
  }

  /** So many bytes have been written. */
  note(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < this.#judgeAt) return;
    const nowMs = this.#clock.monotonicMs();
    if (this.#waitsSinceMs !== undefined) {
      this.#waitedMs += nowMs - this.#waitsSinceMs;
      this.#waitsSinceMs = nowMs;
    }
    const tookMs = nowMs - this.#since.ms;
    const isQuick = tookMs < (QUICK_MS * (this.#bytes - this.#since.bytes)) / JUDGED_BYTES;
    const isSlowLine = this.#waitedMs > WAITED_SHARE * tookMs;
    this.level = isQuick && !isSlowLine ? STORED : FAST;
    this.#judgeAt = this.#bytes + JUDGED_BYTES;
    this.#since = { bytes: this.#bytes, ms: nowMs };
    this.#waitedMs = 0;
  }
}
