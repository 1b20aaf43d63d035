/**
 * The source's next UIDs at a first contact: raised to where the destination is, before the first transaction is offered to it, and once
 * more where mail was put back (agent/next-uids.ts does it for one mailbox).
 */
import type { Asker } from "../agent/asker.js";
import { followNextUid, type NextUidClaim, type NextUidNews } from "../agent/next-uids.js";
import { askFor } from "../agent/replica-pages.js";
import type { SourceSide } from "../agent/source-side.js";
import { displayRaw } from "../base/raw-name.js";
import type { MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { SurveyedMailbox } from "../wire/messages.js";
import type { Reporter } from "./reporter.js";

const NOT_RAISED_HINT =
  "Nothing is lost by it: what is delivered to that mailbox of SRC next may be given a new UID there, as in a conflict. `mailtwin sync --resync` tries again.";

export interface NextUidPorts {
  readonly asker: Asker;
  readonly source: Pick<SourceSide, "pathOf" | "uidNextOf" | "raiseNextUid">;
  readonly onNextUid: (news: NextUidNews) => void;
}

/**
 * Where a mailbox of the destination has the numbering of the source's that it is, or is to become: what it has given out stays given.
 * `yielded`: of mailboxes whose mail has moved up since they were surveyed, by the GUID of the source's.
 */
export function claimsOf(
  standing: Iterable<SurveyedMailbox>,
  sourceOf: (mailbox: SurveyedMailbox) => MailboxRow | undefined,
  yielded: ReadonlyMap<MailboxGuid, number>,
): readonly NextUidClaim[] {
  const claims = new Map<MailboxGuid, NextUidClaim>();
  for (const mailbox of standing) {
    const source = sourceOf(mailbox);
    if (source === undefined || source.uidValidity !== mailbox.uidValidity) continue;
    const { guid, uidValidity } = source;
    const next = Math.max(mailbox.uidNext, yielded.get(guid) ?? 0, claims.get(guid)?.next ?? 0);
    claims.set(guid, { mailbox: guid, uidValidity, next });
  }
  return [...claims.values()];
}

export async function followAll(
  { source, onNextUid }: Omit<NextUidPorts, "asker">,
  claims: readonly NextUidClaim[],
  signal: AbortSignal,
): Promise<void> {
  for (const claim of claims) {
    const news = await followNextUid(source, claim, signal);
    if (news !== undefined) onNextUid(news);
  }
}

/** Mail was put back into that mailbox, above all that it had given out. Throws: the replica's own refusals. */
export async function followPutBack(
  ports: NextUidPorts,
  where: Pick<NextUidClaim, "mailbox"> & Pick<MailboxRow, "path">,
  signal: AbortSignal,
): Promise<void> {
  // How it stands, and no messages.
  const question = { kind: "tell-held", ...where, spans: [], looksOnly: true } as const;
  const { standing } = await askFor(ports.asker, question, "tell-held", signal);
  if (standing === undefined) return;
  const { uidValidity, uidNext: next } = standing;
  await followAll(ports, [{ mailbox: where.mailbox, uidValidity, next }], signal);
}

/** "problem": the mailbox is left to a person. */
export function tellNextUid(
  reporter: Pick<Reporter, "nextUidRaised" | "problem">,
  news: NextUidNews,
): "raised" | "problem" {
  const path = displayRaw(news.path);
  if (news.kind === "raised") {
    reporter.nextUidRaised({ path, from: news.from, to: news.to });
    return "raised";
  }
  const { code, words: message } = news.cause;
  reporter.problem({ path, code, message, hint: NOT_RAISED_HINT });
  return "problem";
}
