/**
 * The log of the daemon: one JSON object a line, with a stable event name, its case in fields; never the content, addresses or flags
 * of mail. What each event's level is, is decided here once: error = a person must act, warn = degraded and tried again,
 * info = life cycle, debug = each transaction.
 */
import { pino } from "pino";
import type { NextUidNews } from "../../agent/next-uids.js";
import { recordOfError } from "../../base/errors.js";
import { displayRaw } from "../../base/raw-name.js";
import type { LogLevel } from "../log-reporter.js";
import type { RenumberedReport } from "../reporter.js";
import type { Purged } from "../undelete/purge.js";
import { wordsOfRenumbered } from "../words.js";
import { hintInDaemon } from "./daemon-hints.js";

export const EVENTS = {
  "daemon-started": "info",
  "daemon-stopping": "info",
  "daemon-stopped": "info",
  "daemon-failed": "error",
  "config-reloaded": "info",
  "config-refused": "error",
  "status-asked": "info",
  defect: "error",
  listening: "info",
  "listening-failed": "error",
  "link-refused": "warn",
  "links-refused-unsaid": "warn",
  "peer-crowds": "warn",
  "peer-needs-you": "error",
  "store-opened": "info",
  "role-changed": "warn",
  "store-failed": "warn",
  "store-needs-you": "error",
  "store-captured": "info",
  "watch-refused": "warn",
  "mailbox-problem": "warn",
  "mailbox-needs-you": "error",
  "mailbox-well": "info",
  "replica-state": "info",
  "replica-gone": "info",
  "replica-failed": "warn",
  "replica-needs-you": "error",
  "replica-first-contact": "info",
  "replica-stalled": "error",
  "replica-needs-resync": "warn",
  "replica-compared": "info",
  "mailbox-compared": "info",
  "place-cleared": "warn",
  "mailbox-renumbered": "warn",
  "resync-ended": "info",
  "transaction-shipped": "debug",
  "mailbox-locked": "warn",
  "transaction-rejected": "error",
  "transaction-rejected-again": "warn",
  "rejection-over": "info",
  "conflict-resolved": "warn",
  "next-uid-raised": "info",
  "foreign-kept": "warn",
  "limbo-purged": "info",
  "limbo-not-purged": "warn",
  "body-repaired": "warn",
  "body-differs": "error",
  "body-well": "info",
  "body-changed-alike": "warn",
  "scrub-ended": "info",
  "scrub-delayed": "warn",
  "source-connected": "info",
  "source-gone": "info",
} as const satisfies Record<string, LogLevel>;

export type EventName = keyof typeof EVENTS;
export type Fields = Readonly<Record<string, unknown>>;

export interface EventLog {
  write(event: EventName, fields?: Fields): void;
  /** The same log, with these fields in each line. */
  child(fields: Fields): EventLog;
}

/** `write` gets it line by line. */
export function openEventLog(level: LogLevel, write: (line: string) => void): EventLog {
  return wrap(pino({ name: "mailtwin", level }, { write }));
}

interface Sink {
  child(fields: Fields): Sink;
  error(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
  info(fields: Fields, message: string): void;
  debug(fields: Fields, message: string): void;
}

function wrap(sink: Sink): EventLog {
  return {
    write: (event, fields = {}) => sink[EVENTS[event]](fields, event),
    child: (fields) => wrap(sink.child(fields)),
  };
}

export function logRenumbered(log: EventLog, { path: mailbox, ...rest }: RenumberedReport): void {
  const words = wordsOfRenumbered({ path: mailbox, ...rest });
  log.write("mailbox-renumbered", { mailbox, ...rest, words });
}

export function logNextUid(log: EventLog, news: NextUidNews): void {
  const mailbox = displayRaw(news.path);
  if (news.kind === "raised") log.write("next-uid-raised", { mailbox, from: news.from, to: news.to });
  else log.write("mailbox-problem", { mailbox, code: news.cause.code, message: news.cause.words });
}

/** Nothing where nothing went. */
export function logPurged(log: EventLog, { messages, mailboxes, bytes, failed }: Purged): void {
  if (messages + mailboxes > 0) log.write("limbo-purged", { messages, mailboxes, bytes });
  if (failed !== undefined) log.write("limbo-not-purged", { message: failed });
}

/** What of an error belongs into a line. */
export function fieldsOfError(error: unknown): Fields {
  const { code, message, hint, disposition } = recordOfError(error);
  const stack = disposition === "bug" && error instanceof Error ? { stack: error.stack } : {};
  return { code, message, hint: hintInDaemon(code, hint), ...stack };
}
