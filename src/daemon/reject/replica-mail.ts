/**
 * Mail that a replica still has, had over a link: asked for by UID and base name, and put into files of a scratch directory, some at a time.
 *
 * INVARIANT: what the other end sends is a file only when it has the size that the log knows, and the SHA-256 where that is known: of a message
 * that needs several answers the one that the replica says, else.
 * INVARIANT: mail of one user is never had from the mailbox of another one, whatever the replica's uidlists say.
 */
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, MailtwinError } from "../../base/errors.js";
import { openSha256, type Sha256Stream } from "../../base/hash.js";
import type { RawPath } from "../../base/raw-name.js";
import { whyItFailed } from "../../base/system-error.js";
import type { BodyName, KnownBody } from "../../log/known-bodies.js";
import type { BaselineRecord, MailboxRow } from "../../log/state-types.js";
import type { MailboxGuid, Uid } from "../../maildir/ids.js";
import { type TreeOf, treesOf } from "../../maildir/whose-tree.js";
import { readAll } from "../../resync/compare-stores.js";
import type { ReadSide } from "../../resync/sums-types.js";
import { type MessagePart, STATES_MAX } from "../../wire/sums.js";

export type MailboxName = Pick<MailboxRow, "guid" | "path">;
/** What the log has of a message that is wanted. */
export type WantedMessage = Pick<BaselineRecord, "uid" | "base" | "size">;

/** `why` undefined: its file is in the scratch directory, and called as `fetchedName` says. */
export interface FetchedMessage {
  readonly uid: Uid;
  readonly why: string | undefined;
}

export interface FetchPorts {
  /** A directory that is ours alone. */
  readonly scratch: string;
  /** In the order of `names`; undefined: nothing is known. */
  readonly known: (mailbox: MailboxGuid, names: readonly BodyName[]) => Promise<readonly (KnownBody | undefined)[]>;
}

/** After so much, or so many, whoever puts it away has a turn. A message is fetched whole. */
const WINDOW_BYTES = 4 * 1024 * 1024;
const WINDOW_MESSAGES = 512;
const FILE_MODE = 0o600;

const NO_MAILBOX = "its mailbox is not on the replica, or cannot be read there";
const NOT_THERE = "it is not on the replica, or was not written there by replication";
const OTHER_BYTES = "its bytes on the replica are not those that the source had";
const CHANGED = "it changed on the replica while it was read";

export class ReplicaMail {
  readonly #side: ReadSide;
  #seen: Seen | undefined;

  constructor(side: ReadSide) {
    this.#side = side;
  }

  /** In the order of `messages`, which ascend: why it cannot be had; undefined: it can. Throws: compared-confused, what the link throws. */
  async whyLacking(
    mailbox: MailboxName,
    messages: readonly WantedMessage[],
    signal: AbortSignal,
  ): Promise<readonly (string | undefined)[]> {
    return this.#within(mailbox, signal, async (path) => {
      const whys: (string | undefined)[] = [];
      for (let at = 0; path !== undefined && at < messages.length; at += STATES_MAX) {
        const page = messages.slice(at, at + STATES_MAX);
        const named = page.map(({ uid, base }) => ({ uid, base }));
        const parts = await this.#side.parts({ path, messages: named, offset: 0, looksOnly: true }, signal);
        for (const [index, message] of page.entries()) whys.push(whyOther(message, parts[index]));
      }
      return path === undefined ? messages.map(() => NO_MAILBOX) : whys;
    });
  }

  /** What became of the first of `messages`, which ascend: at least one. Throws: compared-confused, what the link throws. */
  async fetch(
    mailbox: MailboxName,
    messages: readonly WantedMessage[],
    ports: FetchPorts,
    signal: AbortSignal,
  ): Promise<readonly FetchedMessage[]> {
    return this.#within(mailbox, signal, async (path) => {
      if (path === undefined) return messages.map(({ uid }) => ({ uid, why: NO_MAILBOX }));
      return new Fetching(this.#side, { path, guid: mailbox.guid, messages }, ports).run(signal);
    });
  }

  /** A mailbox that was renamed, or a link that was begun anew, has the store looked at once more. */
  async #within<T>(
    mailbox: MailboxName,
    signal: AbortSignal,
    use: (path: RawPath | undefined) => Promise<T>,
  ): Promise<T> {
    for (let isLast = this.#seen === undefined; ; isLast = true) {
      try {
        return await use(await this.#pathOf(mailbox, signal));
      } catch (error) {
        if (!(error instanceof MailtwinError) || error.code !== "compared-unknown") throw error;
        this.#seen = undefined;
        if (isLast) return use(undefined);
      }
    }
  }

  async #pathOf({ guid, path }: MailboxName, signal: AbortSignal): Promise<RawPath | undefined> {
    this.#seen ??= await this.#look(signal);
    const { pathsByGuid, treeOf } = this.#seen;
    const own = (pathsByGuid.get(guid) ?? []).filter((each) => treeOf(each) === treeOf(path));
    return own.find((each) => each === path) ?? own[0];
  }

  async #look(signal: AbortSignal): Promise<Seen> {
    const all = await readAll(this.#side, await this.#side.store(signal), signal);
    const paths = new Set<string>();
    const pathsByGuid = new Map<MailboxGuid, RawPath[]>();
    for (const it of all) {
      if (it.kind !== "sum") continue;
      paths.add(it.path);
      pathsByGuid.set(it.guid, [...(pathsByGuid.get(it.guid) ?? []), it.path]);
    }
    return { pathsByGuid, treeOf: treesOf((each) => paths.has(each)) };
  }
}

