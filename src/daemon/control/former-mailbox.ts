/**
 * What became of a mailbox that is not there any more, as far as the log still tells.
 *
 * INVARIANT: bounded work: BYTES_MAX of the log for one question, newest first (log-backwards.ts).
 */
import { MailtwinError } from "../../base/errors.js";
import type { StateReader } from "../../log/state-ports.js";
import type { LogEntry } from "../../log/state-types.js";
import type { Transaction } from "../../txn/transaction.js";
import { decodeTransaction } from "../../txn/transaction-codec.js";
import { mailboxName } from "../words.js";
import { findMailboxes, isUserMissing, type MailboxWish, noSuchMailbox } from "./find-mailbox.js";
import { type LogReader, windowsBackwards } from "./log-backwards.js";

type FormerReader = LogReader & Pick<StateReader, "mailboxes" | "mailboxByGuid">;

/** Of all stores that are asked: every transaction has to be decoded. */
const BYTES_MAX = 16 * 1024 * 1024;
/** Decoded in one turn of the thread: some ten milliseconds. */
const WINDOW_BYTES = 256 * 1024;

interface Asking {
  /** As of `noSuchMailbox`. */
  readonly unasked?: string;
  /** Names that may be meant beside those of mailboxes that are there. */
  readonly alsoKnown?: Parameters<typeof noSuchMailbox>[0];
  readonly signal: AbortSignal;
}

/** What a command ends with that means no mailbox of any of these stores. Throws: the abort reason. */
export async function missingMailbox(
  readers: readonly FormerReader[],
  wish: MailboxWish,
  { unasked = "", alsoKnown = [], signal }: Asking,
): Promise<Error> {
  const rows = [...readers.flatMap((reader) => reader.mailboxes()), ...alsoKnown];
  let unread = "";
  if (wish.mailbox !== undefined && !isUserMissing(rows, wish))
    for (const reader of readers) {
      const found = await searchFormer(reader, wish, { bytesMax: BYTES_MAX / readers.length, signal });
      if (found.words !== undefined) return noSuchMailbox(rows, wish, { former: found.words, unasked });
      if (!found.isAll) unread = `; of the log what is older than LSN ${found.fromLsn} was not looked at`;
    }
  return noSuchMailbox(rows, wish, { unasked: `${unread}${unasked}` });
}

/** `words`: "alice/.Work was renamed to alice/.Arbeit by LSN 16", of the newest transaction that took the name away. */
async function searchFormer(
  reader: FormerReader,
  wish: MailboxWish,
  { bytesMax, signal }: { readonly bytesMax: number; readonly signal: AbortSignal },
) {
  const [firstLsn, lastLsn] = [reader.firstLsn(), reader.lastLsn()];
  // Of the mailboxes that are there, only whether there is a root tells how names are read.
  const root = reader.mailboxes().filter(({ path }) => path === "");
  let fromLsn = lastLsn + 1;
  const bounds = { bytesMax, windowBytes: WINDOW_BYTES };
  for await (const window of windowsBackwards(reader, { firstLsn, lastLsn, ...bounds }, signal)) {
    for (const entry of window.entries) {
      const transaction = decoded(entry);
      const left = transaction === undefined ? undefined : pathLeft(transaction);
      if (transaction === undefined || left === undefined) continue;
      if (!findMailboxes([...root, { path: left }], wish).some(({ path }) => path === left)) continue;
      return { words: wordsOf(reader, entry, transaction), fromLsn, isAll: true };
    }
    fromLsn = window.fromLsn;
  }
  return { words: undefined, fromLsn, isAll: fromLsn <= firstLsn };
}

/** One that this version cannot read keeps nobody from the others. */
function decoded({ bytes }: LogEntry): Transaction | undefined {
  try {
    return decodeTransaction(bytes);
  } catch (error) {
    if (!(error instanceof MailtwinError)) throw error;
    return undefined;
  }
}

/** Where there is no mailbox after that transaction, or another one. */
function pathLeft({ path, structure }: Transaction): Transaction["path"] | undefined {
  if (structure?.kind === "delete") return path;
  return structure?.kind === "rename" ? structure.from : undefined;
}

function wordsOf(reader: FormerReader, { lsn, mailbox }: LogEntry, { path, structure }: Transaction): string {
  if (structure?.kind !== "rename") return `${mailboxName(path)} was deleted by LSN ${lsn}`;
  const now = reader.mailboxByGuid(mailbox)?.path;
  const since = now === undefined ? ", which is gone too" : now === path ? "" : `, and is ${mailboxName(now)} now`;
  return `${mailboxName(structure.from)} was renamed to ${mailboxName(path)} by LSN ${lsn}${since}`;
}
