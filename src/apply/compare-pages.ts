/**
 * How a mailbox stands here, for a source that compares it with its own: where it is, which parts of it differ from what the source has,
 * and then, page by page, what stands in those. Writes nothing.
 *
 * INVARIANT: pages ascend by UID in pieces of one chunk, each reaches beyond the one before, and ends where the limits say.
 */
import type { Dir } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import type { MailboxRow } from "../log/state-types.js";
import { type MailboxGuid, UID_MAX } from "../maildir/ids.js";
import type { MessageState } from "../txn/message-state.js";
import { locateAnywhere } from "./astray.js";
import type {
  Compared,
  CompareOutcome,
  CompareRequest,
  Diverged,
  HeldMessage,
  Standing,
  TellOutcome,
  TellRequest,
  Told,
} from "./compare-types.js";
import { heldIn, piecesOf, type Sources } from "./held-messages.js";
import { closeBelow, type Located } from "./locate.js";
import type { KnownMailbox } from "./mailbox-cache.js";
import { MailboxLook } from "./mailbox-look.js";
import { MailboxDirs } from "./mailbox-place.js";
import { guidAt } from "./parking.js";
import { type Reading, readMailbox, sizeAt } from "./reading.js";
import { refusing } from "./refusing.js";
import type { StoreContext } from "./store-context.js";

/** Of a page, by what its messages say of themselves. */
const PAGE_BYTES_MAX = 2 * 1024 * 1024;
/** Large mailboxes that are read at a time, each from one listing. */
const READINGS_MAX = 2;
/** Looks that are kept, of mailboxes that are compared at a time: more than there are. One that is lost is made anew. */
const LOOKS_MAX = 8;

interface Found {
  readonly known: KnownMailbox;
  readonly located: Extract<Located, { kind: "found" }>;
}

interface KeptLook {
  readonly look: MailboxLook;
  readonly seed: number;
  /** Of what was looked at. */
  readonly path: RawPath;
  readonly uidValidity: number;
  unnumbered: number;
}

export class ComparePages {
  readonly #context: StoreContext;
  /** Of mailboxes that are looked at, or told of. The latest last. */
  readonly #readings = new Map<MailboxGuid, Reading>();
  /** The latest last. */
  readonly #looks = new Map<MailboxGuid, KeptLook>();

  constructor(context: StoreContext) {
    this.#context = context;
  }

