/**
 * Mails that carry a number of their own, so that a delivery is known again on a replica that gives it another file name.
 *
 * What became of them is read by the comparer's own reading of Maildir (equal/).
 */
import { closeSync, openSync, readSync } from "node:fs";
import { nodePath } from "../../src/base/raw-name.js";
import { type MessageReading, readMailbox } from "../equal/read-mailbox.js";

export interface NumberedMail extends MessageReading {
  readonly base: string;
  readonly uid: number | undefined;
}

const FIELD = "X-Bench-Delivery";
/** Dovecot's LMTP puts four lines in front. */
const HEAD_BYTES = 2048;

/** The message with its number as first field. */
export function numbered(message: Buffer, number: number): Buffer {
  return Buffer.concat([Buffer.from(`${FIELD}: ${number}\n`), message]);
}

/** The number in the head of a message; undefined for one that has none. Pure. */
export function numberIn(head: Buffer): number | undefined {
  const found = new RegExp(`^${FIELD}: (\\d+)\\r?$`, "m").exec(head.toString("latin1"))?.[1];
  return found === undefined ? undefined : Number(found);
}

/** The numbered mails of a mailbox at rest, by number; a replica may have several of one. `isNew` says which files are read. */
export function readNumberedMails(
  mailbox: string,
  isNew: (base: string) => boolean,
): ReadonlyMap<number, readonly NumberedMail[]> {
  const reading = readMailbox(mailbox);
  const mailsByNumber = new Map<number, NumberedMail[]>();
  for (const [base, message] of reading.messageByBase) {
    if (!isNew(base)) continue;
    const number = numberIn(headOf(`${mailbox}/${message.path}`));
    if (number === undefined) continue;
    const mail = { ...message, base, uid: reading.uidlist?.recordByBase.get(base)?.uid };
    const known = mailsByNumber.get(number);
    if (known === undefined) mailsByNumber.set(number, [mail]);
    else known.push(mail);
  }
  return mailsByNumber;
}

function headOf(path: string): Buffer {
  const fd = openSync(nodePath(path), "r");
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    return head.subarray(0, readSync(fd, head, 0, HEAD_BYTES, 0));
  } finally {
    closeSync(fd);
  }
}

/** What of the source's mails is not the same on the replica, in words; none when all is. Pure. */
export function whatIsNotKept(
  source: ReadonlyMap<number, readonly NumberedMail[]>,
  replica: ReadonlyMap<number, readonly NumberedMail[]>,
): readonly string[] {
  const counts = { missing: 0, twice: 0, "file name": 0, UID: 0, size: 0, date: 0 };
  for (const [number, [mail]] of source) {
    const [twin, ...more] = replica.get(number) ?? [];
    if (mail === undefined) continue;
    if (twin === undefined) {
      counts.missing += 1;
      continue;
    }
    if (more.length > 0) counts.twice += 1;
    if (twin.base !== mail.base) counts["file name"] += 1;
    if (twin.uid !== mail.uid) counts.UID += 1;
    if (twin.size !== mail.size) counts.size += 1;
    if (twin.mtimeS !== mail.mtimeS) counts.date += 1;
  }
  return Object.entries(counts).flatMap(([what, count]) =>
    count === 0 ? [] : [`${what}: ${count} of ${source.size}`],
  );
}
