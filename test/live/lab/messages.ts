/**
 * Makes RFC 5322 messages for live tests, the same bytes for the same seed and options.
 *
 * Lines end with CRLF, as they travel over IMAP and LMTP. The shapes cover what may differ between storing and
 * showing: plain ASCII, encoded headers, raw 8-bit bodies, nested parts, lines that begin with a dot or with "From ".
 */

export type MessageShape = "ascii" | "utf8-headers" | "8bit" | "multipart";

const SHAPES: readonly MessageShape[] = ["ascii", "utf8-headers", "8bit", "multipart"];
const WORDS = "mail twin lantern river copper seventeen hollow paper winter orchard signal amber ferry quiet".split(
  " ",
);
const WORDS_8BIT = ["Grüße", "œuvre", "naïve", "мир", "手紙", "žluťoučký", "λόγος", "été"];
const EPOCH_SECONDS = 1_700_000_000;

export interface MessageOptions {
  /** Decides all content; also part of Subject ("message <seed>") and Message-ID. */
  readonly seed: number;
  /** Default: one of the four, by the seed. */
  readonly shape?: MessageShape;
  /** The message has at least this many bytes, and at most about a line more (default 600). */
  readonly bytes?: number;
  readonly subject?: string;
}

/** One message. */
export function makeMessage(options: MessageOptions): Buffer {
  const random = mulberry32(options.seed);
  const shape = options.shape ?? SHAPES[options.seed % SHAPES.length] ?? "ascii";
  const bytesMin = options.bytes ?? 600;
  const subject = options.subject ?? `message ${options.seed}`;
  const boundary = `part-${options.seed}-boundary`;
  const head = Buffer.from(formatHead({ options, shape, subject, boundary }), "utf8");
  const close = shape === "multipart" ? Buffer.from(`--${boundary}--\r\n`) : Buffer.alloc(0);
  const parts = [head];
  let size = head.length + close.length;
  if (shape === "multipart") size += push(parts, formatAttachment(boundary, random));
  size += push(parts, ".a line that begins with a dot\r\n.\r\nFrom here it looks like an mbox\r\n\r\n");
  while (size < bytesMin) size += push(parts, `${makeLine(random, shape === "8bit")}\r\n`);
  return Buffer.concat([...parts, close]);
}

/** `count` messages with seeds `seed`, `seed + 1`, and so on. */
export function makeMessages(count: number, options: MessageOptions): readonly Buffer[] {
  return Array.from({ length: count }, (_, i) => makeMessage({ ...options, seed: options.seed + i }));
}

interface Head {
  readonly options: MessageOptions;
  readonly shape: MessageShape;
  readonly subject: string;
  readonly boundary: string;
}

function formatHead({ options, shape, subject, boundary }: Head): string {
  const { seed } = options;
  const encoded = shape === "utf8-headers";
  const name = WORDS_8BIT[seed % WORDS_8BIT.length] ?? "";
  const type =
    shape === "multipart"
      ? `multipart/mixed; boundary="${boundary}"`
      : `text/plain; charset=${shape === "8bit" || encoded ? "utf-8" : "us-ascii"}`;
  const lines = [
    "Return-Path: <sender@example.org>",
    `From: ${encoded ? encodedWord(name) : "Sender"} <sender${seed}@example.org>`,
    "To: Reader <reader@example.org>",
    `Subject: ${encoded ? encodedWord(`${subject} ${name}`) : subject}`,
    // Raw UTF-8 in a header (RFC 6532) is what many senders produce anyway.
    ...(encoded ? [`X-Raw: ${name} ${WORDS_8BIT[(seed + 3) % WORDS_8BIT.length]}`] : []),
    `Date: ${new Date((EPOCH_SECONDS + seed * 61) * 1000).toUTCString().replace("GMT", "+0000")}`,
    `Message-ID: <${seed}.live@example.org>`,
    "MIME-Version: 1.0",
    `Content-Type: ${type}`,
    `Content-Transfer-Encoding: ${shape === "8bit" || encoded ? "8bit" : "7bit"}`,
  ];
  const preamble = shape === "multipart" ? `--${boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n` : "";
  return `${lines.join("\r\n")}\r\n\r\n${preamble}`;
}

/** A base64 part; the text part that grows to the wanted size follows it. */
function formatAttachment(boundary: string, random: () => number): string {
  const content = Buffer.from(Array.from({ length: 57 }, () => Math.floor(random() * 256))).toString("base64");
  return (
    `an opening line\r\n--${boundary}\r\nContent-Type: application/octet-stream; name="a.bin"\r\n` +
    `Content-Transfer-Encoding: base64\r\n\r\n${content}\r\n--${boundary}\r\n` +
    "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
  );
}

function makeLine(random: () => number, with8bit: boolean): string {
  const pick = (words: readonly string[]): string => words[Math.floor(random() * words.length)] ?? "";
  return Array.from({ length: 9 }, () => pick(with8bit && random() < 0.5 ? WORDS_8BIT : WORDS)).join(" ");
}

function encodedWord(text: string): string {
  return `=?utf-8?B?${Buffer.from(text, "utf8").toString("base64")}?=`;
}

function push(parts: Buffer[], text: string): number {
  const bytes = Buffer.from(text, "utf8");
  parts.push(bytes);
  return bytes.length;
}

/** A small seeded generator, uniform in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
