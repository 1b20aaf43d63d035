/**
 * The messages that live workloads deliver. No two are alike, so that none can be linked from a message that is there
 * already.
 */
import { composeMail } from "../generate/mail.js";
import { MailBuffer } from "../generate/mail-buffer.js";
import { makeProse } from "../generate/prose.js";
import { createRandom } from "../generate/random.js";
import { MAIL_BYTES_MAX, mailSizeSampler } from "../generate/shape.js";
import { unixMs } from "../measure/clock.js";

const MEAN_BYTES = 10_000;

/** `count` messages; another seed, other messages: an INBOX that was delivered to before has met its own. */
export function composeBodies(count: number, seed: number): Buffer[] {
  const prose = makeProse(seed);
  const buffer = new MailBuffer(MAIL_BYTES_MAX);
  const random = createRandom(seed, 0);
  const sizeOf = mailSizeSampler(MEAN_BYTES);
  const dateS = Math.floor(unixMs() / 1000);
  return Array.from({ length: count }, (_, index) => {
    composeMail({ seed, index, bytes: sizeOf(random), dateS, recipient: "user0001@example.net" }, prose, buffer);
    return Buffer.from(buffer.bytes());
  });
}
