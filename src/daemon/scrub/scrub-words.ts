/** What the daemon says of bodies that differ, and need a person. Pure. */
import { type RawPath, ROOT_PATH } from "../../base/raw-name.js";
import type { MailboxGuid } from "../../maildir/ids.js";
import type { BodyVerdict } from "../../resync/judge-body.js";
import { countOf, mailboxName } from "../words.js";
import type { OpenBody } from "./scrub-state.js";

const NAMED_MAX = 5;

const WORDS_BY_BAD: Readonly<Record<OpenBody["bad"], string>> = {
  source: "its bytes at the source were changed, those on the replica are the right ones",
  replica: "its bytes on the replica were changed, and could not be replaced",
  both: "neither the source's bytes nor the replica's are those that were read first",
  unknown: "nothing tells which bytes are the right ones",
};

export function wordsOfOpen({ bad }: Pick<OpenBody, "bad">): string {
  return WORDS_BY_BAD[bad];
}

export function badOf({ kind }: BodyVerdict): OpenBody["bad"] | undefined {
  switch (kind) {
    case "source-bad":
      return "source";
    case "replica-bad":
      return "replica";
    case "both-bad":
      return "both";
    case "unknown":
      return "unknown";
    case "equal":
    case "changed-alike":
      return undefined;
  }
}

/** "What was being done, to what: why it failed", without a full stop. `pathOf`: undefined for a mailbox that is gone. */
export function wordsOfAll(
  open: readonly OpenBody[],
  further: number,
  pathOf: (guid: MailboxGuid) => RawPath | undefined,
): string {
  const named = open.slice(0, NAMED_MAX).map((it) => {
    return `UID ${it.uid} of ${mailboxName(pathOf(it.guid) ?? ROOT_PATH)} (${wordsOfOpen(it)})`;
  });
  const all = open.length + further;
  const more = all > named.length ? `, and ${countOf(all - named.length, "message")} more` : "";
  return `reading bodies again: ${countOf(all, "message")} differ${all === 1 ? "s" : ""} from the replica's: ${named.join(", ")}${more}`;
}
