/**
 * IMAP sessions of the live tests, over imapflow: thin functions that throw where imapflow answers `false`.
 *
 * Extensions are not enabled by themselves (ENABLE CONDSTORE would write to the server's index) and IDLE starts only
 * when a test asks for it, so that a session does what its test says and nothing else. Messages are named by UID.
 */
import { ImapFlow, type MailboxObject } from "imapflow";
import type { DovecotSite } from "./dovecot.js";

const SOCKET_MS_MAX = 150_000;

export interface SessionOptions {
  /** Lets imapflow ENABLE CONDSTORE. */
  readonly condstore?: boolean;
  /** QRESYNC instead of CONDSTORE. */
  readonly qresync?: boolean;
  /** Makes imapflow emit its protocol log as "log" events. */
  readonly emitLogs?: boolean;
}

/** A logged-in session: `await using session = await connect(site, "u1")` logs out at the end of the scope. */
export async function connect(site: DovecotSite, user: string, options: SessionOptions = {}): Promise<ImapFlow> {
  const enable = options.condstore === true || options.qresync === true;
  const client = new ImapFlow({
    host: "127.0.0.1",
    port: site.imapPort,
    secure: false,
    doSTARTTLS: false,
    auth: { user, pass: site.password },
    logger: false,
    emitLogs: options.emitLogs === true,
    disableAutoIdle: true,
    disableAutoEnable: !enable,
    qresync: options.qresync === true,
    disableCompression: true,
    socketTimeout: SOCKET_MS_MAX,
  });
  // Without a listener a lost connection would end the test process; the pending or next command rejects anyway.
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** SELECT (or EXAMINE). */
export function select(
  client: ImapFlow,
  path: string,
  options: { readonly readOnly?: boolean } = {},
): Promise<MailboxObject> {
  return client.mailboxOpen(path, { readOnly: options.readOnly === true });
}

export interface AppendOptions {
  /** INTERNALDATE; whole seconds. Default: now, by the server. */
  readonly date?: Date;
  /** System flags ("\\Seen") and keywords ("$Label1") alike. */
  readonly flags?: readonly string[];
}

/** APPEND; returns the new UID. */
export async function append(
  client: ImapFlow,
  path: string,
  message: Buffer,
  options: AppendOptions = {},
): Promise<number> {
  const answer = await client.append(path, message, [...(options.flags ?? [])], options.date);
  if (answer === false || answer.uid === undefined) throw new Error(`APPEND to ${path} gave no UID`);
  return answer.uid;
}

/** UIDs, or a sequence set of UIDs such as "1:*". */
export type UidSet = readonly number[] | string;

export interface FlagChange {
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
  readonly set?: readonly string[];
}

/** UID STORE in the selected mailbox, one command a kind of change. */
export async function store(client: ImapFlow, uids: UidSet, change: FlagChange): Promise<void> {
  const range = formatUidSet(uids);
  const options = { uid: true } as const;
  if (change.set !== undefined) must(await client.messageFlagsSet(range, [...change.set], options), "STORE FLAGS");
  if (change.add !== undefined) must(await client.messageFlagsAdd(range, [...change.add], options), "STORE +FLAGS");
  if (change.remove !== undefined)
    must(await client.messageFlagsRemove(range, [...change.remove], options), "STORE -FLAGS");
}

/** UID COPY from the selected mailbox; returns new UIDs by old. */
export async function copy(client: ImapFlow, uids: UidSet, target: string): Promise<ReadonlyMap<number, number>> {
  const answer = await client.messageCopy(formatUidSet(uids), target, { uid: true });
  if (answer === false || answer.uidMap === undefined) throw new Error(`COPY to ${target} failed`);
  return answer.uidMap;
}

/** UID MOVE from the selected mailbox; returns new UIDs by old. */
export async function move(client: ImapFlow, uids: UidSet, target: string): Promise<ReadonlyMap<number, number>> {
  const answer = await client.messageMove(formatUidSet(uids), target, { uid: true });
  if (answer === false || answer.uidMap === undefined) throw new Error(`MOVE to ${target} failed`);
  return answer.uidMap;
}

/** Marks \Deleted and UID EXPUNGEs in the selected mailbox. */
export async function expunge(client: ImapFlow, uids: UidSet): Promise<void> {
  must(await client.messageDelete(formatUidSet(uids), { uid: true }), "EXPUNGE");
}

/** CREATE; also subscribes unless told otherwise (imapflow always does, so it is undone). Throws if it exists. */
export async function createFolder(
  client: ImapFlow,
  path: string,
  options: { readonly subscribe?: boolean } = {},
): Promise<void> {
  const answer = await client.mailboxCreate(path);
  must(answer.created, `CREATE ${path}`);
  if (options.subscribe === false) await unsubscribe(client, path);
}

/** RENAME; children go with it. */
export async function renameFolder(client: ImapFlow, path: string, newPath: string): Promise<void> {
  await client.mailboxRename(path, newPath);
}

/** DELETE with all its messages. */
export async function deleteFolder(client: ImapFlow, path: string): Promise<void> {
  await client.mailboxDelete(path);
}

async function unsubscribe(client: ImapFlow, path: string): Promise<void> {
  must(await client.mailboxUnsubscribe(path), `UNSUBSCRIBE ${path}`);
}

/** "1:3,7" for [1, 2, 3, 7]: long commands would exceed Dovecot's line limit of 64 kB. */
export function formatUidSet(uids: UidSet): string {
  if (typeof uids === "string") return uids;
  const sorted = [...new Set(uids)].sort((a, b) => a - b);
  const spans: [number, number][] = [];
  for (const uid of sorted) {
    const last = spans.at(-1);
    if (last !== undefined && last[1] + 1 === uid) last[1] = uid;
    else spans.push([uid, uid]);
  }
  return spans.map(([first, last]) => (first === last ? `${first}` : `${first}:${last}`)).join(",");
}

function must(ok: boolean, what: string): void {
  if (!ok) throw new Error(`${what} failed`);
}
