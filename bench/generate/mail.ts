/**
 * One realistic mail of a wanted size: RFC 5322 header with trace fields, then plain text, text and HTML, or text and
 * attachments (base64 of pseudo-random bytes, some of them the same in many mails).
 *
 * INVARIANT: a function of (seed, mail index, wanted size); the size is met within 80 bytes when it is at least 1 kB.
 */
import type { MailBuffer } from "./mail-buffer.js";
import { makePhrase, type Paragraph } from "./prose.js";
import { createRandom, type Random } from "./random.js";

/** What a composer is given for one mail. */
export interface MailWish {
  readonly seed: number;
  /** Unique in the tree; the mail's own random stream. */
  readonly index: number;
  readonly bytes: number;
  /** Seconds since 1970 of the Date field. */
  readonly dateS: number;
  readonly recipient: string;
}

const MAIL_STREAM = 0x1_0000_0000;
const SHARED_STREAM = 0x2_0000_0000;
/** Attachments that many mails carry: one for each power of the square root of two from 24 kB to about 8 MB. */
const SHARED_BYTES = Array.from({ length: 18 }, (_, step) => Math.floor(24_000 * Math.SQRT2 ** step));
const SHARED_VARIANTS = 5;
/** Below this a mail has a short header (a local notification), so that a wanted kilobyte is a kilobyte. */
const SHORT_HEADER_BELOW = 2000;
const ATTACHMENT_BYTES_MIN = 16_000;

const FIRST = [
  "Anna",
  "Ben",
  "Carla",
  "David",
  "Elif",
  "Frank",
  "Greta",
  "Hugo",
  "Ines",
  "Jan",
  "Karin",
  "Lars",
  "Mia",
  "Noor",
];
const LAST = [
  "Meyer",
  "Novak",
  "Olsen",
  "Peters",
  "Quandt",
  "Rossi",
  "Schmidt",
  "Tanaka",
  "Ueda",
  "Vogel",
  "Weber",
  "Young",
];
const DOMAINS = ["example.org", "example.com", "example.net", "mail.example", "lists.example.org", "shop.example.com"];
const TYPES = ["application/pdf", "image/jpeg", "application/zip", "image/png", "application/octet-stream"];

/** Writes the mail into `out` (cleared first). */
export function composeMail(wish: MailWish, prose: readonly Paragraph[], out: MailBuffer): void {
  const random = createRandom(wish.seed, MAIL_STREAM + wish.index);
  out.clear();
  writeHeader(wish, random, out);
  if (wish.bytes >= ATTACHMENT_BYTES_MIN && random.chance(wish.bytes > 60_000 ? 0.97 : 0.5)) {
    writeWithAttachments(wish, random, prose, out);
  } else if (wish.bytes >= SHORT_HEADER_BELOW && random.chance(0.55)) writeAlternative(wish, random, prose, out);
  else writePlain(wish, random, prose, out);
}

function writeHeader(wish: MailWish, random: Random, out: MailBuffer): void {
  const first = random.pick(FIRST);
  const last = random.pick(LAST);
  const domain = random.pick(DOMAINS);
  const sender = `${first}.${last}@${domain}`.toLowerCase();
  const date = rfc5322Date(wish.dateS);
  const id = `${random.hex(8)}.${random.hex(6)}@${domain}`;
  if (wish.bytes >= SHORT_HEADER_BELOW) {
    out.text(`Return-Path: <${sender}>\nDelivered-To: ${wish.recipient}\n`);
    const relays = 1 + random.below(3);
    for (let relay = relays; relay > 0; relay--) {
      out.text(`Received: from mx${relay}.${domain} (mx${relay}.${domain} [192.0.2.${random.below(250)}])\n`);
      out.text(`\tby mx${relay - 1}.example.net (Postfix) with ESMTPS id ${random.hex(11).toUpperCase()}\n`);
      out.text(`\tfor <${wish.recipient}>; ${date}\n`);
    }
    if (random.chance(0.3)) writeSignature(domain, random, out);
    if (random.chance(0.4))
      out.text(`X-Spam-Status: No, score=-${random.below(4)}.${random.below(10)} required=5.0 tests=BAYES_00\n`);
  }
  out.text(`Date: ${date}\nFrom: ${first} ${last} <${sender}>\nTo: ${wish.recipient}\n`);
  const reply = random.chance(0.35);
  const subject = makePhrase(random, 2 + random.below(6));
  out.text(
    `Subject: ${reply ? "Re: " : ""}${random.chance(0.08) ? `=?UTF-8?Q?${subject.replaceAll(" ", "_")}_=C3=BC?=` : subject}\n`,
  );
  out.text(`Message-ID: <${id}>\n`);
  if (reply) out.text(`In-Reply-To: <${random.hex(8)}.${random.hex(6)}@example.net>\n`);
  out.text("MIME-Version: 1.0\n");
}

