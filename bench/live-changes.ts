/**
 * Changes a store while somebody replicates it, as Dovecot and its clients would on files: deliveries, flags and keywords,
 * copies, moves, expunges, sessions opening a mailbox, folders made, renamed and deleted; each under Dovecot's lock.
 *
 * Says what it did and when, so that a reader can tell the lag of each change.
 */
import { existsSync, readdirSync } from "node:fs";
import { nodePath, rawFromText } from "../src/base/raw-name.js";
import { copyMessage, expungeMessage, keywordsOf, moveMessage, openMailbox, storeFlags } from "./dovecot/change.js";
import { deliver } from "./dovecot/deliver.js";
import { createFolder, deleteFolder, renameFolder } from "./dovecot/folders.js";
import { listMessages, type StoredMessage } from "./dovecot/list-messages.js";
import { underUidlistLock } from "./dovecot/uidlist-lock.js";
import { compactUidlist } from "./dovecot/uidlist-tail.js";
import { composeMail } from "./generate/mail.js";
import { MailBuffer } from "./generate/mail-buffer.js";
import { makeProse, type Paragraph } from "./generate/prose.js";
import { createRandom, type Random } from "./generate/random.js";
import { mailSizeSampler } from "./generate/shape.js";
import { monotonicMs, unixMs } from "./measure/clock.js";
import { atRate } from "./measure/pace.js";

export type LiveAction =
  | "deliver"
  | "store-flags"
  | "copy"
  | "move"
  | "expunge"
  | "open"
  | "compact"
  | "create-folder"
  | "rename-folder"
  | "delete-folder";

export interface LiveChange {
  readonly action: LiveAction;
  /** Path of the mailbox where the change shows (the target of a copy); bytes in a string. */
  readonly mailbox: string;
  /** Base name of the message, where it is about one. */
  readonly base: string | undefined;
  /** What was copied or moved, and from where; the folder's path before it was renamed. */
  readonly from?: { readonly mailbox: string; readonly base: string | undefined };
  /** Just before it became visible: on the machine's monotonic clock, and since 1970. */
  readonly atMs: number;
  readonly atUnixMs: number;
}

