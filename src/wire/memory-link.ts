/**
 * The in-process link of a local twin: the same messages, encoded and decoded as on any carrier, without a socket. Payloads
 * are handed over by reference.
 *
 * INVARIANT: at most `MESSAGES_MAX` messages wait in a direction; `send` waits for room.
 */
import { BoundedQueue } from "../base/bounded-queue.js";
import { wireError } from "./errors.js";
import type { Link } from "./link.js";
import { decodeMessage, encodeMessage, type Parcel } from "./message-codec.js";

const MESSAGES_MAX = 16;

/** Leaving a queue takes no time, so nothing has to end it. */
const NEVER = new AbortController().signal;

/** Two connected ends. */
export function openMemoryLink(): { readonly source: Link; readonly replica: Link } {
  const down = new BoundedQueue<Parcel>(MESSAGES_MAX);
  const up = new BoundedQueue<Parcel>(MESSAGES_MAX);
  return { source: linkEnd(down, up), replica: linkEnd(up, down) };
}

function linkEnd(out: BoundedQueue<Parcel>, incoming: BoundedQueue<Parcel>): Link {
  let closed = false;
  return {
    async send(message, signal) {
      const taken = !closed && (await out.push(encodeMessage(message), signal));
      if (!taken) throw wireError("link-closed", "sending over the link: it is closed");
    },
    async *messages(signal) {
      for await (const parcel of incoming.drain(signal)) yield decodeMessage(parcel);
    },
    close() {
      if (closed) return;
      closed = true;
      out.close();
      void incoming.drain(NEVER)[Symbol.asyncIterator]().return?.(); // whoever waits for room must not wait for ever.
    },
  };
}
