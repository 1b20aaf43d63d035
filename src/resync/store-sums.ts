/**
 * The sums of one store, as it stands on disk. Reads only; runs in a thread of its own (sums-worker.ts).
 *
 * INVARIANT: a sum is taken from the cache only where the mailbox's fingerprint is what it was when the sum was made, and no change could
 * hide behind it then.
 */
import type { Clock } from "../base/clock.js";
import type { Dir, Disk } from "../base/disk.js";
import { errnoOf, MailtwinError } from "../base/errors.js";
import { displayRaw, nearestRawPath, type RawPath } from "../base/raw-name.js";
import { whyItFailed } from "../base/system-error.js";
import { discoverMailboxes } from "../maildir/discover.js";
import { visitMessages } from "../maildir/listing.js";
import { UidlistReader } from "../maildir/uidlist-reader.js";
import { chunkOf } from "../txn/chunks.js";
import type { Digest } from "../txn/digest.js";
import type { MessageState } from "../txn/message-state.js";
import { soundState } from "../txn/sound-state.js";
import { partsOf } from "../wire/spans.js";
import {
  MARKS_MAX,
  type MessageMark,
  type MessagePart,
  type MessagesOf,
  type RangeSum,
  type SpansOf,
  type SummedMailbox,
} from "../wire/sums.js";
import { resyncError } from "./errors.js";
import { hashMessages } from "./hash-messages.js";
import { fingerprintOf, rowOfKept } from "./kept-sums.js";
import { type MailboxDirs, MailboxReading, type ReadingPorts } from "./mailbox-reading.js";
import { openStore, withMailbox } from "./open-compared.js";
import { readParts } from "./read-parts.js";
import { type KeptMailbox, SumCache } from "./sum-cache.js";
import type { AllowedParts, SumsMethods, SumsOptions } from "./sums-types.js";

export interface StoreSumsPorts extends ReadingPorts {
  readonly disk: Disk;
  readonly clock: Pick<Clock, "nowMs" | "monotonicMs" | "sleep">;
}

/** A mailbox that was changed a moment ago is looked at a moment later: then its sum can be kept. */
const TICK_MS = 25;
/** Listings that are kept, for further questions about the same mailbox. */
const READINGS_MAX = 2;

interface HeldReading {
  readonly fingerprint: string;
  readonly reading: MailboxReading;
}

/** What a look made of a mailbox; undefined: it is none that Dovecot knows, and has no mail. */
type Looked = KeptMailbox | { readonly kind: "unread"; readonly words: string } | undefined;

export class StoreSums implements SumsMethods {
  readonly #ports: StoreSumsPorts;
  readonly #options: SumsOptions;
  readonly #cache: SumCache;
  /** Of the last look. */
  #found = new Map<RawPath, KeptMailbox>();
  /** The latest last. */
  readonly #readings = new Map<RawPath, HeldReading>();
  /** What the cache has as it is. */
  readonly #cached = new WeakSet<KeptMailbox>();
  #looking: Promise<unknown> = Promise.resolve();

  constructor(ports: StoreSumsPorts, options: SumsOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#cache = new SumCache(options.cachePath);
  }

  /** One look after the other. Throws: compared-missing. */
  look(): Promise<readonly SummedMailbox[]> {
    const look = this.#looking.then(() => this.#look());
    this.#looking = look.catch(() => undefined);
    return look;
  }

  async ranges({ path, spans }: SpansOf): Promise<readonly RangeSum[]> {
    const { sums } = await this.#known(path);
    return spans.flatMap(partsOf).map(({ from, below }) => sums.sum(chunkOf(from), chunkOf(below)));
  }