  /** What the system refuses in this mailbox is its divergence. */
  compare(root: Dir, request: CompareRequest): CompareOutcome {
    return this.#standing(root, request, { kind: "read", looked: UID_MAX } as const, (found) =>
      this.#compareFound(found, request),
    );
  }

  /** The same. */
  tell(root: Dir, request: TellRequest): TellOutcome {
    const { mailbox, spans } = request;
    return this.#standing(root, request, nothingIn(spans), (found) => {
      this.#looks.delete(mailbox); // whoever has messages told has narrowed down before.
      return this.#tellFound(found, request);
    });
  }

  /** Adds how it stands to what `read` says. `nothing`: of a mailbox that does not stand. */
  #standing<T extends Compared | Told>(
    root: Dir,
    request: Pick<CompareRequest, "mailbox" | "path">,
    nothing: T,
    read: (found: Found) => T | Diverged,
  ): T | Diverged {
    const { mailbox, path } = request;
    const { cache, whereabouts } = this.#context;
    return refusing({ mailbox, path }, () => {
      const known = cache.get(mailbox);
      const row = known.baseline?.row;
      const located = locateAnywhere(whereabouts, root, known, { mailbox, path });
      if (located.kind === "diverged") return located;
      const written = row === undefined ? {} : { written: writtenOf(row) };
      if (located.kind === "absent") return { ...nothing, ...written, ...occupantAt(root, path) };
      try {
        // Where a move or a removal broke off it is made anew: nothing tells what stands of it.
        if (!located.hasCur) return { ...nothing, ...written };
        const outcome = read({ known, located });
        if (outcome.kind === "diverged") return outcome;
        const { header, nextUid: uidNext } = located.uidlist;
        const standing: Standing = { standing: { path: located.path, uidValidity: header.uidValidity, uidNext } };
        const occupant = located.path === path ? {} : occupantAt(root, path);
        return { ...outcome, ...written, ...standing, ...occupant };
      } finally {
        closeBelow(root, located.dir);
      }
    });
  }

  #compareFound(found: Found, { mailbox, seed, sums, messagesMax }: CompareRequest): Compared | Diverged {
    const kept = this.#lookOf(mailbox, seed, found);
    const { look } = kept;
    if (look.looked < UID_MAX) {
      using dirs = new MailboxDirs(found.located.dir);
      const sources = this.#sourcesOf(mailbox, found, { dirs, isAnew: look.looked === 0 });
      if ("kind" in sources) return sources;
      look.lookOn(sources, messagesMax);
      if (look.looked === UID_MAX) kept.unnumbered = countUnnumbered(dirs, sources.reading, messagesMax);
    }
    const { looked } = look;
    if (looked < UID_MAX || sums === undefined) return { kind: "read", looked };
    const differing = look.compare(sums);
    if (differing.isEqual) this.#drop(mailbox);
    const unnumbered = sums.whole === undefined || kept.unnumbered === 0 ? {} : { unnumbered: kept.unnumbered };
    return { kind: "read", looked, differing, ...unnumbered };
  }

  #lookOf(mailbox: MailboxGuid, seed: number, { located }: Found): KeptLook {
    const { path, uidlist } = located;
    const { uidValidity } = uidlist.header;
    const kept = this.#looks.get(mailbox);
    const isKept = kept?.seed === seed && kept.path === path && kept.uidValidity === uidValidity;
    const { digester } = this.#context.cache;
    const look = isKept ? kept : { look: new MailboxLook(seed, digester), seed, path, uidValidity, unnumbered: 0 };
    keepLatest(this.#looks, mailbox, look, LOOKS_MAX);
    return look;
  }

  #tellFound(found: Found, { mailbox, spans, messagesMax }: TellRequest): Told | Diverged {
    using dirs = new MailboxDirs(found.located.dir);
    // What was listed before a transaction is out of date for the files without a UID, and whoever begins with the first message looks anew.
    const sources = this.#sourcesOf(mailbox, found, { dirs, isAnew: spans.length === 0 || spans[0]?.from === 0 });
    if ("kind" in sources) return sources;
    if (spans.length === 0) {
      this.#drop(mailbox);
      const unnumbered = countUnnumbered(dirs, sources.reading, messagesMax);
      return { ...nothingIn(spans), ...(unnumbered === 0 ? {} : { unnumbered }) };
    }
    const page = pageOf(sources, spans, messagesMax);
    if (page.reached === endOf(spans)) this.#drop(mailbox);
    return { kind: "read", ...page };
  }

  #sourcesOf(
    mailbox: MailboxGuid,
    { known, located: { path, uidlist } }: Found,
    { dirs, isAnew }: { readonly dirs: MailboxDirs; readonly isAnew: boolean },
  ): Sources | Diverged {
    const kept = this.#readings.get(mailbox);
    const reading = !isAnew && kept?.path === path ? kept : readMailbox(dirs, path, uidlist);
    if ("kind" in reading) return reading;
    keepLatest(this.#readings, mailbox, reading, READINGS_MAX);
    const { uidValidity } = uidlist.header;
    const baseline = known.baseline?.row.uidValidity === uidValidity ? known.baseline : undefined;
    return { dirs, reading, baseline, onDoubt: () => this.#context.cache.doubt(mailbox) };
  }

  #drop(mailbox: MailboxGuid): void {
    this.#looks.delete(mailbox);
    this.#readings.delete(mailbox);
  }
}

function keepLatest<T>(kept: Map<MailboxGuid, T>, mailbox: MailboxGuid, value: T, max: number): void {
  kept.delete(mailbox);
  kept.set(mailbox, value);
  for (const oldest of kept.keys()) if (kept.size > max) kept.delete(oldest);
}

function pageOf(
  sources: Sources,
  spans: TellRequest["spans"],
  messagesMax: number,
): Pick<Told, "messages" | "reached"> {
  const messages: HeldMessage[] = [];
  let bytes = 0;
  let isFirst = true;
  for (const piece of piecesOf(sources, spans)) {
    const held = heldIn(sources, piece);
    bytes += bytesOf(held);
    const isFull = messages.length + held.length > messagesMax || bytes > PAGE_BYTES_MAX;
    if (isFull && !isFirst) return { messages, reached: piece.from - 1 };
    isFirst = false;
    for (const message of held) messages.push(message);
  }
  return { messages, reached: endOf(spans) };
}

function nothingIn(spans: TellRequest["spans"]): Told {
  return { kind: "read", messages: [], reached: endOf(spans) };
}

/** UID_MAX where there is none. */
function endOf(spans: TellRequest["spans"]): number {
  return (spans.at(-1)?.below ?? UID_MAX + 1) - 1;
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