export interface LiveChangesOptions {
  /** Paths of the Maildirs to change. */
  readonly maildirs: readonly string[];
  readonly perSecond: number;
  readonly seconds: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

interface Changer {
  readonly random: Random;
  readonly prose: readonly Paragraph[];
  readonly buffer: MailBuffer;
  readonly sizeOf: (random: Random) => number;
  /** Folders that this run made and may rename and delete. */
  readonly folders: { readonly maildir: string; name: string }[];
  made: number;
}

const ACTIONS: readonly { readonly action: LiveAction; readonly weight: number }[] = [
  { action: "deliver", weight: 44 },
  { action: "store-flags", weight: 22 },
  { action: "copy", weight: 6 },
  { action: "move", weight: 8 },
  { action: "expunge", weight: 8 },
  { action: "open", weight: 5 },
  { action: "compact", weight: 2 },
  { action: "create-folder", weight: 2 },
  { action: "rename-folder", weight: 2 },
  { action: "delete-folder", weight: 1 },
];
/** One of each first, so that a short run shows all. */
const OVERTURE: readonly LiveAction[] = [
  "deliver",
  "create-folder",
  "store-flags",
  "move",
  "rename-folder",
  "copy",
  "expunge",
  "open",
  "create-folder",
  "deliver",
  "delete-folder",
];
const KEYWORDS = ["$Forwarded", "NonJunk", "$label1", "urgent", "$Phishing"];

/** Makes changes at this rate for this long; resolves with all of them, in order. A new folder comes with a delivery into it. */
export async function makeLiveChanges(options: LiveChangesOptions): Promise<readonly LiveChange[]> {
  const changer: Changer = {
    random: createRandom(options.seed, 1),
    prose: makeProse(options.seed),
    buffer: new MailBuffer(1 << 20),
    sizeOf: mailSizeSampler(6000),
    folders: [],
    made: 0,
  };
  const maildirs = options.maildirs.map(rawFromText);
  const changes: LiveChange[] = [];
  await atRate(
    options,
    (at) => changes.push(...change(changer, maildirs, OVERTURE[at] ?? pickAction(changer.random))),
    options.signal,
  );
  return changes;
}

function pickAction(random: Random): LiveAction {
  let left = random.below(ACTIONS.reduce((sum, { weight }) => sum + weight, 0));
  for (const { action, weight } of ACTIONS) {
    if (left < weight) return action;
    left -= weight;
  }
  return "deliver";
}

/** Makes one change; where the wanted one has nothing to work on, a delivery instead. */
function change(changer: Changer, maildirs: readonly string[], action: LiveAction): readonly LiveChange[] {
  const { random } = changer;
  const maildir = random.pick(maildirs);
  const mailbox = random.pick(mailboxesOf(maildir));
  const atMs = monotonicMs();
  const atUnixMs = unixMs();
  const folderChange = changeFolder(changer, maildir, action);
  if (folderChange !== undefined) {
    const { delivery, ...where } = folderChange;
    return [{ action, ...where, base: undefined, atMs, atUnixMs }, ...(delivery === undefined ? [] : [delivery])];
  }
  if (action === "open") {
    openMailbox(mailbox);
    return [{ action, mailbox, base: undefined, atMs, atUnixMs }];
  }
  if (action === "compact") {
    underUidlistLock(mailbox, () => {
      const alive = new Set(listMessages(mailbox).map(({ base }) => base));
      compactUidlist(mailbox, (base) => alive.has(base));
    });
    return [{ action, mailbox, base: undefined, atMs, atUnixMs }];
  }
  const messages = listMessages(mailbox);
  if (action === "deliver" || messages.length === 0 || isFolderAction(action)) return [deliverOne(changer, mailbox)];
  const target = action === "copy" || action === "move" ? random.pick(mailboxesOf(maildir)) : mailbox;
  return [changeMessage({ changer, mailbox, target, message: random.pick(messages), action })];
}

interface MessageWork {
  readonly changer: Changer;
  readonly mailbox: string;
  readonly target: string;
  readonly message: StoredMessage;
  readonly action: "store-flags" | "copy" | "move" | "expunge";
}

function changeMessage({ changer, mailbox, target, message, action }: MessageWork): LiveChange {
  const { random } = changer;
  const keywords = keywordsOf(mailbox, message);
  const atUnixMs = unixMs();
  const { message: changed, atMs } = ((): { message: StoredMessage; atMs: number } => {
    switch (action) {
      case "store-flags": {
        const wanted = random.chance(0.4) ? [random.pick(KEYWORDS)] : keywords;
        return storeFlags(mailbox, message, {
          flags: random.pick(["", "S", "FS", "RS", "DS", "ST"]),
          keywords: wanted,
        });
      }
      case "copy":
        return copyMessage(mailbox, target, message, keywords);
      case "move":
        return moveMessage(mailbox, target, message, keywords);
      case "expunge":
        return expungeMessage(mailbox, message);
    }
  })();
  const isElsewhere = action === "copy" || action === "move";
  const from = isElsewhere ? { from: { mailbox, base: message.base } } : {};
  return { action, mailbox: target, base: changed.base, ...from, atMs, atUnixMs };
}

function deliverOne(changer: Changer, mailbox: string): LiveChange {
  const { random, prose, buffer } = changer;
  const atUnixMs = unixMs();
  const dateS = Math.floor(atUnixMs / 1000);
  const wish = {
    seed: random.u32(),
    index: changer.made++,
    bytes: changer.sizeOf(random),
    dateS,
    recipient: "somebody@example.net",
  };
  composeMail(wish, prose, buffer);
  const { base, atMs } = deliver(mailbox, buffer.bytes(), { sync: false });
  return { action: "deliver", mailbox, base, atMs, atUnixMs };
}

function isFolderAction(action: LiveAction): action is "create-folder" | "rename-folder" | "delete-folder" {
  return action === "create-folder" || action === "rename-folder" || action === "delete-folder";
}

interface FolderChange extends Pick<LiveChange, "mailbox" | "from"> {
  readonly delivery?: LiveChange;
}

/** The folder that was made, renamed or deleted; undefined when there was none to change. */
function changeFolder(changer: Changer, maildir: string, action: LiveAction): FolderChange | undefined {
  if (action === "create-folder") {
    const name = `Live ${++changer.made}`;
    changer.folders.push({ maildir, name });
    const path = createFolder(maildir, name, changer.random.hex(32));
    return { mailbox: path, delivery: deliverOne(changer, path) };
  }
  const folder = changer.folders.at(-1);
  if (folder === undefined) return undefined;
  if (action === "rename-folder") {
    const before = folder.name;
    folder.name = `Renamed ${++changer.made}`;
    const from = { mailbox: `${folder.maildir}/.${before}`, base: undefined };
    return { mailbox: renameFolder(folder.maildir, before, folder.name), from };
  }
  if (action !== "delete-folder") return undefined;
  changer.folders.pop();
  deleteFolder(folder.maildir, folder.name);
  return { mailbox: `${folder.maildir}/.${folder.name}` };
}

/** The Maildir itself and its Maildir++ folders. */
function mailboxesOf(maildir: string): readonly string[] {
  const folders = readdirSync(nodePath(maildir), { encoding: "latin1" })
    .filter((name) => name.startsWith(".") && existsSync(nodePath(`${maildir}/${name}/cur`)))
    .sort();
  return [maildir, ...folders.map((name) => `${maildir}/${name}`)];
}
