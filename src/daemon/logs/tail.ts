/** Which entries `log tail` shows, and how it follows a log that goes on, is trimmed, or begins anew. */
import type { Clock } from "../../base/clock.js";
import { MailtwinError } from "../../base/errors.js";
import type { StateReader } from "../../log/state-ports.js";
import { type LsnRange, type ReadEntry, readPages } from "./entry-reading.js";
import { inodeOf, openLog } from "./open-log.js";

/** How often a log is looked at that is followed. A look costs two reads of a row; SQLite tells nobody of what others write. */
const LOOK_MS = 250;
/** LSNs that are read at a time when entries are looked for from the end. */
const SPAN_LSNS = 500;

/** Says of an entry whether it is shown. */
export type IsMeant = (entry: ReadEntry) => boolean;

/** The last `count` entries that are meant (undefined: all are) begin there; lastLsn() + 1 if there are none. */
export function startOfTail(reader: StateReader, count: number, isMeant: IsMeant | undefined): number {
  const [firstLsn, lastLsn] = [reader.firstLsn(), reader.lastLsn()];
  if (isMeant === undefined) return Math.max(firstLsn, lastLsn + 1 - count);
  let [start, left] = [lastLsn + 1, count];
  for (let toLsn = lastLsn; toLsn >= firstLsn && left > 0; toLsn -= SPAN_LSNS) {
    const range = { fromLsn: Math.max(firstLsn, toLsn + 1 - SPAN_LSNS), toLsn };
    const found = lsnsOf(reader, range, isMeant).slice(-left);
    left -= found.length;
    start = found[0] ?? start;
  }
  return start;
}

function lsnsOf(reader: StateReader, range: LsnRange, isMeant: IsMeant): number[] {
  const lsns: number[] = [];
  for (const page of readPages(reader, range)) for (const entry of page) if (isMeant(entry)) lsns.push(entry.lsn);
  return lsns;
}

export interface Following {
  readonly path: string;
  readonly fromLsn: number;
  readonly clock: Pick<Clock, "sleep">;
  readonly show: (page: readonly ReadEntry[]) => Promise<void>;
  /** In words, about what is not shown. */
  readonly tell: (words: string) => void;
}

/** Shows what comes into the log until `signal` aborts, and then returns. */
export async function follow({ path, fromLsn, clock, show, tell }: Following, signal: AbortSignal): Promise<void> {
  let next = fromLsn;
  let log: OpenLog | undefined = openNow(path);
  try {
    while (!signal.aborted) {
      if (log !== undefined && inodeOf(path) !== log.inode) {
        log.reader[Symbol.dispose]();
        log = undefined;
        next = 1;
        tell("the log is another one now: it began anew");
      }
      log ??= openIfReady(path);
      if (log !== undefined) next = await showNew(log.reader, { next, show, tell });
      await clock.sleep(LOOK_MS, signal).catch(() => undefined);
    }
  } finally {
    log?.reader[Symbol.dispose]();
  }
}

interface OpenLog {
  readonly reader: StateReader;
  readonly inode: number | undefined;
}

function openNow(path: string): OpenLog {
  const inode = inodeOf(path); // first: another one that comes in between is noticed then.
  return { reader: openLog(path), inode };
}

/** A log that is just being made is waited for. */
function openIfReady(path: string): OpenLog | undefined {
  try {
    return openNow(path);
  } catch (error) {
    if (error instanceof MailtwinError && NOT_YET.has(error.code)) return undefined;
    throw error;
  }
}

const NOT_YET: ReadonlySet<string> = new Set(["log-missing", "state-too-old", "state-unreachable"]);

/** Returns the LSN that comes next. */
async function showNew(
  reader: StateReader,
  { next, show, tell }: Pick<Following, "show" | "tell"> & { readonly next: number },
): Promise<number> {
  const toLsn = reader.lastLsn();
  let expected = next;
  for (const page of readPages(reader, { fromLsn: next, toLsn })) {
    tellGap(expected, (page[0]?.lsn ?? expected) - 1, tell);
    await show(page);
    expected = (page.at(-1)?.lsn ?? expected) + 1;
  }
  tellGap(expected, toLsn, tell);
  return Math.max(next, toLsn + 1);
}

function tellGap(from: number, to: number, tell: (words: string) => void): void {
  if (to < from) return;
  const what =
    from === to
      ? `transaction ${from} was trimmed before it`
      : `transactions ${from} to ${to} were trimmed before they`;
  tell(`${what} could be shown`);
}