/** Mailboxes that stand on the replica. */
interface Seen {
  readonly pathsByGuid: ReadonlyMap<MailboxGuid, readonly RawPath[]>;
  readonly treeOf: TreeOf;
}

interface WantedOf {
  readonly path: RawPath;
  readonly guid: MailboxGuid;
  readonly messages: readonly WantedMessage[];
}

/** A message that has begun to come. */
interface Coming {
  readonly message: WantedMessage;
  readonly hash: Sha256Stream;
  file: FileHandle | undefined;
  bytes: number;
  parts: number;
  /** What this host does not let it be. */
  why: string | undefined;
}

/** Whoever else this thread serves does not wait for the disk. */
class Fetching {
  readonly #side: ReadSide;
  readonly #wanted: WantedOf;
  readonly #ports: FetchPorts;
  readonly #done: FetchedMessage[] = [];
  #coming: Coming | undefined;

  constructor(side: ReadSide, wanted: WantedOf, ports: FetchPorts) {
    this.#side = side;
    this.#wanted = wanted;
    this.#ports = ports;
  }

  async run(signal: AbortSignal): Promise<readonly FetchedMessage[]> {
    try {
      await this.#fetchAll(signal);
      return this.#done;
    } finally {
      await this.#coming?.file?.close();
    }
  }

  async #fetchAll(signal: AbortSignal): Promise<void> {
    const { path, messages } = this.#wanted;
    let bytes = 0;
    const isFull = () => bytes >= WINDOW_BYTES || this.#done.length >= WINDOW_MESSAGES;
    while (this.#done.length < messages.length && (this.#coming !== undefined || !isFull())) {
      const left = messages.slice(this.#done.length, this.#done.length + STATES_MAX);
      // Of what follows a message that is on its way nothing is begun when this turn is over.
      const asked = this.#coming !== undefined && isFull() ? left.slice(0, 1) : left;
      const named = asked.map(({ uid, base }) => ({ uid, base }));
      const offset = this.#coming?.bytes ?? 0;
      for (const part of await this.#side.parts({ path, messages: named, offset }, signal)) {
        bytes += part?.bytes.length ?? 0;
        await this.#take(part, signal);
      }
    }
  }

  /** The next of the message that is next. */
  async #take(part: MessagePart, signal: AbortSignal): Promise<void> {
    const message = this.#wanted.messages[this.#done.length];
    if (message === undefined) return;
    const why = whyOther(message, part);
    if (part === undefined || why !== undefined) {
      await this.#settle(message, why);
      return;
    }
    this.#coming ??= { message, hash: openSha256(), file: undefined, bytes: 0, parts: 0, why: undefined };
    await this.#write(this.#coming, part.bytes);
    if (this.#coming.bytes === message.size) await this.#settle(message, await this.#whyNot(this.#coming, signal));
  }

  /** What this system refuses of one message keeps no other one. */
  async #write(coming: Coming, bytes: Uint8Array): Promise<void> {
    coming.hash.update(bytes);
    try {
      if (coming.parts === 0) coming.file = await open(this.#pathOf(coming.message), "w", FILE_MODE);
      if (coming.why === undefined) await coming.file?.writeFile(bytes);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      coming.why = whyItFailed(error);
    }
    coming.bytes += bytes.length;
    coming.parts += 1;
  }

  async #whyNot({ message, hash, parts, why }: Coming, signal: AbortSignal): Promise<string | undefined> {
    if (why !== undefined) return why;
    const { path, guid } = this.#wanted;
    const sha256 = hash.digest().toString("hex");
    const [known] = await this.#ports.known(guid, [message]);
    if (known !== undefined) return known.sha256 === sha256 && known.size === message.size ? undefined : OTHER_BYTES;
    if (parts === 1) return undefined;
    const [whole] = await this.#side.hashes({ path, uids: [message.uid] }, signal);
    return whole === sha256 ? undefined : CHANGED;
  }

  async #settle(message: WantedMessage, why: string | undefined): Promise<void> {
    const file = this.#coming?.file;
    this.#coming = undefined;
    await file?.close();
    if (why !== undefined) await rm(this.#pathOf(message), { force: true });
    this.#done.push({ uid: message.uid, why });
  }

  #pathOf({ uid }: WantedMessage): string {
    return join(this.#ports.scratch, fetchedName(this.#wanted.guid, uid));
  }
}

/** What a file in the scratch directory is called: what somebody else had fetched meanwhile is not taken for it. */
export function fetchedName(guid: MailboxGuid, uid: number): string {
  return `${guid}.${uid}`;
}

function whyOther({ size }: WantedMessage, part: MessagePart): string | undefined {
  if (part === undefined) return NOT_THERE;
  return part.size === size ? undefined : `its file on the replica is not one of ${size} bytes`;
}
