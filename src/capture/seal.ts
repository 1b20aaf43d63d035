/**
 * From findings to transactions and the baseline that goes with them.
 *
 * INVARIANT: the next UID of a transaction is never above a record that is not sealed yet, for a replica that has passed
 * a UID cannot insert it any more (R6).
 */
import type { FileStat } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import type { MailboxBaseline } from "../log/baseline.js";
import { stateOfRecord } from "../log/baseline-chunk.js";
import type { BaselineRecord, MailboxRow } from "../log/state-types.js";
import type { UidlistHeader } from "../maildir/uidlist-header.js";
import { diffMessages } from "../txn/diff.js";
import { type FileOwner, type MessageState, sameOwner, sameRecordFields } from "../txn/message-state.js";
import { splitTransaction } from "../txn/split.js";
import type { BodyOrigin, Change, SaveChange, Structure, Transaction } from "../txn/transaction.js";
import type { CommitBuilder } from "./commit-builder.js";
import type { MarkedFinding, MarkedMessage } from "./settle-findings.js";

export interface SealRequest {
  readonly baseline: MailboxBaseline;
  readonly path: RawPath;
  readonly header: UidlistHeader;
  readonly findings: readonly MarkedFinding[];
  /** The first UID that later transactions may still save. */
  readonly uidNext: number;
  readonly structure: Structure | undefined;
  /** Of the mailbox directory: new files in it get the like. */
  readonly directory: FileStat;
  readonly fingerprint: string;
  readonly findOrigin: (message: MarkedMessage) => BodyOrigin | undefined;
  readonly nowMs: number;
}

export interface SealResult {
  readonly saves: readonly MarkedMessage[];
  readonly expunged: readonly BaselineRecord[];
  readonly changes: number;
}

/** Adds to the commit what the findings come to: maybe no transaction, and then maybe no row either. */
export function sealFindings(commit: CommitBuilder, request: SealRequest): SealResult {
  const { baseline, path, header, findings, structure, fingerprint } = request;
  const presentByUid = new Map(findings.flatMap(({ uid, now }) => (now === undefined ? [] : [[uid as number, now]])));
  const changes = diffMessages(statesBefore(findings), statesNow(findings));
  const saves = changes.flatMap((change) =>
    change.kind === "save" ? (presentByUid.get(change.message.uid) ?? []) : [],
  );
  const row: MailboxRow = { ...baseline.row, path, uidNext: request.uidNext, headerExtra: header.extra, fingerprint };
  const isNews = changes.length > 0 || structure !== undefined || differs(row, baseline.row);
  if (isNews) {
    const fileOwner = commonOwner(saves, request.directory);
    const transaction: Transaction = {
      mailbox: row.guid,
      path,
      uidValidity: row.uidValidity,
      uidNext: row.uidNext,
      headerExtra: row.headerExtra,
      fileOwner,
      ...(structure === undefined ? {} : { structure }),
      changes: changes.map((change) => withBody(change, presentByUid, fileOwner, request.findOrigin)),
      capturedMs: request.nowMs,
    };
    for (const part of splitTransaction(transaction)) commit.log(part);
  }
  if (isNews || findings.length > 0 || fingerprint !== baseline.row.fingerprint) moveBaseline(commit, request, row);
  const gone = changes.flatMap((change) => (change.kind === "expunge" ? [change.uid as number] : []));
  const goneUids = new Set(gone);
  const expunged = findings.flatMap(({ uid, before }) => (before !== undefined && goneUids.has(uid) ? [before] : []));
  return { saves, expunged, changes: changes.length };
}

function differs(row: MailboxRow, before: MailboxRow): boolean {
  return row.path !== before.path || row.uidNext !== before.uidNext || row.headerExtra !== before.headerExtra;
}

function moveBaseline(commit: CommitBuilder, { baseline, findings }: SealRequest, row: MailboxRow): void {
  const put = findings.flatMap(({ before, now }) => (now === undefined ? [] : [recordOf(now, before)]));
  const drop = findings.flatMap(({ uid, now }) => (now === undefined ? [uid] : []));
  const rows = baseline.edit({ put, drop });
  const { keywords, messages } = rows.row;
  commit.moveBaseline(baseline, rows, { ...row, keywords, messages });
}

function statesBefore(findings: readonly MarkedFinding[]): MessageState[] {
  return findings.flatMap(({ before }) => (before === undefined ? [] : [stateOfRecord(before)]));
}

function statesNow(findings: readonly MarkedFinding[]): MessageState[] {
  return findings.flatMap(({ before, now }) => {
    if (now === undefined) return [];
    const { uid, base, size, mtimeS, fields } = recordOf(now, before);
    return [{ uid, base, size, mtimeS, fields, ...now.marks }];
  });
}

/** A file keeps its size and date while it keeps its name. */
function recordOf(now: MarkedMessage, before: BaselineRecord | undefined): BaselineRecord {
  const { uid, base, info, stat, marks } = now;
  const same = before?.base === base ? before : undefined;
  return {
    uid,
    base,
    info,
    keywords: marks.keywords,
    size: same?.size ?? stat.size,
    mtimeS: same?.mtimeS ?? Math.floor(stat.mtimeMs / 1000),
    fields: same !== undefined && sameRecordFields(same.fields, now.fields) ? same.fields : now.fields,
    ino: stat.ino,
  };
}

function withBody(
  change: Change,
  presentByUid: ReadonlyMap<number, MarkedMessage>,
  fileOwner: FileOwner,
  findOrigin: SealRequest["findOrigin"],
): Change {
  const now = change.kind === "save" ? presentByUid.get(change.message.uid) : undefined;
  if (change.kind !== "save" || now === undefined) return change;
  const origin = findOrigin(now);
  const owner = ownerOfFile(now.stat);
  const save: SaveChange = { ...change, ...(origin === undefined ? {} : { origin }) };
  return sameOwner(owner, fileOwner) ? save : { ...save, owner };
}

/** That of the first file; without one, what Dovecot would give a file there. */
function commonOwner(saves: readonly MarkedMessage[], directory: FileStat): FileOwner {
  const [first] = saves;
  return first === undefined ? { ...ownerOf(directory), mode: directory.mode & 0o666 } : ownerOfFile(first.stat);
}

/** Without set-id bits: a message that somebody made a program of the group's is none on the replica. */
function ownerOfFile({ uid, gid, mode }: FileStat): FileOwner {
  return { uid, gid, mode: mode & 0o777 };
}

export function ownerOf({ uid, gid, mode }: FileStat): FileOwner {
  return { uid, gid, mode };
}
