/**
 * What the two ends say before there is a link: messages with their length in front, one at a time.
 *
 * ```
 * prefixed ::= length:u16be message
 * ```
 *
 * INVARIANT: nothing is allocated for a length before it is known to be within its limit, and no byte that follows is consumed.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../base/clock.js";
import { MailtwinError } from "../base/errors.js";
import { Deadline, HungUp, muteErrors, untilEvent, withDeadline } from "./carrier.js";

export interface MessagePorts {
  readonly stream: Duplex;
  readonly clock: Clock;
  /** For messages: whom this end talks with. */
  readonly peer: string;
}

/** Of a message that did not come. */
export interface NotCome {
  /** Because time is up. */
  readonly isLate: boolean;
  readonly why: string;
  readonly cause: unknown;
}

export function prefixed(message: Uint8Array): Uint8Array {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

const LENGTH_BYTES = 2;

/** Throws: what `tooLong` makes; `HungUp` when it ends before; the stream's error; the abort reason. */
export async function readPrefixed(
  stream: Duplex,
  { bytesMax, tooLong }: { readonly bytesMax: number; readonly tooLong: () => Error },
  signal: AbortSignal,
): Promise<Uint8Array> {
  const length = whole(await readBytes(stream, LENGTH_BYTES, signal), LENGTH_BYTES).readUInt16BE(0);
  if (length > bytesMax) throw tooLong();
  return length === 0 ? new Uint8Array(0) : whole(await readBytes(stream, length, signal), length);
}

/** What comes behind them stays in the stream. Fewer where the stream ended. Throws as `untilEvent` does. */
export async function readBytes(stream: Duplex, count: number, signal: AbortSignal): Promise<Buffer> {
  for (;;) {
    const bytes: Buffer | null = stream.read(count);
    if (bytes !== null) return bytes;
    if (stream.readableEnded) return Buffer.alloc(0);
    await untilEvent(stream, ["readable", "end"], signal);
  }
}

function whole(bytes: Buffer, count: number): Buffer {
  if (bytes.length < count) throw new HungUp();
  return bytes;
}

/**
 * Does what is done before there is a link. When that fails the stream is destroyed; nobody has to listen to its errors meanwhile.
 * `msMax`: how long it may take. `notCome` makes the error of what is none of ours.
 */
export async function beforeLink<T>(
  { stream, clock }: MessagePorts,
  { msMax, notCome }: { readonly msMax: number; readonly notCome: (it: NotCome) => Error },
  step: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  muteErrors(stream);
  try {
    return await withDeadline({ clock, ms: msMax }, step, signal);
  } catch (error) {
    stream.destroy();
    if (signal.aborted) throw signal.reason;
    if (error instanceof MailtwinError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw notCome({ isLate: error instanceof Deadline, why, cause: error });
  }
}
