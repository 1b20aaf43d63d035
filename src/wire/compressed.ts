/**
 * A byte stream that travels compressed: raw deflate, level 1, one stream in each direction for as long as the connection lives, so
 * that mails which are like those before them cost little. What is written together (cork) is flushed together, and arrives whole.
 *
 * INVARIANT: what the other end compressed is never held beyond what its reader takes: it is unpacked piece by piece.
 */
import { Duplex } from "node:stream";
import { constants, createDeflateRaw, createInflateRaw } from "node:zlib";
import { wireError } from "./errors.js";

const PIECE_BYTES = 64 * 1024;

type Done = (error?: Error | null) => void;

/** `raw` is the new stream's from now on: it ends, fails and is destroyed with it. */
export function openCompressed(raw: Duplex): Duplex {
  const deflate = createDeflateRaw({ level: constants.Z_BEST_SPEED, chunkSize: PIECE_BYTES });
  // A stream that is cut gives what came before; the link says what is an orderly end.
  const inflate = createInflateRaw({ chunkSize: PIECE_BYTES, finishFlush: constants.Z_SYNC_FLUSH });
  const stream = new Duplex({
    allowHalfOpen: true,
    read: () => void inflate.resume(),
    writev(chunks, done) {
      for (const { chunk } of chunks) deflate.write(chunk as Buffer);
      flush(done);
    },
    write(chunk: Buffer, _encoding, done) {
      deflate.write(chunk);
      flush(done);
    },
    final: (done: Done) => void deflate.end(() => raw.end(done)),
    destroy(error, done) {
      for (const part of [deflate, inflate, raw]) part.destroy();
      done(error);
    },
  });
  const flush = (done: Done) => deflate.flush(constants.Z_SYNC_FLUSH, () => done());
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
  deflate.pipe(raw, { end: false });
  raw.on("data", (bytes: Buffer) => {
    if (!inflate.write(bytes)) raw.pause();
  });
  inflate.on("drain", () => void raw.resume());
  return stream;
}
