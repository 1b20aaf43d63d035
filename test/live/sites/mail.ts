/** Mail for the tests of the daemon: deliveries by the number, and flag changes one by one. */
import type { ImapFlow } from "imapflow";
import * as imap from "../lab/imap.js";
import type { Delivery } from "../lab/lmtp.js";
import { makeMessages } from "../lab/messages.js";

export interface MailOptions {
  readonly seed: number;
  readonly count: number;
  /** At least, of each. */
  readonly bytes?: number;
}

/** In turn for each user. */
export function mailFor(users: readonly string[], { seed, count, bytes = 600 }: MailOptions): readonly Delivery[] {
  return makeMessages(count, { seed, bytes }).map((message, i) => ({ user: users[i % users.length] ?? "", message }));
}

const FLAGS = ["\\Flagged", "later", "\\Answered", "\\Seen", "$Forwarded"] as const;
/** That many of them are taken away again. */
const PASSING = 2;

/** `count` STOREs, of one message and one flag each, over the UIDs 1 to `uidMax` of INBOX in turn: most set one, the last quarter takes some away. */
export async function changeFlags(
  session: ImapFlow,
  { count, uidMax }: { readonly count: number; readonly uidMax: number },
): Promise<void> {
  await imap.select(session, "INBOX");
  for (let i = 0; i < count; i++) {
    const round = Math.floor(i / uidMax);
    const isLate = i >= (count * 3) / 4;
    const flags = [FLAGS[round % (isLate ? PASSING : FLAGS.length)] ?? "\\Flagged"];
    await imap.store(session, [1 + (i % uidMax)], isLate ? { remove: flags } : { add: flags });
  }
}