  async marks({ path, spans }: SpansOf): Promise<readonly MessageMark[]> {
    const { digester } = this.#ports;
    return this.#within(path, ({ reading, dirs }) => {
      const marks: MessageMark[] = [];
      for (const span of spans) {
        for (const state of reading.statesWithin(dirs, span, MARKS_MAX - marks.length)) {
          marks.push({ uid: state.uid, mark: markOf(digester.digestOf(state)) });
        }
      }
      return marks;
    });
  }

  async states({ path, uids }: MessagesOf): Promise<readonly MessageState[]> {
    return this.#within(path, ({ reading, dirs }) => {
      const states = uids.flatMap((uid) => reading.statesWithin(dirs, { from: uid, below: uid + 1 }, 1));
      return states.flatMap((state) => soundState(state) ?? []);
    });
  }

  async hashes({ path, uids }: MessagesOf): Promise<readonly (string | undefined)[]> {
    return this.#within(path, ({ reading, dirs }) => hashMessages(this.#ports.clock, dirs, reading, uids));
  }

  async parts({ path, ...of }: AllowedParts): Promise<readonly MessagePart[]> {
    return this.#within(path, ({ reading, dirs }) => readParts(dirs, reading, of));
  }

  [Symbol.dispose](): void {
    this.#cache[Symbol.dispose]();
  }

  async #look(): Promise<readonly SummedMailbox[]> {
    const { storeRoot } = this.#options;
    openStore(this.#ports.disk, storeRoot).close();
    const { mailboxes, problems } = discoverMailboxes(storeRoot);
    const found = new Map<RawPath, Looked>();
    const late: RawPath[] = [];
    for (const { path } of mailboxes) {
      const looked = await this.#lookAt(path, false);
      if (looked === "late") late.push(path);
      else found.set(path, looked);
    }
    if (late.length > 0) await this.#ports.clock.sleep(TICK_MS, AbortSignal.timeout(60_000));
    for (const path of late) {
      const looked = await this.#lookAt(path, true);
      if (looked !== "late") found.set(path, looked);
    }
    this.#keep(found);
    const unread = problems.map(({ path, message }): SummedMailbox => {
      return { kind: "unread", path: nearestRawPath(path), words: message };
    });
    return [...mailboxes.flatMap(({ path }) => rowOf(path, found.get(path))), ...unread];
  }

  async #lookAt(path: RawPath, isLast: boolean): Promise<Looked | "late"> {
    try {
      return await this.#withDirs(path, (dirs) => this.#read(path, dirs, isLast));
    } catch (error) {
      if (error instanceof MailtwinError && error.code === "mailbox-vanished") return undefined;
      const isOperating = error instanceof MailtwinError || errnoOf(error) !== undefined;
      if (!isOperating) throw error;
      return { kind: "unread", words: wordsOfFailure(error) };
    }
  }

  async #read(path: RawPath, dirs: MailboxDirs | undefined, isLast: boolean): Promise<Looked | "late"> {
    const fingerprint = dirs === undefined ? undefined : fingerprintOf(dirs.mailbox, this.#ports.clock);
    if (dirs === undefined || fingerprint === undefined) return undefined;
    if (fingerprint === "" && !isLast) return "late";
    const known = this.#found.get(path) ?? this.#fromCache(path);
    if (known !== undefined && fingerprint !== "" && known.fingerprint === fingerprint) return known;
    const reading = await this.#makeReading(path, dirs);
    if (!(reading instanceof MailboxReading)) return reading;
    const { guid, uidValidity } = reading.uidlist.header;
    if (guid === undefined) return namelessOf(dirs);
    const directory = directoryOf(dirs.mailbox);
    const sums = await reading.sums(dirs, known?.directory === directory ? known : undefined);
    const isKept = reading.isSettled && fingerprint === fingerprintOf(dirs.mailbox, this.#ports.clock);
    this.#hold(path, { fingerprint: isKept ? fingerprint : "", reading });
    const { uidlist, unnumbered, letters } = reading;
    const kept = { path, directory, guid, uidValidity, uidNext: uidlist.nextUid, unnumbered, letters, sums };
    return { ...kept, fingerprint: isKept ? fingerprint : "" };
  }

  async #makeReading(path: RawPath, dirs: MailboxDirs): Promise<MailboxReading | Looked> {
    const read = new UidlistReader().read(dirs.mailbox);
    if (read.kind === "absent") return namelessOf(dirs);
    if (read.kind === "damaged")
      return { kind: "unread", words: `line ${read.line} of its dovecot-uidlist: ${read.why}` };
    if (read.kind === "unsupported")
      return { kind: "unread", words: `its dovecot-uidlist has version ${read.version}` };
    const before = this.#readings.get(path)?.reading;
    if (before !== undefined) this.#readings.delete(path); // one uidlist of a large mailbox is enough.
    return MailboxReading.make(this.#ports, dirs, read.uidlist);
  }

  /** Runs `use` with a listing of that mailbox as it stands now. Throws: compared-unknown, also for what cannot be read any more. */
  async #within<T>(
    path: RawPath,
    use: (part: { readonly reading: MailboxReading; readonly dirs: MailboxDirs }) => T | Promise<T>,
  ): Promise<T> {
    try {
      return await this.#withReading(path, use);
    } catch (error) {
      const isOfMailbox =
        error instanceof MailtwinError ? error.code !== "compared-missing" : errnoOf(error) !== undefined;
      throw isOfMailbox ? unknownMailbox(path, error) : error;
    }
  }

  #withReading<T>(
    path: RawPath,
    use: (part: { readonly reading: MailboxReading; readonly dirs: MailboxDirs }) => T | Promise<T>,
  ): Promise<T> {
    return this.#withDirs(path, async (dirs) => {
      if (dirs === undefined) throw unknownMailbox(path);
      const held = this.#readings.get(path);
      const fingerprint = fingerprintOf(dirs.mailbox, this.#ports.clock) ?? "";
      if (held !== undefined && fingerprint !== "" && held.fingerprint === fingerprint)
        return use({ reading: held.reading, dirs });
      const reading = await this.#makeReading(path, dirs);
      if (!(reading instanceof MailboxReading)) throw unknownMailbox(path);
      this.#hold(path, { fingerprint, reading });
      return use({ reading, dirs });
    });
  }

  /** Of a mailbox that another thread, or this one before it ended, has looked at. Throws: compared-unknown. */
  async #known(path: RawPath): Promise<KeptMailbox> {
    const known = this.#found.get(path) ?? (await this.#lookAt(path, true));
    if (known === undefined || known === "late" || "words" in known) throw unknownMailbox(path);
    this.#found.set(path, known);
    return known;
  }

  #hold(path: RawPath, held: HeldReading): void {
    this.#readings.delete(path);
    this.#readings.set(path, held);
    for (const oldest of this.#readings.keys()) if (this.#readings.size > READINGS_MAX) this.#readings.delete(oldest);
  }

  /** What changed goes to the cache; what is gone goes from it. */
  #keep(found: ReadonlyMap<RawPath, Looked>): void {
    this.#found = new Map();
    const changed: KeptMailbox[] = [];
    for (const [path, looked] of found) {
      if (looked === undefined || "words" in looked) continue;
      this.#found.set(path, looked);
      if (looked.fingerprint !== "" && !this.#cached.has(looked)) changed.push(looked);
    }
    this.#cache.write(
      changed,
      this.#cache.paths().filter((path) => !this.#found.has(path)),
    );
    for (const it of changed) this.#cached.add(it);
  }

  #fromCache(path: RawPath): KeptMailbox | undefined {
    const kept = this.#cache.read(path);
    if (kept !== undefined) this.#cached.add(kept);
    return kept;
  }

  #withDirs<T>(path: RawPath, use: (dirs: MailboxDirs | undefined) => Promise<T>): Promise<T> {
    return withMailbox(this.#ports.disk, this.#options.storeRoot, path, use);
  }
}

