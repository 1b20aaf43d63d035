/**
 * What of a difference is on its way from a source to its replica, as the source's state tells: what was captured and is not applied there yet,
 * and what stands at the source and is not captured yet. A difference of which neither is so does not end by itself, nor does what is gone at
 * the source while deletions are held back.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Disposer } from "../../base/disposal.js";
import { BRAKE_KEY, isBraked } from "../../capture/deletion-brake.js";
import { decodeChunk, stateOfRecord } from "../../log/baseline-chunk.js";
import type { StateReader } from "../../log/state-ports.js";
import { openStateReader } from "../../log/state-reader.js";
import type { MailboxRow } from "../../log/state-types.js";
import type { MailboxGuid, Uid } from "../../maildir/ids.js";
import type { Finding, MailboxDifference } from "../../resync/differences.js";
import type { VerifyPorts } from "../../resync/verify-stores.js";
import { chunkOf } from "../../txn/chunks.js";
import { type MessageState, sameMarks } from "../../txn/message-state.js";
import type { Transaction } from "../../txn/transaction.js";
import { decodeTransaction } from "../../txn/transaction-codec.js";
import { isStateDirectoryHeld } from "../hold-state.js";
import { stateOf } from "./witnesses.js";

type UnderWay = NonNullable<VerifyPorts["underWay"]>;
type LogReader = Pick<StateReader, "snapshot" | "meta" | "cursor" | "entriesAfter" | "mailboxByGuid" | "chunk">;

/** Of the log, behind the replica's cursor: with more than that all of it counts as being on its way. */
const PENDING_BYTES_MAX = 16 * 1024 * 1024;
const PAGE_BYTES = 1024 * 1024;

/** What is captured of one mailbox and not applied yet. */
interface Pending {
  readonly uids: Set<Uid>;
  /** Of all of its messages. */
  isWhole: boolean;
}

/** Of what differs that which is on its way to that replica. Reads the log, all of one commit. Throws: state-corrupt. */
export function underWayTo(
  reader: LogReader,
  replica: string,
  differences: readonly MailboxDifference[],
): readonly MailboxDifference[] {
  return reader.snapshot(() => {
    const isHeld = isBraked(reader.meta(BRAKE_KEY));
    const guids = new Set(differences.flatMap(({ guid }) => guid ?? []));
    const pendingByGuid = readPending(reader, replica, guids);
    return differences.flatMap((difference): MailboxDifference[] => {
      const { guid, further } = difference;
      if (guid === undefined) return [];
      const pending = pendingByGuid === "too-much" ? WHOLE : pendingByGuid.get(guid);
      const recorded = new Recorded(reader, guid);
      const findings = difference.findings.filter(
        (finding) =>
          (pending !== undefined && isIn(pending, finding)) || !(recorded.has(finding) || (isHeld && isGone(finding))),
      );
      const isAny = findings.length > 0 || (pending !== undefined && further > 0);
      return isAny ? [{ ...difference, findings, further: pending === undefined ? 0 : further }] : [];
    });
  });
}

/** Of A and B between which a `sync --watch` runs; nothing is on its way where none does. `owner` closes what is opened. */
export function underWayBetween(a: string, b: string, state: string | undefined, owner: Disposer): UnderWay {
  let opened: Promise<StateReader | undefined> | undefined;
  return async (differences) => {
    const dir = await stateOf(a, b, state).catch(() => undefined); // it is no such pair.
    if (dir === undefined || !isStateDirectoryHeld(dir)) return [];
    opened ??= openLog(dir, owner);
    const reader = await opened;
    const [replica] = reader?.replicas() ?? [];
    return reader === undefined || replica === undefined ? [] : underWayTo(reader, replica.replica, differences);
  };
}

async function openLog(dir: string, owner: Disposer): Promise<StateReader | undefined> {
  const database = join(dir, "source.db");
  if (!existsSync(database)) return undefined;
  try {
    return owner.adopt(openStateReader(database));
  } catch {
    return undefined; // of another release, or no state that can be read: nobody knows then.
  }
}

const WHOLE: Pending = { uids: new Set(), isWhole: true };

function readPending(
  reader: LogReader,
  replica: string,
  guids: ReadonlySet<MailboxGuid>,
): ReadonlyMap<MailboxGuid, Pending> | "too-much" {
  const byGuid = new Map<MailboxGuid, Pending>();
  let bytes = 0;
  for (let after = reader.cursor(replica) ?? 0; ; ) {
    const entries = reader.entriesAfter(after, PAGE_BYTES);
    const last = entries.at(-1);
    if (last === undefined) return byGuid;
    after = last.lsn;
    for (const entry of entries) {
      bytes += entry.bytes.length;
      if (guids.has(entry.mailbox)) notePending(byGuid, decodeTransaction(entry.bytes));
    }
    if (bytes > PENDING_BYTES_MAX) return "too-much";
  }
}

function notePending(byGuid: Map<MailboxGuid, Pending>, { mailbox, structure, changes }: Transaction): void {
  const pending = byGuid.get(mailbox) ?? { uids: new Set(), isWhole: false };
  byGuid.set(mailbox, pending);
  pending.isWhole ||= structure !== undefined;
  for (const change of changes) {
    pending.uids.add("message" in change ? change.message.uid : change.uid);
    if (change.kind === "rebind") pending.uids.add(change.fromUid);
  }
}

function isIn({ uids, isWhole }: Pending, finding: Finding): boolean {
  return isWhole || !("uid" in finding) || uids.has(finding.uid);
}

/** At the source. */
function isGone(finding: Finding): boolean {
  return finding.kind === "only" ? finding.side === "b" : finding.kind === "message" && finding.a === undefined;
}

/** The messages of one mailbox in the baseline; asked for in ascending order, it decodes each chunk once. */
class Recorded {
  readonly #reader: LogReader;
  readonly #row: MailboxRow | undefined;
  #chunk: number | undefined;
  #stateByUid: ReadonlyMap<Uid, MessageState> = new Map();

  constructor(reader: LogReader, guid: MailboxGuid) {
    this.#reader = reader;
    this.#row = reader.mailboxByGuid(guid);
  }

  /** Whether the log has the source's side of that as it was seen there. */
  has(finding: Finding): boolean {
    switch (finding.kind) {
      case "only":
        return (this.#row !== undefined) === (finding.side === "a");
      case "path":
        return this.#row?.path === finding.a;
      case "uidvalidity":
        return this.#row?.uidValidity === finding.a;
      case "uidnext":
        return this.#row?.uidNext === finding.a;
      case "message":
        return isSame(this.#stateOf(finding.uid), finding.a);
      default:
        return true;
    }
  }

  #stateOf(uid: Uid): MessageState | undefined {
    const chunk = chunkOf(uid);
    if (this.#row !== undefined && chunk !== this.#chunk) {
      const bytes = this.#reader.chunk(this.#row.id, chunk);
      const records = bytes === undefined ? [] : decodeChunk(bytes, this.#row.keywords);
      this.#stateByUid = new Map(records.map((record) => [record.uid, stateOfRecord(record)]));
      this.#chunk = chunk;
    }
    return this.#stateByUid.get(uid);
  }
}

/** In what a change of the source is captured by: no size and no date is. */
function isSame(one: MessageState | undefined, other: MessageState | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.base === other.base && sameMarks(one, other);
}
