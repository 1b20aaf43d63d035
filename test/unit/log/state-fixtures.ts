/**
 * Rows and records for tests of the state database, and a state directory that goes away again.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHash } from "../../../src/base/hash.js";
import { isRawPath, type RawPath } from "../../../src/base/raw-name.js";
import { type BaselineSources, MailboxBaseline } from "../../../src/log/baseline.js";
import type { BaselineRecord, CaptureCommit, EffectCommit, MailboxRow } from "../../../src/log/state-types.js";
import { parseBaseName, parseMailboxGuid, parseUid, parseUidValidity } from "../../../src/maildir/ids.js";
import { StateDigester } from "../../../src/txn/digest.js";

export interface TempDir extends Disposable {
  readonly path: string;
}

export function tempDir(): TempDir {
  const path = mkdtempSync(join(tmpdir(), "mailtwin-state-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export const digester = new StateDigester(await openHash());

export function rawPath(text: string): RawPath {
  if (!isRawPath(text)) throw new Error(`not a path: ${text}`);
  return text;
}

/** A GUID that is different for each number. */
export function guid(n: number): MailboxRow["guid"] {
  return parseMailboxGuid(n.toString(16).padStart(32, "0"));
}

export function mailboxRow(id: number, more: Partial<MailboxRow> = {}): MailboxRow {
  return {
    id,
    guid: guid(id),
    path: rawPath(`user${id}/Maildir`),
    uidValidity: parseUidValidity(1_700_000_000 + id),
    uidNext: 1,
    headerExtra: "",
    keywords: [],
    fingerprint: "",
    messages: 0,
    ...more,
  };
}

export function record(uid: number, more: Partial<BaselineRecord> = {}): BaselineRecord {
  return {
    uid: parseUid(uid),
    base: parseBaseName(`17639.M${uid}P1.vm,S=${uid}`),
    info: ":2,S",
    keywords: [],
    size: uid,
    mtimeS: 1_763_913_000 + uid,
    fields: `S${uid} W${uid}`,
    ino: 7_000_000 + uid,
    ...more,
  };
}

export const NOTHING_CAPTURED: CaptureCommit = { mailboxes: [], removedMailboxIds: [], chunks: [], transactions: [] };
export const NO_EFFECT: EffectCommit = { mailboxes: [], removedMailboxIds: [], chunks: [], limbo: [] };

/** A commit that appends `count` log entries and nothing else. */
export function entries(count: number, bytes = Uint8Array.of(1, 2, 3)): CaptureCommit {
  const transactions = Array.from({ length: count }, () => ({ mailbox: guid(1), capturedMs: 5, bytes }));
  return { ...NOTHING_CAPTURED, transactions };
}

export const NO_ROWS: BaselineSources["reader"] = {
  chunk: () => undefined,
  looks: () => [],
  digests: () => [],
  mailboxByGuid: () => undefined,
};

export function newBaseline(row: MailboxRow, reader: BaselineSources["reader"] = NO_ROWS): MailboxBaseline {
  return new MailboxBaseline({ reader, digester }, row);
}
