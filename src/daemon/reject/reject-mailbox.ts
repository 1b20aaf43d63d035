/** What is held back of one mailbox: into which mailbox of the source it comes back, and what becomes of each message. */
import type { Dir } from "../../base/disk.js";
import { errnoOf, MailtwinError } from "../../base/errors.js";
import { openBelow } from "../../base/open-below.js";
import { splitRaw } from "../../base/raw-name.js";
import { whyItFailed } from "../../base/system-error.js";
import type { BaselineRecord } from "../../log/state-types.js";
import { CUR, UIDLIST_FILE } from "../../maildir/mailbox-files.js";
import { readUidlistHeader } from "../../maildir/uidlist-ends.js";
import { BringBackInto, type BringBackPorts, backIn } from "./bring-back.js";
import type { CopiedMessage, HeldCopy, StoreCopy } from "./copies.js";
import type { HeldMail } from "./held-mail.js";
import { makeAnew, whyNotMade } from "./make-anew.js";

export interface MessageOutcome {
  readonly uid: number;
  readonly event: "restored" | "would-restore" | "already-restored" | "not-restored";
  /** Bytes-in-a-string. */
  readonly file?: string;
  readonly words?: string;
}

export interface RejectParts {
  /** The source's. */
  readonly root: Dir;
  readonly source: string;
  readonly copies: StoreCopy;
  readonly copy: HeldCopy;
  readonly dryRun: boolean;
}

type Target =
  /** `note`: what is to be said of it. */
  | { readonly kind: "standing"; readonly mailbox: Dir; readonly note: string | undefined }
  /** It is gone, and would be made anew. */
  | { readonly kind: "gone" }
  | { readonly kind: "refused"; readonly why: string };

const MADE_ANEW = "the mailbox is made anew";
const ANOTHER = "another mailbox stands in its place";

/** `tell` is called once for each message that is held. Throws: lock-held, system errors, what the copy throws: then not for all. */
export async function rejectMailbox(
  held: HeldMail,
  parts: RejectParts,
  ports: BringBackPorts,
  tell: (outcome: MessageOutcome) => void,
): Promise<void> {
  const target = targetOf(held, parts);
  try {
    const left = tellBack(held, target, ports, tell);
    if (target.kind === "refused") {
      for (const { uid } of left) tell({ uid, event: "not-restored", words: target.why });
      return;
    }
    if (left.length === 0) return;
    const whys = await parts.copy.whyLacking(left);
    const found = left.filter(({ uid }, index) => {
      const why = whys[index];
      if (why !== undefined) tell({ uid, event: "not-restored", words: why });
      return why === undefined;
    });
    if (found.length === 0) return;
    if (!parts.dryRun) return await bringBack(held, found, { ...parts, target }, ports, tell);
    const words = target.kind === "gone" ? MADE_ANEW : target.note;
    for (const { uid } of found) tell({ uid, event: "would-restore", ...noted(words) });
  } finally {
    if (target.kind === "standing" && target.mailbox !== parts.root) target.mailbox.close();
  }
}

/** Returns those that are not back yet. */
function tellBack(
  { row, records, back }: HeldMail,
  target: Target,
  { names }: BringBackPorts,
  tell: (outcome: MessageOutcome) => void,
): readonly BaselineRecord[] {
  const nameByUid = target.kind === "standing" ? backIn(target.mailbox, row.guid, names) : new Map<number, string>();
  return records.filter(({ uid }) => {
    const file = nameByUid.get(uid);
    if (file === undefined && !back.has(uid)) return true;
    tell({ uid, event: "already-restored", ...(file === undefined ? {} : { file }) });
    return false;
  });
}

async function bringBack(
  { row }: HeldMail,
  found: readonly BaselineRecord[],
  { target, root, copies, copy }: RejectParts & { readonly target: Exclude<Target, { readonly kind: "refused" }> },
  ports: BringBackPorts,
  tell: (outcome: MessageOutcome) => void,
): Promise<void> {
  const mailbox = target.kind === "standing" ? target.mailbox : await makeAnew(root, row, copies);
  try {
    const note = target.kind === "standing" ? target.note : noteOf(mailbox, row.guid);
    using into = new BringBackInto(mailbox, row.guid, ports);
    const lost = await into.useKeywords(new Set(found.flatMap(({ keywords }) => keywords)));
    const words =
      lost.length === 0 ? note : [note, "some keywords have no letter left there"].filter(Boolean).join("; ");
    try {
      for await (const copied of copy.files(found)) tell(putOne(into, copied, words));
    } finally {
      into.sync(); // what was told stays.
    }
  } finally {
    if (target.kind === "gone" && mailbox !== root) mailbox.close();
  }
}

/** What the system refuses of one message keeps no other one. */
function putOne(into: BringBackInto, { record, found }: CopiedMessage, words: string | undefined): MessageOutcome {
  const { uid } = record;
  if (found.kind === "lacking") return { uid, event: "not-restored", words: found.why };
  try {
    if (!into.put(record, found.file)) return { uid, event: "not-restored", words: "its file went from the copy" };
    return { uid, event: "restored", ...named(into.find(uid)), ...noted(words) };
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof MailtwinError)) throw error;
    return { uid, event: "not-restored", words: whyItFailed(error) };
  }
}

function targetOf({ row, isWhole }: HeldMail, { root, source, copies }: RejectParts): Target {
  const mailbox = openBelow(root, splitRaw(row.path));
  if (mailbox?.stat(CUR)?.kind === "directory" && mailbox.stat(UIDLIST_FILE) !== undefined) {
    const note = isWhole ? noteOf(mailbox, row.guid) : undefined;
    return { kind: "standing", mailbox, note };
  }
  const hasMail = mailbox?.stat(CUR) !== undefined;
  if (mailbox !== root) mailbox?.close();
  if (hasMail)
    return {
      kind: "refused",
      why: "a mailbox without a dovecot-uidlist stands in its place: open it once with a client",
    };
  if (!isWhole) return { kind: "refused", why: "its mailbox is not there any more" };
  const why = whyNotMade({ row, source, copies });
  return why === undefined ? { kind: "gone" } : { kind: "refused", why };
}

function noteOf(mailbox: Dir, guid: string): string {
  return readUidlistHeader(mailbox)?.guid === guid ? MADE_ANEW : ANOTHER;
}

function noted(words: string | undefined): { readonly words?: string } {
  return words === undefined ? {} : { words };
}

function named(file: string | undefined): { readonly file?: string } {
  return file === undefined ? {} : { file };
}
