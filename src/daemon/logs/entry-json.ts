/**
 * An entry of the log for machines: all that it says, and never a body, for there is none in the log. Names are shown as for people
 * (`displayRaw`: UTF-8 where they are that, other bytes as \xNN, and a backslash as two), so that each is one text and can be told from
 * every other. What the types say is in docs/formats.md, field by field: `test/unit/docs-json.test.ts` reads both.
 */
import { unreachable } from "../../base/assert.js";
import { displayRaw, type RawPath } from "../../base/raw-name.js";
import { flagWordsOf } from "../../txn/describe.js";
import type { MessageMarks, MessageState } from "../../txn/message-state.js";
import type { Change, Structure } from "../../txn/transaction.js";
import type { ReadEntry } from "./entry-reading.js";
import { shownTime } from "./shown.js";

export function jsonOf(entry: ReadEntry) {
  const { lsn, mailbox, capturedMs } = entry;
  const head = { lsn, captured: shownTime(capturedMs), capturedMs, mailbox };
  if ("problem" in entry) return { ...head, problem: entry.problem };
  const { path, uidValidity, uidNext, headerExtra, fileOwner, structure, changes } = entry.transaction;
  return {
    ...head,
    ...{ path: pathJson(path), uidValidity, uidNext, headerExtra: displayRaw(headerExtra), fileOwner },
    ...(structure === undefined ? {} : { structure: structureJson(structure) }),
    changes: changes.map(changeJson),
  };
}

function structureJson(structure: Structure) {
  return structure.kind === "rename" ? { ...structure, from: pathJson(structure.from) } : { ...structure };
}

function changeJson(change: Change) {
  switch (change.kind) {
    case "save": {
      const { kind, message, origin, owner } = change;
      return {
        ...{ kind, ...messageJson(message) },
        ...(origin === undefined ? {} : { origin: { ...origin, base: displayRaw(origin.base) } }),
        ...(owner === undefined ? {} : { owner }),
      };
    }
    case "marks": {
      const { kind, uid, base, before, after } = change;
      return { kind, uid, base: displayRaw(base), before: marksJson(before), after: marksJson(after) };
    }
    case "expunge":
      return { ...change, base: displayRaw(change.base) };
    case "rebind": {
      const { kind, fromUid, fromBase, message } = change;
      return { kind, fromUid, fromBase: displayRaw(fromBase), message: messageJson(message) };
    }
    default:
      return unreachable(change);
  }
}

function messageJson({ uid, base, size, mtimeS, fields, ...marks }: MessageState) {
  const date = shownTime(mtimeS * 1000);
  return { uid, base: displayRaw(base), size, date, mtimeS, fields: displayRaw(fields), ...marksJson(marks) };
}

function marksJson({ flags, keywords, odd, tail }: MessageMarks) {
  const other = { ...(odd === "" ? {} : { odd: displayRaw(odd) }), ...(tail === "" ? {} : { tail: displayRaw(tail) }) };
  return { flags: flagWordsOf(flags), keywords: keywords.map(displayRaw), ...other };
}

/** The store's own mailbox is "". */
function pathJson(path: RawPath): string {
  return displayRaw(path);
}
