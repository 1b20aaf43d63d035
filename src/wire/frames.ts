/**
 * Frames: how messages are told apart on a byte stream. The layout:
 *
 * ```
 * frame ::= crc:u32be kind:u8 number:u32be pieces:u16be (piece-bytes:u32be)* head piece*
 * kind  ::= 1 message   number = bytes of the head; head and pieces are the message
 *         | 2 credit    number = bytes of messages that were read: as many may follow
 *         | 3 alive     number = 0; says only that the other end is there
 *         | 4 end       number = 0; nothing follows, by the other end's will
 * ```
 *
 * The crc (CRC-32 as in zlib) is of all that follows it: a stream that a carrier garbles ends, it is not acted on. Only messages have
 * heads and pieces.
 *
 * INVARIANT: nothing is allocated for a length before it is known to be within its limit; for a frame that is announced, before it is there
 * (held-bytes.ts).
 * INVARIANT: the pieces of a frame share one buffer, which nothing else uses: it can be moved to another thread.
 */
import { crc32 as crcOf } from "node:zlib";
import { TRANSACTION_CHANGES_MAX } from "../txn/transaction.js";
import { wireError } from "./errors.js";
import { HeldBytes } from "./held-bytes.js";
import { HEAD_BYTES_MAX, PAYLOAD_BYTES_MAX, type Parcel } from "./message-codec.js";

/** A message has a body for each change of a transaction, at most. */
const PIECES_MAX = TRANSACTION_CHANGES_MAX;
const FIXED_BYTES = 11;
const CRC_BYTES = 4;
const KIND_BY_CODE = { 1: "message", 2: "credit", 3: "alive", 4: "end" } as const;
const CODE_BY_KIND = { message: 1, credit: 2, alive: 3, end: 4 } as const;

export type Frame =
  | { readonly kind: "message"; readonly parcel: Parcel }
  | { readonly kind: "credit"; readonly bytes: number }
  | { readonly kind: "alive" | "end" };

/** The frame's bytes, the pieces by reference. */
export function encodeFrame(frame: Frame): readonly Uint8Array[] {
  const { head, payloads } = frame.kind === "message" ? frame.parcel : NOTHING;
  const prefix = Buffer.alloc(FIXED_BYTES + 4 * payloads.length);
  prefix.writeUInt8(CODE_BY_KIND[frame.kind], 4);
  prefix.writeUInt32BE(frame.kind === "credit" ? frame.bytes : head.length, 5);
  prefix.writeUInt16BE(payloads.length, 9);
  for (const [i, { length }] of payloads.entries()) prefix.writeUInt32BE(length, FIXED_BYTES + 4 * i);
  let crc = crc32(prefix.subarray(CRC_BYTES));
  for (const bytes of [head, ...payloads]) crc = crc32(bytes, crc);
  prefix.writeUInt32BE(crc, 0);
  return [prefix, head, ...payloads];
}

/** What the first eleven bytes of a frame say. */
interface Fixed {
  readonly crc: number;
  readonly kind: Frame["kind"];
  readonly number: number;
  readonly pieces: number;
  /** Of what was read of the frame. */
  readonly crcSoFar: number;
}

interface Layout extends Fixed {
  readonly pieceBytes: readonly number[];
  readonly payloadBytes: number;
}

/** Puts frames together again from whatever pieces the stream comes in. */
export class FrameReader {
  readonly #held: HeldBytes;
  #fixed: Fixed | undefined;
  #layout: Layout | undefined;

  constructor(held: HeldBytes = new HeldBytes()) {
    this.#held = held;
  }

  /** A frame has begun, and has not ended yet. */
  get isInside(): boolean {
    return this.#fixed !== undefined || this.#held.length > 0;
  }

  /** The frames that end within these bytes. Throws: wire-invalid, after which it is not to be used. */
  read(bytes: Uint8Array): readonly Frame[] {
    this.#held.add(bytes);
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    this.#held.settle();
    return frames;
  }

  #next(): Frame | undefined {
    this.#fixed ??= this.#readFixed();
    if (this.#fixed === undefined) return undefined;
    this.#layout ??= this.#readLayout(this.#fixed);
    const layout = this.#layout;
    if (layout === undefined) return undefined;
    const headBytes = layout.kind === "message" ? layout.number : 0;
    if (this.#held.length < headBytes + layout.payloadBytes) return undefined;
    const head = this.#held.take(headBytes);
    const payload = this.#held.take(layout.payloadBytes);
    if (crc32(payload, crc32(head, layout.crcSoFar)) !== layout.crc) throw invalid("its checksum is wrong");
    this.#fixed = undefined;
    this.#layout = undefined;
    if (layout.kind === "message")
      return { kind: "message", parcel: { head, payloads: cut(payload, layout.pieceBytes) } };
    return layout.kind === "credit" ? { kind: "credit", bytes: layout.number } : { kind: layout.kind };
  }

  #readFixed(): Fixed | undefined {
    if (this.#held.length < FIXED_BYTES) return undefined;
    const bytes = Buffer.from(this.#held.take(FIXED_BYTES).buffer);
    const [crc, code, number, pieces] = [
      bytes.readUInt32BE(0),
      bytes.readUInt8(4),
      bytes.readUInt32BE(5),
      bytes.readUInt16BE(9),
    ];
    const kind = kindOf(code);
    if (kind !== "message" && pieces > 0) throw invalid("it has pieces, which only messages have");
    if (kind === "message" && number > HEAD_BYTES_MAX) throw invalid(`its head would have ${number} bytes`);
    if (pieces > PIECES_MAX) throw invalid(`it would have ${pieces} pieces`);
    return { crc, kind, number, pieces, crcSoFar: crc32(bytes.subarray(CRC_BYTES)) };
  }

  #readLayout(fixed: Fixed): Layout | undefined {
    const { pieces } = fixed;
    if (this.#held.length < 4 * pieces) return undefined;
    const bytes = Buffer.from(this.#held.take(4 * pieces).buffer);
    const pieceBytes = Array.from({ length: pieces }, (_, i) => bytes.readUInt32BE(4 * i));
    const payloadBytes = pieceBytes.reduce((sum, length) => sum + length, 0);
    if (payloadBytes > PAYLOAD_BYTES_MAX) throw invalid(`its pieces would have ${payloadBytes} bytes`);
    return { ...fixed, pieceBytes, payloadBytes, crcSoFar: crc32(bytes, fixed.crcSoFar) };
  }
}

/** zlib takes the address of no bytes for the wish to begin anew. */
function crc32(bytes: Uint8Array, before = 0): number {
  return bytes.length === 0 ? before : crcOf(bytes, before);
}

const NOTHING: Parcel = { head: new Uint8Array(0), payloads: [] };

function kindOf(code: number): Frame["kind"] {
  const kind = Object.hasOwn(KIND_BY_CODE, code) ? KIND_BY_CODE[code as keyof typeof KIND_BY_CODE] : undefined;
  if (kind === undefined) throw invalid(`its kind, ${code}, is not known here`);
  return kind;
}

function cut(payload: Uint8Array, lengths: readonly number[]): readonly Uint8Array[] {
  let offset = 0;
  return lengths.map((length) => {
    offset += length;
    return payload.subarray(offset - length, offset);
  });
}

function invalid(why: string) {
  return wireError("wire-invalid", `reading a frame of the other end: ${why}`);
}
