/**
 * Everything a mail client can see of one user's mail, read through Dovecot: the measure of "identical".
 *
 * Mailboxes are opened with EXAMINE and bodies read with BODY.PEEK[], so reading changes neither flags nor file
 * names. GUIDs are no part of IMAP here, so doveadm tells them. \Recent is session state and left out.
 * INTERNALDATE has whole seconds. A view taken while mail changes may mix two states; whoever compares must retry.
 */
import { createHash } from "node:crypto";
import type { FetchMessageObject, ImapFlow } from "imapflow";
import type { DovecotSite } from "./dovecot.js";
import { connect, select } from "./imap.js";

export interface MessageView {
  readonly uid: number;
  /** System flags without \Recent, sorted. */
  readonly flags: readonly string[];
  /** By name, sorted. */
  readonly keywords: readonly string[];
  readonly internalDateMs: number;
  readonly sizeBytes: number;
  /** sha256 in hex; undefined when bodies were not read. */
  readonly bodySha256: string | undefined;
  readonly guid: string;
}

export interface FolderView {
  readonly path: string;
  readonly selectable: boolean;
  readonly uidValidity: number;
  readonly uidNext: number;
  readonly guid: string;
  /** Ascending by UID. */
  readonly messages: readonly MessageView[];
}

export interface StoreView {
  readonly site: string;
  readonly user: string;
  readonly folders: ReadonlyMap<string, FolderView>;
  /** Sorted paths, existing or not. */
  readonly subscriptions: readonly string[];
}

export interface ViewOptions {
  /** "hash" (default) reads every body; false reads none, for large mailboxes. */
  readonly bodies?: false | "hash";
}

/** The whole of one user's mail. Makes INBOX if the user has none yet: that is what Dovecot does at login. */
export async function readView(site: DovecotSite, user: string, options: ViewOptions = {}): Promise<StoreView> {
  await using client = await connect(site, user);
  const asked = Promise.all([readGuids(site, user), readSubscriptions(site, user)]);
  asked.catch(() => {}); // awaited below; an IMAP failure before that must not leave it unhandled.
  const listed = await client.list({ listOnly: true });
  const rows: Omit<FolderView, "guid">[] = [];
  for (const { path, flags } of listed) {
    const selectable = !hasFlag(flags, "\\noselect") && !hasFlag(flags, "\\nonexistent");
    rows.push(selectable ? await readFolder(client, path, options.bodies ?? "hash") : emptyFolder(path));
  }
  const [{ byMailbox, byMessage }, subscriptions] = await asked;
  const folders = new Map<string, FolderView>();
  for (const row of rows) {
    const guid = byMailbox.get(row.path) ?? "";
    const messages = row.messages.map((message) => ({
      ...message,
      guid: byMessage.get(`${guid} ${message.uid}`) ?? "",
    }));
    folders.set(row.path, { ...row, guid, messages });
  }
  return { site: site.name, user, folders, subscriptions };
}

/** A cheap fingerprint for polling: per folder MESSAGES, UIDNEXT, UIDVALIDITY and UNSEEN. Flags are not in it. */
export async function readStatus(site: DovecotSite, user: string): Promise<string> {
  // A new session each time: one that has listed before does not see folders that others made since.
  await using client = await connect(site, user);
  const listed = await client.list({ statusQuery: { messages: true, uidNext: true, uidValidity: true, unseen: true } });
  const lines = listed.map(({ path, status, subscribed }) => {
    const { messages, uidNext, uidValidity, unseen } = status ?? {}; // a \\Noselect folder has none.
    return `${path} messages=${messages} uidnext=${uidNext} uidvalidity=${uidValidity} unseen=${unseen} sub=${subscribed}`;
  });
  return lines.sort().join("\n");
}

async function readFolder(client: ImapFlow, path: string, bodies: false | "hash"): Promise<Omit<FolderView, "guid">> {
  const mailbox = await select(client, path, { readOnly: true });
  const messages: MessageView[] = [];
  if (mailbox.exists > 0) {
    const query = { uid: true, flags: true, internalDate: true, size: true, source: bodies === "hash" };
    for await (const message of client.fetch("1:*", query)) messages.push(viewOf(message));
  }
  messages.sort((a, b) => a.uid - b.uid);
  const { uidNext, uidValidity } = mailbox;
  return { path, selectable: true, uidValidity: Number(uidValidity), uidNext, messages };
}

function viewOf(message: FetchMessageObject): MessageView {
  const all = [...(message.flags ?? [])].sort();
  const { internalDate, source } = message;
  return {
    uid: message.uid,
    flags: all.filter((flag) => flag.startsWith("\\") && flag.toLowerCase() !== "\\recent"),
    keywords: all.filter((flag) => !flag.startsWith("\\")),
    internalDateMs: internalDate === undefined ? Number.NaN : new Date(internalDate).getTime(),
    sizeBytes: message.size ?? Number.NaN,
    // Expunged between two responses of one FETCH: the server has no body for it any more, and the client says false.
    bodySha256: Buffer.isBuffer(source) ? createHash("sha256").update(source).digest("hex") : undefined,
    guid: "",
  };
}

function emptyFolder(path: string): Omit<FolderView, "guid"> {
  return { path, selectable: false, uidValidity: 0, uidNext: 0, messages: [] };
}

function hasFlag(flags: ReadonlySet<string>, wanted: string): boolean {
  return [...flags].some((flag) => flag.toLowerCase() === wanted);
}

interface Guids {
  /** Mailbox GUID by path. */
  readonly byMailbox: ReadonlyMap<string, string>;
  /** Message GUID by "<mailbox GUID> <uid>". */
  readonly byMessage: ReadonlyMap<string, string>;
}

/** By doveadm, since imapflow calls INBOX subscribed always and leaves out what no longer exists. */
async function readSubscriptions(site: DovecotSite, user: string): Promise<readonly string[]> {
  const listed = await site.doveadm(["mailbox", "list", "-s", "-u", user]);
  return listed
    .split("\n")
    .filter((path) => path !== "")
    .sort();
}

async function readGuids(site: DovecotSite, user: string): Promise<Guids> {
  const [statuses, fetched] = await Promise.all([
    site.doveadm(["-f", "tab", "mailbox", "status", "-u", user, "guid", "*"]),
    site.doveadm(["-f", "tab", "fetch", "-u", user, "mailbox-guid uid guid", "ALL"]),
  ]);
  const byMailbox = new Map<string, string>();
  for (const [path, guid] of tableRows(statuses)) if (guid !== undefined) byMailbox.set(path ?? "", guid);
  const byMessage = new Map<string, string>();
  for (const [mailbox, uid, guid] of tableRows(fetched)) byMessage.set(`${mailbox} ${uid}`, guid ?? "");
  return { byMailbox, byMessage };
}

/** doveadm's tab format: a head line, then one line a row, with \001 escapes inside fields. */
function tableRows(text: string): readonly (readonly string[])[] {
  const escapes: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", "0": "\0", "1": "\x01" };
  const rows = text.split("\n").filter((line) => line !== "");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character of this format is \001.
  const plain = (field: string): string => field.replace(/\x01(.)/g, (_, code: string) => escapes[code] ?? code);
  return rows.slice(1).map((line) => line.split("\t").map(plain));
}
