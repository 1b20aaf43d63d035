/**
 * What can be told before any thread is started: whether there is anything to do at all, and whether the destination still
 * is what was written. A few `stat`s for each mailbox, none for a message.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../base/clock.js";
import { openNodeDisk } from "../base/disk-node.js";
import { MailtwinError } from "../base/errors.js";
import { displayRaw, rawFromText } from "../base/raw-name.js";
import { formatCount } from "../base/text-format.js";
import { discoverStore } from "../capture/discover-store.js";
import { planStructure } from "../capture/plan-structure.js";
import type { StateReader } from "../log/state-ports.js";
import { openStateReader } from "../log/state-reader.js";
import { daemonError } from "./errors.js";
import type { Places } from "./places.js";

export type Standing =
  /** The source is as the log covers it, and the destination has applied the log. */
  | { readonly kind: "at-rest"; readonly mailboxes: number; readonly messages: number }
  | { readonly kind: "work" }
  /** Mailboxes that were written are gone or have become others: the state no longer describes the destination. */
  | { readonly kind: "outdated"; readonly words: string };

const NAMED_MAX = 5;

/** Call it while holding the state directory's lock. Throws: destination-emptied, store-missing, the codes of the state database. */
export function readStanding(places: Places): Standing {
  const paths = ["source.db", "replica.db"].map((file) => join(places.state, file));
  const [sourcePath = "", replicaPath = ""] = paths;
  if (!paths.every((path) => existsSync(path))) return { kind: "work" };
  using source = openIfCurrent(sourcePath);
  using replica = openIfCurrent(replicaPath);
  if (source === undefined || replica === undefined) return { kind: "work" };
  const outdated = checkDestination(places.destination, replica);
  // Judged only when all is applied: what was cut off in the middle (a mailbox removed, that not yet recorded) comes again.
  if (!isShipped(source, replica)) return { kind: "work" };
  if (outdated !== undefined) return outdated;
  const rows = source.mailboxes();
  const { mailboxes, problems } = discover(places.source);
  const { examine, missing, duplicates } = planStructure(mailboxes, rows, []);
  if (examine.length + missing.length + duplicates.length + problems.length > 0) return { kind: "work" };
  return { kind: "at-rest", mailboxes: rows.length, messages: rows.reduce((sum, row) => sum + row.messages, 0) };
}

/** Undefined for an older version's, or one that a crash left half made: whoever opens it for writing brings it up to date. */
function openIfCurrent(path: string): (StateReader & Disposable) | undefined {
  try {
    return openStateReader(path);
  } catch (error) {
    if (error instanceof MailtwinError && error.code === "state-too-old") return undefined;
    throw error;
  }
}

function isShipped(source: StateReader, replica: StateReader): boolean {
  const applied = replica.appliedLsn(source.meta("log-id") ?? "");
  return (
    applied > 0 && applied === source.lastLsn() && replica.intents().length === 0 && source.rejections().length === 0
  );
}

function discover(store: string) {
  return discoverStore({ disk: openNodeDisk(), storeRoot: rawFromText(store) }, () => systemClock.nowMs());
}

/** Undefined when every mailbox that was written still stands there. */
function checkDestination(
  destination: string,
  replica: StateReader,
): Extract<Standing, { kind: "outdated" }> | undefined {
  const rows = replica.mailboxes();
  if (rows.length === 0) return undefined;
  const found = existsSync(destination) ? discover(destination).mailboxes : [];
  if (found.length === 0) {
    throw daemonError(
      "destination-emptied",
      `looking for the ${formatCount(rows.length)} mailboxes of ${destination}: there is none any more`,
    );
  }
  const validityByGuid = new Map(found.map(({ guid, uidValidity }) => [guid, uidValidity]));
  const gone = rows.filter((row) => validityByGuid.get(row.guid) !== row.uidValidity);
  if (gone.length === 0) return undefined;
  const named = gone.slice(0, NAMED_MAX).map(({ path }) => (path === "" ? "INBOX" : displayRaw(path)));
  const more = gone.length > NAMED_MAX ? `, and ${gone.length - NAMED_MAX} more` : "";
  return {
    kind: "outdated",
    words: `mailboxes of the destination are gone or were made anew (${named.join(", ")}${more}): comparing as at first contact`,
  };
}
