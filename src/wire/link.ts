/**
 * The port of a link: two ends that exchange messages in order, whatever carries them.
 */
import type { WireFailure, WireMessage } from "./messages.js";

export interface Link {
  /** What both ends have said that they can (greeting.ts); undefined: both are of this build. */
  readonly capabilities?: ReadonlySet<string> | undefined;
  /** Resolves when the carrier has taken the message and has room for another. Throws "link-closed" once either end closed. */
  send(message: WireMessage, signal: AbortSignal): Promise<void>;
  /** Messages from the other end, in order; ends when the other end closes. To be read by one reader only. */
  messages(signal: AbortSignal): AsyncIterable<WireMessage>;
  /**
   * Idempotent. The other end's `messages` ends after what was sent; what was not read yet on this end is dropped. `why` is told to
   * another process as the last message ("farewell") if there is room for it: whoever holds both ends knows it.
   */
  close(why?: WireFailure): void;
}
