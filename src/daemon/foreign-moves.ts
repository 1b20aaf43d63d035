/**
 * Has the destination move mail that is not the source's, mailbox by mailbox and batch by batch: to the limbo, aside, and back.
 *
 * What a mailbox refuses is that mailbox's matter: the others go on.
 */
import type { Asker } from "../agent/asker.js";
import { askFor } from "../agent/replica-pages.js";
import { MailtwinError } from "../base/errors.js";
import type { RawPath } from "../base/raw-name.js";
import type { MailboxRow } from "../log/state-types.js";
import type { Listed } from "../resync/first-contact.js";
import { followPutBack, type NextUidPorts } from "./next-uids.js";

const BASES_MAX = 5_000;

export type PutBackPorts = NextUidPorts & {
  readonly onRefused: (path: RawPath, error: MailtwinError) => void;
};

/**
 * Puts back all that was set aside of these mailboxes, now or before a crash, as new mail with UIDs above the source's, whose next UID
 * is raised to that. What a mailbox refuses stays aside. Returns whether all of it is back.
 */
export async function restoreAside(
  ports: PutBackPorts,
  mailboxes: Iterable<Pick<MailboxRow, "guid" | "path">>,
  signal: AbortSignal,
): Promise<boolean> {
  let isWhole = true;
  for (const { guid: mailbox, path } of mailboxes) {
    try {
      const question = { kind: "foreign", path, bases: [], action: "restore" } as const;
      const { messages } = await askFor(ports.asker, question, "foreign", signal);
      if (messages > 0) await followPutBack(ports, { mailbox, path }, signal);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      isWhole = false;
      ports.onRefused(path, error);
    }
  }
  return isWhole;
}

/** Also where somebody keeps the mailbox's lock: an owner can for as long as he likes. */
export function isRefusal(error: unknown): error is MailtwinError {
  return error instanceof MailtwinError && (error.code === "mailbox-rejected" || error.code === "replica-lock-held");
}

/** Returns how many messages were moved. */
export async function moveMail(
  asker: Asker,
  path: RawPath,
  all: Iterable<string>,
  action: "limbo" | "aside",
  signal: AbortSignal,
): Promise<number> {
  let moved = 0;
  for (const bases of inBatches(all)) {
    moved += (await askFor(asker, { kind: "foreign", path, bases, action }, "foreign", signal)).messages;
  }
  return moved;
}

export function* basesOf(messages: Listed): Generator<string> {
  for (const { base } of messages) yield base;
}

function* inBatches(bases: Iterable<string>): Generator<string[]> {
  let batch: string[] = [];
  for (const base of bases) {
    if (batch.push(base) < BASES_MAX) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
