/**
 * The bytes of a rewritten uidlist. What `maildir/` can say (drop and add) it says; this adds the one thing that only a
 * replica needs: a record that keeps its UID and its place while its base name or fields change, as Dovecot does when
 * it repairs a size in a file name.
 *
 * INVARIANT: UIDs ascend; a replaced record stands where the old one stood.
 */
import type { Uidlist } from "../maildir/uidlist.js";
import { formatUidlistHeader } from "../maildir/uidlist-header.js";
import { encodeRecords, formatRecord, planUidlistRewrite } from "../maildir/uidlist-write.js";
import type { ApplyStep } from "./mailbox-view.js";

export type UidlistRewriteStep = Extract<ApplyStep, { readonly kind: "rewrite-uidlist" }>;

/** In parts, some of them views into `uidlist`: write them before it is read again. */
export function uidlistParts(step: UidlistRewriteStep, uidlist: Uidlist | undefined): Uint8Array[] {
  const { header, drop, replace, add } = step;
  if (header.reset !== undefined || uidlist === undefined) return freshParts(step);
  const change = { nextUid: header.uidNext, extra: header.extra };
  const parts = planUidlistRewrite(uidlist, { header: change, drop, add });
  const [head] = parts;
  if (replace.size === 0 || head === undefined) return parts;
  return [head, ...keptParts(uidlist, step), encodeRecords(add, uidlist.lastUid)];
}

function freshParts({ header, add }: UidlistRewriteStep): Uint8Array[] {
  const { reset, uidNext, extra } = header;
  if (reset === undefined) throw new TypeError("a uidlist from nothing needs an identity");
  const head = formatUidlistHeader({ uidValidity: reset.uidValidity, guid: reset.guid, nextUid: uidNext, extra });
  return [Buffer.from(head, "latin1"), encodeRecords(add, 0)];
}

function keptParts(uidlist: Uidlist, { drop, replace }: UidlistRewriteStep): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let runStart = 0;
  const endRun = (index: number): void => {
    if (index > runStart) parts.push(rawRecords(uidlist, runStart, index));
    runStart = index + 1;
  };
  const touched = [...drop, ...replace.keys()].map((uid) => uidlist.indexOfUid(uid)).filter((index) => index >= 0);
  for (const index of touched.sort((a, b) => a - b)) {
    endRun(index);
    const record = replace.get(uidlist.uidAt(index));
    if (record !== undefined) parts.push(Buffer.from(formatRecord(record), "latin1"));
  }
  endRun(uidlist.count);
  return parts;
}

function rawRecords(uidlist: Uidlist, from: number, to: number): Uint8Array {
  if (uidlist.header.version === 3) return uidlist.rawRecords(from, to);
  let text = "";
  for (let index = from; index < to; index++) text += `${uidlist.uidAt(index)} :${uidlist.baseAt(index)}\n`;
  return Buffer.from(text, "latin1");
}
