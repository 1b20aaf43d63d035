/**
 * How a mailbox stands here, page by page, for a source that compares it with its own: where it is, what stands in it, and of
 * that what was written by replication. Writes nothing.
 *
 * INVARIANT: pages ascend by UID, and each ends where the limits say; a page that is not the last has at least one message.
 * INVARIANT: every message could stand in a transaction: what a file's name or a record says here and no transaction could is
 * left out of it, so that nobody's odd file ends a link.
 */
import type { Dir } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import type { MailboxBaseline } from "../log/baseline.js";
import { stateOfRecord } from "../log/baseline-chunk.js";
import type { MailboxRow } from "../log/state-types.js";
import { type MailboxGuid, UID_MAX, type Uid } from "../maildir/ids.js";
import { CHUNK_UIDS, chunkOf } from "../txn/chunks.js";
import type { MessageState } from "../txn/message-state.js";
import { soundState } from "../txn/sound-state.js";
import type { CompareOutcome, CompareRequest, HeldMessage } from "./apply-types.js";
import { locateAnywhere } from "./astray.js";
import { fileAt } from "./find-files.js";
import { closeBelow, type Located } from "./locate.js";
import type { KnownMailbox } from "./mailbox-cache.js";
import { MailboxDirs } from "./mailbox-place.js";
import { guidAt } from "./parking.js";
import { type Reading, readMailbox, sizeAt, stateAt, uidsAfter } from "./reading.js";
import { refusing } from "./refusing.js";
import type { StoreContext } from "./store-context.js";

/** Of a page, by what its messages say of themselves. */
const PAGE_BYTES_MAX = 2 * 1024 * 1024;
/** Large mailboxes that are read at a time, each from one listing. */
const READINGS_MAX = 2;

type Page = Pick<Extract<CompareOutcome, { kind: "read" }>, "messages" | "more" | "unnumbered">;

export class ComparePages {
  readonly #context: StoreContext;
  /** Of mailboxes that have more pages. The latest last. */
  readonly #readings = new Map<MailboxGuid, Reading>();

  constructor(context: StoreContext) {
    this.#context = context;
  }

  /** What the system refuses in this mailbox is its divergence. */
  read(root: Dir, request: CompareRequest): CompareOutcome {
    return refusing({ mailbox: request.mailbox, path: request.path }, () => this.#read(root, request));
  }

  #read(root: Dir, request: CompareRequest): CompareOutcome {
    const { mailbox, path } = request;
    const { cache, whereabouts } = this.#context;
    const known = cache.get(mailbox);
    const row = known.baseline?.row;
    const located = locateAnywhere(whereabouts, root, known, { mailbox, path });
    if (located.kind === "diverged") return located;
    const written = row === undefined ? {} : { written: writtenOf(row) };
    if (located.kind === "absent")
      return { kind: "read", ...written, ...occupantAt(root, path), messages: [], more: false };
    try {
      return this.#readFound(root, request, { known, located, written });
    } finally {
      closeBelow(root, located.dir);
    }
  }

