/**
 * Delivers mail by LMTP (RFC 2033) over a unix socket, as a mail transfer agent does: a few sessions that stay open, one mail
 * after another in each, envelope in one piece (PIPELINING).
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { monotonicMs } from "../measure/clock.js";

export interface Lmtp extends AsyncDisposable {
  /** Hands over to the first session that is free; returns when its 250 came, in monotonic milliseconds. Rejects with a refusal. */
  readonly deliver: (message: Buffer) => Promise<number>;
}

const REPLY_MS_MAX = 120_000;

/** Opens `sessions` sessions to the socket at `path`, all for one recipient. */
export async function openLmtp(
  path: string,
  options: { readonly user: string; readonly sessions: number },
): Promise<Lmtp> {
  const { user, sessions } = options;
  const all = await Promise.all(Array.from({ length: sessions }, () => openSession(path)));
  const free = [...all];
  const waiting: ((session: Session) => void)[] = [];
  const take = async (): Promise<Session> => free.shift() ?? (await new Promise((resolve) => waiting.push(resolve)));
  const giveBack = (session: Session): void => {
    const next = waiting.shift();
    if (next === undefined) free.push(session);
    else next(session);
  };
  const deliver = async (message: Buffer): Promise<number> => {
    const session = await take();
    try {
      return await session.deliver(user, message);
    } finally {
      giveBack(session);
    }
  };
  const close = async (): Promise<void> => {
    for (const session of all) session.close();
  };
  return { deliver, [Symbol.asyncDispose]: close };
}

interface Session {
  readonly deliver: (user: string, message: Buffer) => Promise<number>;
  readonly close: () => void;
}

async function openSession(path: string): Promise<Session> {
  const socket = connect(path);
  socket.setTimeout(REPLY_MS_MAX);
  socket.once("timeout", () => socket.destroy(new Error(`LMTP: nothing was said for ${REPLY_MS_MAX / 1000} s`)));
  await once(socket, "connect");
  const replies = readReplies(socket);
  await expectReply(replies, "220", "greeting");
  socket.write("LHLO bench\r\n");
  await expectReply(replies, "250", "LHLO");
  const deliver = async (user: string, message: Buffer): Promise<number> => {
    const wire = formatWire(message); // dots and lines are no part of what is waited for.
    socket.write(`MAIL FROM:<sender@example.org>\r\nRCPT TO:<${user}>\r\nDATA\r\n`);
    await expectReply(replies, "250", "MAIL");
    await expectReply(replies, "250", `RCPT ${user}`);
    await expectReply(replies, "354", "DATA");
    socket.write(wire);
    await expectReply(replies, "250", `a message to ${user}`);
    return monotonicMs();
  };
  return { deliver, close: () => socket.destroy() };
}

/** The last line of each reply ("250 ", not "250-"). */
async function* readReplies(socket: Socket): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of socket) {
    const lines = (rest + String(chunk)).split("\r\n");
    rest = lines.pop() ?? "";
    yield* lines.filter((line) => !/^\d{3}-/.test(line));
  }
}

async function expectReply(replies: AsyncGenerator<string>, code: string, what: string): Promise<void> {
  const next = await replies.next();
  if (next.done === true) throw new Error(`LMTP ${what}: the connection was closed`);
  if (!next.value.startsWith(code)) throw new Error(`LMTP ${what}: ${next.value}`);
}

/** CRLF lines, a dot at the start of one doubled, and the dot that ends it all. Pure. */
export function formatWire(message: Buffer): Buffer {
  const text = message
    .toString("latin1")
    .replaceAll(/\r?\n/g, "\r\n")
    .replaceAll(/(^|\n)\./g, "$1..");
  return Buffer.from(`${text}${text.endsWith("\r\n") ? "" : "\r\n"}.\r\n`, "latin1");
}
