/**
 * Messages that differ in size or date although their names are the same: is it the source's own file that was changed, and may it be noted
 * anew? Pure.
 *
 * INVARIANT: another size is noted only where somebody says that the source's bytes are right: other bytes would take the place of those
 * that were replicated. A date alone takes nothing away.
 */
import type { BodyName } from "../log/known-bodies.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import type { Finding, MailboxDifference } from "./differences.js";

/** A message of the source whose file is to be looked at again: what of it may be noted anew. */
interface FileToLook {
  readonly uid: Uid;
  readonly notes: "all" | "date";
}

type LoggedSize = (mailbox: MailboxGuid, name: BodyName) => number | undefined;

/** The same findings; those whose file at the source does not have the size that its log has say so. */
export function withEdited(difference: MailboxDifference, loggedSize: LoggedSize): MailboxDifference {
  const { guid, findings } = difference;
  if (guid === undefined || !findings.some(isResized)) return difference;
  const isEdited = (it: Finding): boolean => {
    if (!isResized(it) || it.kind !== "message" || it.a === undefined) return false;
    const size = loggedSize(guid, it.a);
    return size !== undefined && size !== it.a.size;
  };
  return { ...difference, findings: findings.map((it) => (isEdited(it) ? { ...it, isEdited: true } : it)) };
}

/** One message, under one name, of two sizes. */
export function isResized(finding: Finding): boolean {
  if (finding.kind !== "message") return false;
  const { a, b } = finding;
  return a !== undefined && b !== undefined && a.base === b.base && a.size !== b.size;
}

/** Whether to compare its mailbox with what the source's log says may mend it; not where that is what the replica has, nor of bytes. */
export function isMendable(finding: Finding): boolean {
  return finding.kind !== "body" && (finding.kind !== "message" || finding.isEdited !== true);
}

/** By GUID what the source is to look at again, before its log is believed. */
export function filesToLook(
  differences: readonly MailboxDifference[],
  trustsSource: boolean,
): ReadonlyMap<MailboxGuid, readonly FileToLook[]> {
  const found = differences.flatMap(({ guid, findings }) => {
    const files = findings.flatMap((it) => toLook(it, trustsSource));
    return guid === undefined || files.length === 0 ? [] : [[guid, files] as const];
  });
  return new Map(found);
}

function toLook(finding: Finding, trustsSource: boolean): readonly FileToLook[] {
  if (finding.kind !== "message" || finding.a === undefined) return [];
  const { a, b, isEdited = false } = finding;
  if (trustsSource) return [{ uid: a.uid, notes: "all" }];
  const isDated = b?.base === a.base && a.mtimeS !== b.mtimeS;
  return isDated && !isEdited ? [{ uid: a.uid, notes: "date" }] : [];
}