  #readFound(
    root: Dir,
    request: CompareRequest,
    {
      known,
      located,
      written,
    }: {
      readonly known: KnownMailbox;
      readonly located: Extract<Located, { kind: "found" }>;
      readonly written: Pick<Extract<CompareOutcome, { kind: "read" }>, "written">;
    },
  ): CompareOutcome {
    const { path, uidlist, hasCur } = located;
    const { uidValidity } = uidlist.header;
    // Where a move or a removal broke off it is made anew: nothing tells what stands of it.
    if (!hasCur) return { kind: "read", ...written, messages: [], more: false };
    const occupant = path === request.path ? {} : occupantAt(root, request.path);
    using dirs = new MailboxDirs(located.dir);
    const baseline = known.baseline?.row.uidValidity === uidValidity ? known.baseline : undefined;
    const page = this.#page(dirs, located, baseline, request);
    if ("kind" in page) return page;
    const standing = { path, uidValidity, uidNext: uidlist.nextUid };
    return { kind: "read", ...written, standing, ...occupant, ...page };
  }

  #page(
    dirs: MailboxDirs,
    located: Extract<Located, { kind: "found" }>,
    baseline: MailboxBaseline | undefined,
    request: CompareRequest,
  ): Page | Extract<CompareOutcome, { kind: "diverged" }> {
    const { mailbox, afterUid, messagesMax } = request;
    const { path, uidlist } = located;
    const kept = this.#readings.get(mailbox);
    // Above all UIDs is nothing but the files without one, as they are now: what was listed before a transaction is out of date.
    const isLater = afterUid > 0 && afterUid < UID_MAX;
    const reading = isLater && kept?.path === path ? kept : readMailbox(dirs, path, uidlist);
    if ("kind" in reading) return reading;
    const uids = uidsAfter(reading.uids, afterUid, messagesMax);
    const last = uids.at(-1);
    const isWhole = last === undefined || last === reading.uids.at(-1);
    const applied = appliedIn(baseline, { afterUid, upTo: isWhole ? UID_MAX : last, messagesMax });
    const standing = new Map<Uid, HeldMessage>();
    for (const uid of uids) {
      if (uid > applied.upTo) break;
      const [state] = stateAt(dirs, reading, uid, true);
      const sound = state === undefined ? undefined : soundState(state);
      if (sound === undefined) continue;
      const isApplied = applied.stateByUid.get(uid)?.base === sound.base;
      // Of two files of one base name it is not known which is the message's: it is saved again, or expunged, and the other one goes.
      const ours = hasSecond(dirs, reading, sound.base) ? "lost" : "applied";
      if (isApplied && ours === "lost") this.#context.cache.doubt(mailbox);
      standing.set(uid, { ...sound, held: isApplied ? ours : "foreign" });
    }
    const lost = [...applied.stateByUid.values()].filter(({ uid, base }) => standing.get(uid)?.base !== base);
    // Under a UID that has another message by now it is no more than that.
    const others = lost
      .filter(({ uid }) => !standing.has(uid))
      .map((state): HeldMessage => ({ ...state, held: "lost" }));
    const all = [...standing.values(), ...others].sort((a, b) => a.uid - b.uid);
    const messages = all.slice(0, Math.min(messagesMax, countWithin(all, PAGE_BYTES_MAX)));
    const more = messages.length < all.length || applied.upTo < UID_MAX;
    if (more && messages.length === 0)
      return this.#page(dirs, located, baseline, { ...request, afterUid: applied.upTo });
    this.#readings.delete(mailbox);
    if (more) this.#readings.set(mailbox, reading);
    for (const oldest of this.#readings.keys()) if (this.#readings.size > READINGS_MAX) this.#readings.delete(oldest);
    const unnumbered = more ? 0 : countUnnumbered(dirs, reading, messagesMax);
    return { messages, more, ...(unnumbered === 0 ? {} : { unnumbered }) };
  }
}

function hasSecond(dirs: MailboxDirs, { secondOf }: Reading, base: string): boolean {
  const place = secondOf(base);
  return place !== undefined && fileAt(dirs, place) !== undefined;
}

/** Of more than `looksMax` the names alone count. */
function countUnnumbered(dirs: MailboxDirs, reading: Reading, looksMax: number): number {
  const { unnumbered } = reading;
  if (unnumbered.length > looksMax) return unnumbered.length;
  return unnumbered.filter((base) => sizeAt(dirs, reading, base).length > 0).length;
}

function writtenOf({ path, uidValidity, uidNext, headerExtra }: MailboxRow) {
  return { path, uidValidity, uidNext, headerExtra };
}

function occupantAt(root: Dir, path: RawPath): { readonly occupant?: MailboxGuid } {
  const occupant = guidAt(root, path);
  return occupant === undefined ? {} : { occupant };
}

/** What was written with UIDs above `afterUid`, as far as `upTo`, or less: until it is `messagesMax` or more. */
function appliedIn(
  baseline: MailboxBaseline | undefined,
  { afterUid, upTo, messagesMax }: { readonly afterUid: number; readonly upTo: number; readonly messagesMax: number },
): { readonly stateByUid: ReadonlyMap<Uid, MessageState>; readonly upTo: number } {
  const stateByUid = new Map<Uid, MessageState>();
  for (const { chunk } of baseline?.looks() ?? []) {
    if (chunk < chunkOf(afterUid + 1)) continue;
    if (chunk > chunkOf(upTo)) break;
    for (const record of baseline?.records(chunk) ?? []) {
      if (record.uid > afterUid && record.uid <= upTo) stateByUid.set(record.uid, stateOfRecord(record));
    }
    const lastOfChunk = (chunk + 1) * CHUNK_UIDS - 1;
    if (stateByUid.size >= messagesMax && lastOfChunk < upTo) return { stateByUid, upTo: lastOfChunk };
  }
  return { stateByUid, upTo };
}

/** At least one. */
function countWithin(messages: readonly MessageState[], bytesMax: number): number {
  let bytes = 0;
  const end = messages.findIndex(({ base, fields, odd, tail, keywords }, at) => {
    bytes += 32 + base.length + fields.length + odd.length + tail.length;
    for (const name of keywords) bytes += 2 + name.length;
    return bytes > bytesMax && at > 0;
  });
  return end < 0 ? messages.length : end;
}