function writeSignature(domain: string, random: Random, out: MailBuffer): void {
  out.text(`DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=${domain}; s=k1;\n\th=date:from:to:subject;\n\tb=`);
  out.base64(random, 77);
  out.text("\t ");
  out.base64(random, 77);
}

function writePlain(wish: MailWish, random: Random, prose: readonly Paragraph[], out: MailBuffer): void {
  out.text("Content-Type: text/plain; charset=us-ascii\n\n");
  const quoteAfter = random.chance(0.5) ? 0.55 * wish.bytes : Number.POSITIVE_INFINITY;
  const said: Paragraph[] = [];
  while (out.length < wish.bytes) {
    if (out.length > quoteAfter && said.length > 0) out.appendCut(random.pick(said).quoted, wish.bytes - out.length);
    else {
      const paragraph = random.pick(prose);
      said.push(paragraph);
      out.appendCut(paragraph.text, wish.bytes - out.length);
    }
  }
}

function writeAlternative(wish: MailWish, random: Random, prose: readonly Paragraph[], out: MailBuffer): void {
  const boundary = `=_${random.hex(16)}`;
  out.text(
    `Content-Type: multipart/alternative; boundary="${boundary}"\n\n--${boundary}\nContent-Type: text/plain\n\n`,
  );
  const tail = `--${boundary}--\n`;
  const middle = `--${boundary}\nContent-Type: text/html\n\n<html><body>\n`;
  const end = wish.bytes - tail.length;
  const textEnd = out.length + (end - out.length) * 0.4;
  const said: Paragraph[] = [];
  while (out.length < textEnd) {
    const paragraph = random.pick(prose);
    said.push(paragraph);
    out.appendCut(paragraph.text, end - out.length);
  }
  out.text(middle);
  for (let at = 0; out.length < end; at++) out.appendCut((said[at] ?? random.pick(prose)).html, end - out.length);
  out.text(tail);
}

function writeWithAttachments(wish: MailWish, random: Random, prose: readonly Paragraph[], out: MailBuffer): void {
  const boundary = `=_${random.hex(16)}`;
  out.text(`Content-Type: multipart/mixed; boundary="${boundary}"\n\n--${boundary}\nContent-Type: text/plain\n\n`);
  const textEnd = out.length + 400 + random.below(3000);
  while (out.length < textEnd) out.append(random.pick(prose).text);
  const tail = `--${boundary}--\n`;
  const end = wish.bytes - tail.length;
  if (random.chance(0.2)) {
    // A shared attachment first; what is missing to the wanted size is one of this mail's own.
    const fitting = SHARED_BYTES.findLastIndex((bytes) => out.length + bytes + 1000 < end);
    if (fitting >= 0) {
      const shared = fitting * SHARED_VARIANTS + random.below(SHARED_VARIANTS);
      writeAttachmentHeader(boundary, `shared-${shared}`, TYPES[shared % TYPES.length] ?? "", out);
      out.base64(createRandom(wish.seed, SHARED_STREAM + shared), SHARED_BYTES[fitting] ?? 0);
    }
  }
  writeAttachmentHeader(boundary, makePhrase(random, 2), random.pick(TYPES), out);
  out.base64(random, Math.max(80, end - out.length));
  out.text(tail);
}

function writeAttachmentHeader(boundary: string, name: string, type: string, out: MailBuffer): void {
  out.text(`--${boundary}\nContent-Type: ${type}; name="${name}"\n`);
  out.text(`Content-Disposition: attachment; filename="${name}"\nContent-Transfer-Encoding: base64\n\n`);
}

function rfc5322Date(dateS: number): string {
  return new Date(dateS * 1000).toUTCString().replace("GMT", "+0000");
}
