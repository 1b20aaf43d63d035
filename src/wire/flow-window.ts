/**
 * How much may be on its way in one direction of a link, whatever the carrier would hold by itself. The reader gives back what it has
 * read; so a reader that is slow makes its sender wait, and holds a known number of bytes.
 *
 * INVARIANT: what is sent and not given back is at most `WINDOW_BYTES`, or a quarter of that and one message.
 */
import { PAYLOAD_BYTES_MAX, type Parcel } from "./message-codec.js";

export const WINDOW_BYTES = 4 * 1024 * 1024;
/** So that not even empty messages come in any number. */
const MESSAGE_BYTES_MIN = 4096;
/** Given back at once when so much has been read: a sender never waits for less. */
export const CREDIT_BYTES_MIN = WINDOW_BYTES / 4;

/** What a message takes of the window. */
export function costOf({ head, payloads }: Parcel): number {
  return MESSAGE_BYTES_MIN + payloads.reduce((sum, { length }) => sum + length, head.length);
}

/** The largest sum that a peer may have on its way which keeps to the rule. */
export const OUTSTANDING_BYTES_MAX = WINDOW_BYTES + 2 * PAYLOAD_BYTES_MAX + MESSAGE_BYTES_MIN;

export function mayFollow(outstandingBytes: number, cost: number): boolean {
  return outstandingBytes + cost <= WINDOW_BYTES || outstandingBytes < CREDIT_BYTES_MIN;
}
