/**
 * Delivers mail by LMTP (RFC 2033), over as many connections at once as a test wants.
 *
 * A minimal client of its own, because bursts of deliveries are what makes Dovecot store mail without a uidlist
 * record: each connection sends envelope and body with the least round trips (PIPELINING) and no pause between.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { DovecotSite } from "./dovecot.js";

const REPLY_MS_MAX = 60_000;

export interface Delivery {
  readonly user: string;
  /** CRLF lines, without dot-stuffing. */
  readonly message: Buffer;
}

/** Delivers one message; returns after Dovecot's 250. Throws with the reply when it is refused. */
export async function deliver(site: DovecotSite, user: string, message: Buffer): Promise<void> {
  await deliverAll(site, [{ user, message }], { connections: 1 });
}

/**
 * Delivers all, spread in turn over `connections` parallel sessions (default 1); each session keeps its order.
 * Returns after the last 250; throws with the first refusal.
 */
export async function deliverAll(
  site: DovecotSite,
  deliveries: readonly Delivery[],
  options: { readonly connections?: number } = {},
): Promise<void> {
  const connections = Math.min(options.connections ?? 1, Math.max(deliveries.length, 1));
  const lanes = Array.from({ length: connections }, (_, lane) => deliveries.filter((_, i) => i % connections === lane));
  await Promise.all(lanes.map((lane) => deliverInOrder(site, lane)));
}

async function deliverInOrder(site: DovecotSite, deliveries: readonly Delivery[]): Promise<void> {
  const socket = connect({ port: site.lmtpPort, host: "127.0.0.1", noDelay: true });
  socket.setTimeout(REPLY_MS_MAX, () =>
    socket.destroy(new Error(`${site.name}: LMTP: no reply for ${REPLY_MS_MAX} ms`)),
  );
  try {
    await once(socket, "connect");
    const replies = readReplies(socket);
    await expect(replies, "220", "greeting");
    socket.write("LHLO lab\r\n");
    await expect(replies, "250", "LHLO");
    for (const { user, message } of deliveries) {
      socket.write(`MAIL FROM:<sender@example.org>\r\nRCPT TO:<${user}>\r\nDATA\r\n`);
      await expect(replies, "250", "MAIL");
      await expect(replies, "250", `RCPT ${user}`);
      await expect(replies, "354", "DATA");
      socket.write(Buffer.concat([stuffDots(message), Buffer.from(".\r\n")]));
      await expect(replies, "250", `message to ${user}`);
    }
    socket.write("QUIT\r\n");
    await expect(replies, "221", "QUIT");
  } finally {
    socket.destroy();
  }
}

/** The last line of each reply ("250 ", not "250-"). Iterating the socket itself also passes its errors on. */
async function* readReplies(socket: Socket): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of socket) {
    const lines = (rest + String(chunk)).split("\r\n");
    rest = lines.pop() ?? "";
    yield* lines.filter((line) => !/^\d{3}-/.test(line));
  }
}

async function expect(replies: AsyncGenerator<string>, code: string, what: string): Promise<void> {
  const next = await replies.next();
  if (next.done === true) throw new Error(`LMTP ${what}: connection closed`);
  if (!next.value.startsWith(code)) throw new Error(`LMTP ${what}: ${next.value}`);
}

/** Doubles a dot at the start of a line and ends the last line, byte for byte otherwise (RFC 5321 4.5.2). */
function stuffDots(message: Buffer): Buffer {
  const text = message.toString("latin1").replace(/(^|\r\n)\./g, "$1..");
  return Buffer.from(text.endsWith("\r\n") ? text : `${text}\r\n`, "latin1");
}
