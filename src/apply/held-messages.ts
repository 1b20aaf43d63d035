/**
 * What stands in a mailbox, and what was written there and is lost, as the source is told: each message with how it is held.
 *
 * INVARIANT: every message could stand in a transaction: what a file's name or a record says here and no transaction could is
 * left out of it, so that nobody's odd file ends a link.
 */
import { firstAbove } from "../base/ascending.js";
import type { MailboxBaseline } from "../log/baseline.js";
import { stateOfRecord } from "../log/baseline-chunk.js";
import { CHUNK_UIDS, chunkOf } from "../txn/chunks.js";
import { soundState } from "../txn/sound-state.js";
import type { HeldMessage, Span } from "./compare-types.js";
import { fileAt } from "./find-files.js";
import type { MailboxDirs } from "./mailbox-place.js";
import { type Reading, stateAt, uidsAfter } from "./reading.js";

/** Where the messages of a mailbox are read. */
export interface Sources {
  readonly dirs: MailboxDirs;
  readonly reading: Reading;
  /** What was written; undefined where that was nothing of what stands. */
  readonly baseline: MailboxBaseline | undefined;
  /** What was written there is not what stands: it has to be looked at before the next transaction. */
  readonly onDoubt: () => void;
}

/** The parts of these spans, which ascend, that lie in a chunk in which there is something, or was. In UIDs, ascending. */
export function* piecesOf({ reading: { uids }, baseline }: Sources, spans: readonly Span[]): Generator<Span, void> {
  const written = (baseline?.looks() ?? []).map(({ chunk }) => chunk);
  for (const { from, below } of spans) {
    for (let end = from; end < below; ) {
      const uid = uids[firstAbove(uids, end - 1)] ?? Number.POSITIVE_INFINITY;
      const chunk = Math.min(chunkOf(uid), written[firstAbove(written, chunkOf(end) - 1)] ?? Number.POSITIVE_INFINITY);
      const start = Math.max(end, chunk * CHUNK_UIDS);
      if (start >= below) break;
      end = Math.min(below, (chunk + 1) * CHUNK_UIDS);
      yield { from: start, below: end };
    }
  }
}

/** Of one piece, all in one chunk; ascending by UID. */
export function heldIn({ dirs, reading, baseline, onDoubt }: Sources, { from, below }: Span): HeldMessage[] {
  const records = (baseline?.records(chunkOf(from)) ?? []).filter(({ uid }) => uid >= from && uid < below);
  const written = new Map(records.map((record) => [record.uid, record]));
  const held: HeldMessage[] = [];
  for (const uid of uidsAfter(reading.uids, from - 1, below - from)) {
    if (uid >= below) break;
    const [state] = stateAt(dirs, reading, uid, true);
    const sound = state === undefined ? undefined : soundState(state);
    if (sound === undefined) continue;
    const isApplied = written.get(uid)?.base === sound.base;
    // Of two files of one base name it is not known which is the message's: it is saved again, or expunged, and the other one goes.
    const isLost = isApplied && hasSecond(dirs, reading, sound.base);
    if (isLost) onDoubt();
    held.push({ ...sound, held: isLost ? "lost" : isApplied ? "applied" : "foreign" });
    // Under a UID that has another message by now what is lost is no more than that.
    written.delete(uid);
  }
  for (const record of written.values()) held.push({ ...stateOfRecord(record), held: "lost" });
  return held.sort((a, b) => a.uid - b.uid);
}

function hasSecond(dirs: MailboxDirs, { secondOf }: Reading, base: string): boolean {
  const place = secondOf(base);
  return place !== undefined && fileAt(dirs, place) !== undefined;
}
