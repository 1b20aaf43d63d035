/**
 * Are the bytes of two message files the same? Both are read whole, in pieces, side by side; nothing is taken from metadata.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { nodePath } from "../../src/base/raw-name.js";

const PIECE_BYTES = 1 << 18;
const pieceA = Buffer.allocUnsafeSlow(PIECE_BYTES);
const pieceB = Buffer.allocUnsafeSlow(PIECE_BYTES);

/** Two files of one message; paths as bytes in strings. */
export interface BodyPair {
  readonly mailbox: string;
  readonly base: string;
  readonly pathA: string;
  readonly pathB: string;
  /** Inode of A's file, to read in about the order of the disk. */
  readonly ino: number;
}

/** Throws system errors. */
export function sameBytes(pathA: string, pathB: string): boolean {
  const fdA = openSync(nodePath(pathA), "r");
  try {
    const fdB = openSync(nodePath(pathB), "r");
    try {
      for (;;) {
        const countA = readFully(fdA, pieceA);
        const countB = readFully(fdB, pieceB);
        if (countA !== countB || pieceA.compare(pieceB, 0, countB, 0, countA) !== 0) return false;
        if (countA < PIECE_BYTES) return true;
      }
    } finally {
      closeSync(fdB);
    }
  } finally {
    closeSync(fdA);
  }
}

/** Fills the piece unless the file ends. */
function readFully(fd: number, piece: Buffer): number {
  let at = 0;
  while (at < PIECE_BYTES) {
    const count = readSync(fd, piece, at, PIECE_BYTES - at, null);
    if (count === 0) break;
    at += count;
  }
  return at;
}