function directoryOf(mailbox: Dir): string {
  return `${mailbox.ino} ${mailbox.statSelf().birthtimeMs}`;
}

/** A directory that Dovecot has not opened yet is a mailbox when there is mail in it. */
function namelessOf(dirs: MailboxDirs): Looked {
  let files = 0;
  visitMessages(dirs.mailbox, () => {
    files += 1;
  });
  if (files === 0) return undefined;
  const mail = files === 1 ? "a message" : `${files} messages`;
  return {
    kind: "unread",
    words: `${mail} without a UID: no Dovecot has opened it yet, or its dovecot-uidlist is gone`,
  };
}

function rowOf(path: RawPath, looked: Looked): SummedMailbox[] {
  if (looked === undefined) return [];
  return ["words" in looked ? { path, ...looked } : rowOfKept(path, looked)];
}

/** What it was that could not be read, and what stands there instead where that is why. */
function wordsOfFailure(error: unknown): string {
  const { code = "", path } = error as NodeJS.ErrnoException;
  if (errnoOf(error) === undefined || path === undefined) return whyItFailed(error);
  const name = path.slice(path.lastIndexOf("/") + 1);
  return Object.hasOwn(INSTEAD, code) ? `${name} is ${INSTEAD[code]}` : `${name}: ${whyItFailed(error)}`;
}

/** By what opening it said. */
const INSTEAD: Readonly<Record<string, string>> = {
  EINVAL: "no regular file, but a pipe, a socket or a device",
  EISDIR: "a directory, where a file must be",
  ELOOP: "a symbolic link, which is not followed",
  ENOTDIR: "no directory",
  ENXIO: "a socket or a device, where a file must be",
};

function markOf(digest: Digest): bigint {
  return Buffer.from(digest).readBigUInt64LE(0);
}

function unknownMailbox(path: RawPath, cause?: unknown) {
  const why = cause === undefined ? "it is not there any more" : whyItFailed(cause);
  return resyncError("compared-unknown", `comparing the mailbox "${displayRaw(path)}": ${why}`, cause);
}
