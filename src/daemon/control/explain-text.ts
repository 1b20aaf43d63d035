/** What was found of a message, as people read it. Pure. */
import { unreachable } from "../../base/assert.js";
import { formatBytes } from "../../base/text-format.js";
import { onOneLine } from "../config/problem.js";
import { shownNumber } from "../logs/shown.js";
import { type Acknowledgement, type ExplainedMessage, type Explanation, isKnown } from "./explain.js";

/** Ends with a line break. */
export function formatExplanation(explanation: Explanation): string {
  const { store, mailbox, uid, uidValidity, guid, message, transactions, replicas } = explanation;
  const lines = [
    `UID ${uid} of ${mailbox}, store ${store} (UIDVALIDITY ${uidValidity}, GUID ${guid})`,
    `  ${wordsOfMessage(message, explanation)}`,
  ];
  if (message.kind !== "not-yet") {
    lines.push("  log, newest first:");
    for (const { lsn, capturedMs, words, origin } of transactions) {
      const whence = origin === undefined ? "" : `, from ${origin}`;
      lines.push(`    LSN ${lsn}, captured ${shownTime(capturedMs)}: ${words}${whence}`);
    }
    lines.push(`    ${wordsOfRest(explanation)}`);
    if (isKnown(explanation) || replicas.length > 0)
      lines.push(
        "  replicas:",
        ...(replicas.length === 0 ? ["    none"] : replicas.map((it) => `    ${wordsOfReplica(it)}`)),
      );
  }
  return `${lines.map(onOneLine).join("\n")}\n`;
}

function wordsOfMessage(message: ExplainedMessage, { uidNext, transactions }: Explanation): string {
  switch (message.kind) {
    case "there": {
      const { baseName, sizeBytes, internalDateMs, marks } = message;
      return `there: ${baseName}, ${formatBytes(sizeBytes)}, INTERNALDATE ${shownTime(internalDateMs)}, ${marks === "" ? "no flags" : marks}`;
    }
    case "gone":
      return transactions.length > 0
        ? "not there any more"
        : `no message with that UID is known: it was expunged, or the UID was never given out (the next one is ${uidNext})`;
    case "not-yet":
      return `no message with that UID is known: it has not been given out yet (the next one is ${uidNext})`;
    default:
      return unreachable(message);
  }
}

function wordsOfRest({ transactions, log }: Explanation): string {
  const { firstLsn, lastLsn, searchedFromLsn } = log;
  const no = transactions.length === 0 ? "nothing" : "nothing older";
  if (firstLsn > lastLsn) return `${no}: the log is empty, as every replica has all of it`;
  if (searchedFromLsn > firstLsn) return `${no} from LSN ${searchedFromLsn} on; what is older was not looked at`;
  return `${no} that is in the log (LSN ${firstLsn} to ${lastLsn})`;
}

function wordsOfReplica({ name, cursor, state, refused, why }: Acknowledgement): string {
  const at = `cursor ${cursor}`;
  switch (state) {
    case "acknowledged":
      return `${name}: has acknowledged it (${at})`;
    case "refused":
      return `${name}: has refused ${wordsOfRefused(refused?.lsn)} (${refused?.code ?? "?"}): ${refused?.message ?? ""}`;
    case "partly":
      return `${name}: has acknowledged some of it, not the newest (${at})`;
    case "not-yet":
      return `${name}: has not acknowledged it yet (${at})`;
    case "to-compare":
      return `${name}: not known until it is compared (${at}): ${why ?? "?"}`;
    case "no-right":
      return `${name}: may not have it (${why ?? "?"})`;
    case "unknown":
      return `${name}: not known (${at}): what would tell is not in the log`;
    default:
      return unreachable(state);
  }
}

/** Below 1: what was refused is no transaction. */
function wordsOfRefused(lsn: number | undefined): string {
  if (lsn === undefined) return "LSN ?";
  return lsn < 0 ? `comparison ${shownNumber(lsn)}` : `LSN ${lsn}`;
}

function shownTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? "at no known time" : date.toISOString();
}
