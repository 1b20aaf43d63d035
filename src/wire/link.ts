/**
 * The port of a link: two ends that exchange messages in order, whatever carries them.
 */
import type { WireMessage } from "./messages.js";

export interface Link {
  /** Resolves when the carrier has taken the message and has room for another. Throws "link-closed" once either end closed. */
  send(message: WireMessage, signal: AbortSignal): Promise<void>;
  /** Messages from the other end, in order; ends when the other end closes. To be read by one reader only. */
  messages(signal: AbortSignal): AsyncIterable<WireMessage>;
  /** Idempotent. The other end's `messages` ends after what was sent; what was not read yet on this end is dropped. */
  close(): void;
}
