/**
 * How a mailbox stands here, page by page, for a source that compares it with its own: where it is, what stands in it, and of
 * that what was written by replication. A chunk of UIDs of which the source says the same, and all of which was written, is not told of.
 * Writes nothing.
 *
 * INVARIANT: pages ascend by UID in whole chunks, each reaches beyond the one before, and ends where the limits say.
 * INVARIANT: every message could stand in a transaction: what a file's name or a record says here and no transaction could is
 * left out of it, so that nobody's odd file ends a link.
 */
import { firstAbove } from "../base/ascending.js";
import type { Dir } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import type { MailboxBaseline } from "../log/baseline.js";
import { stateOfRecord } from "../log/baseline-chunk.js";
import type { MailboxRow } from "../log/state-types.js";
import { type MailboxGuid, UID_MAX } from "../maildir/ids.js";
import { CHUNK_UIDS, type ChunkSum, chunkOf } from "../txn/chunks.js";
import { type StateDigester, sameDigest } from "../txn/digest.js";
import type { MessageState } from "../txn/message-state.js";
import { soundState } from "../txn/sound-state.js";
import { locateAnywhere } from "./astray.js";
import type { CompareOutcome, CompareRequest, HeldMessage } from "./compare-types.js";
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

type Page = Pick<Extract<CompareOutcome, { kind: "read" }>, "told" | "messages" | "reached" | "unnumbered">;
/** Where the messages of a mailbox are read. */
interface Sources {
  readonly dirs: MailboxDirs;
  readonly reading: Reading;
  /** What was written; undefined where that was nothing of what stands. */
  readonly baseline: MailboxBaseline | undefined;
  /** What was written there is not what stands: it has to be looked at before the next transaction. */
  readonly onDoubt: () => void;
}

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
      return { kind: "read", ...written, ...occupantAt(root, path), ...nothingOf(request) };
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
    if (!hasCur) return { kind: "read", ...written, ...nothingOf(request) };
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
    const { cache } = this.#context;
    const page = pageOf({ dirs, reading, baseline, onDoubt: () => cache.doubt(mailbox) }, request, cache.digester);
    const isLast = page.reached >= UID_MAX;
    this.#readings.delete(mailbox);
    if (!isLast) this.#readings.set(mailbox, reading);
    for (const oldest of this.#readings.keys()) if (this.#readings.size > READINGS_MAX) this.#readings.delete(oldest);
    const unnumbered = isLast ? countUnnumbered(dirs, reading, messagesMax) : 0;
    return { ...page, ...(unnumbered === 0 ? {} : { unnumbered }) };
  }
}

function pageOf(
  sources: Sources,
  request: CompareRequest,
  digester: StateDigester,
): Pick<Page, "told" | "messages" | "reached"> {
  const { sums, upTo, messagesMax } = request;
  const sumByChunk = new Map(sums.map((sum) => [sum.chunk, sum]));
  const told: number[] = [];
  const messages: HeldMessage[] = [];
  let bytes = 0;
  for (const chunk of chunksWithin(sources, request)) {
    const held = heldIn(sources, chunk);
    if (isAsSummed(held, sumByChunk.get(chunk), digester)) continue;
    bytes += bytesOf(held);
    const isFull = messages.length + held.length > messagesMax || bytes > PAGE_BYTES_MAX;
    if (isFull && told.length > 0) return { told, messages, reached: chunk * CHUNK_UIDS - 1 };
    told.push(chunk);
    for (const message of held) messages.push(message);
  }
  return { told, messages, reached: upTo };
}

/** Those in which either side has something, or had; ascending. */
function* chunksWithin(
  { reading: { uids }, baseline }: Sources,
  { afterUid, upTo, sums }: CompareRequest,
): Generator<number, void> {
  if (afterUid >= UID_MAX) return;
  const [first, last] = [chunkOf(afterUid + 1), chunkOf(upTo)];
  const named = [...(baseline?.looks() ?? []), ...sums].map(({ chunk }) => chunk);
  const others = [...new Set(named)].filter((chunk) => chunk >= first && chunk <= last).sort((a, b) => a - b);
  let at = firstAbove(uids, afterUid);
  for (let next = 0; ; ) {
    const chunk = Math.min(chunkOf(uids[at] ?? Number.POSITIVE_INFINITY), others[next] ?? Number.POSITIVE_INFINITY);
    if (chunk > last) return;
    yield chunk;
    if (others[next] === chunk) next += 1;
    while (at < uids.length && chunkOf(uids[at] as number) <= chunk) at += 1;
  }
}

/** What stands in that chunk, and what was written there and is lost; ascending by UID. */
function heldIn({ dirs, reading, baseline, onDoubt }: Sources, chunk: number): HeldMessage[] {
  const written = new Map((baseline?.records(chunk) ?? []).map((record) => [record.uid, record]));
  const held: HeldMessage[] = [];
  for (const uid of uidsAfter(reading.uids, chunk * CHUNK_UIDS - 1, CHUNK_UIDS)) {
    if (chunkOf(uid) !== chunk) break;
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

/** Of the source's messages each is here, as it was written, and nothing else is. */
function isAsSummed(held: readonly HeldMessage[], sum: ChunkSum | undefined, digester: StateDigester): boolean {
  if (sum === undefined) return held.length === 0;
  if (held.length !== sum.count || held.some((message) => message.held !== "applied")) return false;
  return sameDigest(digester.sumWithFields(held), sum.digest);
}

/** Of a mailbox that does not stand. */
function nothingOf({ upTo }: CompareRequest): Page {
  return { told: [], messages: [], reached: upTo };
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

function bytesOf(messages: readonly MessageState[]): number {
  let bytes = 0;
  for (const { base, fields, odd, tail, keywords } of messages) {
    bytes += 32 + base.length + fields.length + odd.length + tail.length;
    for (const name of keywords) bytes += 2 + name.length;
  }
  return bytes;
}
