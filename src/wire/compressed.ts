/**
 * A byte stream that travels compressed: raw deflate, one stream in each direction for as long as the connection lives, so that mails
 * which are like those before them cost little. What is written together (cork) is flushed together, and arrives whole.
 *
 * What comes first (a comparison, a day's changes) is compressed well. What is more than that is compressed where the line keeps it
 * waiting, and passed on as it is where the line is faster than the compressing would be.
 *
 * INVARIANT: the compressor is not destroyed while its level is being changed: Node would end the process for it.
 * INVARIANT: what the other end compressed is never held beyond what its reader takes: it is unpacked piece by piece.
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
  const pace = new Pace(() => clock.monotonicMs());
  const deflate = createDeflateRaw({ level: pace.level, chunkSize: PIECE_BYTES });
  // A stream that is cut gives what came before; the link says what is an orderly end.
  const inflate = createInflateRaw({ chunkSize: PIECE_BYTES, finishFlush: constants.Z_SYNC_FLUSH });
  let isChanging = false;
  const changeLevel = (done: Done): void => {
    isChanging = true;
    deflate.params(pace.level, constants.Z_DEFAULT_STRATEGY, () => {
      isChanging = false;
      if (stream.destroyed) deflate.destroy();
      done();
    });
  };
  const writeAll = (pieces: readonly Buffer[], done: Done): void => {
    for (const piece of pieces) deflate.write(piece);
    deflate.flush(constants.Z_SYNC_FLUSH, () => {
      const before = pace.level;
      pace.note(pieces.reduce((bytes, { length }) => bytes + length, 0));
      if (pace.level === before) done();
      else changeLevel(done);
    });
  };
  const stream = new Duplex({
    allowHalfOpen: true,
    read: () => void inflate.resume(),
    writev: (chunks, done) =>
      writeAll(
        chunks.map(({ chunk }) => chunk as Buffer),
        done,
      ),
    write: (chunk: Buffer, _encoding, done) => writeAll([chunk], done),
    final: (done: Done) => void deflate.end(() => raw.end(done)),
    destroy(error, done) {
      for (const part of isChanging ? [inflate, raw] : [deflate, inflate, raw]) part.destroy();
      if (isChanging) deflate.resume(); // what it has left goes nowhere.
      done(error);
    },
  });
  const fail = (error: Error) => void stream.destroy(error);
  inflate.on("data", (bytes: Buffer) => {
    if (!stream.push(bytes)) inflate.pause();
  });
  inflate.on("end", () => void stream.push(null));
  inflate.on("error", (cause: Error) => {
    fail(wireError("wire-invalid", `unpacking what the other end sends: ${cause.message}`, cause));
  });
  deflate.on("error", fail);
  raw.on("error", fail);
  raw.on("end", () => void inflate.end());
  raw.on("close", () => {
    if (!raw.readableEnded) stream.destroy(); // else what is unpacked still comes.
  });
  deflate.on("data", (bytes: Buffer) => {
    if (stream.destroyed || raw.write(bytes)) return;
    pace.waits();
    deflate.pause();
  });
  raw.on("drain", () => {
    pace.goesOn();
    deflate.resume();
  });
  raw.on("data", (bytes: Buffer) => {
    if (!inflate.write(bytes)) raw.pause();
  });
  inflate.on("drain", () => void raw.resume());
  return stream;
}

/** As much of a stream is compressed well whatever the line. */
const WELL_BYTES = 4 * 1024 * 1024;
/** How often it is judged afterwards. */
const JUDGED_BYTES = 1024 * 1024;
/** Of the time in which so much was written, that the line kept it waiting: more, and compressing is worth its time. */
const WAITED_SHARE = 0.5;

/** How hard to compress: by how much there was so far, and by what of the time it waited for the line. */
class Pace {
  level: number = WELL;
  readonly #nowMs: () => number;
  #bytes = 0;
  #judgeAt = WELL_BYTES;
  #sinceMs: number;
  #waitedMs = 0;
  #waitsSinceMs: number | undefined;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#sinceMs = nowMs();
  }

  /** The line takes no more for now. */
  waits(): void {
    this.#waitsSinceMs ??= this.#nowMs();
  }

  goesOn(): void {
    if (this.#waitsSinceMs !== undefined) this.#waitedMs += this.#nowMs() - this.#waitsSinceMs;
    this.#waitsSinceMs = undefined;
  }

  /** So many bytes have been written. */
  note(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < this.#judgeAt) return;
    const nowMs = this.#nowMs();
    const isSlowLine = this.#waitedMs > WAITED_SHARE * (nowMs - this.#sinceMs);
    this.level = isSlowLine ? FAST : STORED;
    this.#judgeAt = this.#bytes + JUDGED_BYTES;
    this.#sinceMs = nowMs;
    this.#waitedMs = 0;
  }
}
