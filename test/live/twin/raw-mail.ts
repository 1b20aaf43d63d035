/**
 * Mail written straight into a site's Maildir, as another program beside Dovecot would: under Dovecot's lock with
 * records, or without either, as a plain delivery agent does.
 *
 * All that is made here belongs to the mail owner, the lock too: Dovecot reads it to see whether its holder lives.
 */
import {
  appendFileSync,
  chownSync,
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import type { DovecotSite } from "../lab/dovecot.js";
import { bytesOf } from "../lab/files.js";
import { makeMessage } from "../lab/messages.js";
import { until } from "../lab/until.js";

/** Names a mailbox by its directory below the user's Maildir, bytes as latin1: "" is INBOX, ".Work" a Maildir++ folder. */
export interface MailboxPlace {
  readonly site: DovecotSite;
  readonly user: string;
  readonly folder?: string;
}

export function mailboxDir({ site, user, folder = "" }: MailboxPlace): string {
  return folder === "" ? site.mailRoot(user) : `${site.mailRoot(user)}/${folder}`;
}

const HOLD_MESSAGES_MAX = 200;
const LOCK_MS_MAX = 20_000;
const BODIES = 16;

/** Takes Dovecot's lock of a mailbox in the name of this (living) process; returns what releases it. */
export async function takeLock(
  dir: string,
  owner: { readonly uid: number; readonly gid: number },
): Promise<() => void> {
  const path = bytesOf(`${dir}/dovecot-uidlist.lock`);
  const tryOnce = (): boolean => {
    try {
      const fd = openSync(path, "wx", 0o644);
      writeSync(fd, `${process.pid}:${hostname()}`);
      closeSync(fd);
      chownSync(path, owner.uid, owner.gid);
      return true;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
      throw error;
    }
  };
  await until(`the lock of ${dir}`, tryOnce, { deadlineMs: LOCK_MS_MAX, pollMs: 1 });
  return () => unlinkSync(path);
}

/**
 * Delivers `count` small messages into an existing mailbox the way LMTP does (tmp/, lock, rename into new/, record), many
 * to one hold of the lock: thousands a second. `makeBody` makes others of the numbers from 0 on, each once.
 */
export async function fileMail(
  place: MailboxPlace,
  options: { readonly count: number; readonly seed: number; readonly makeBody?: (index: number) => Buffer },
): Promise<void> {
  const dir = mailboxDir(place);
  const { owner } = place.site;
  const bodies = Array.from({ length: BODIES }, (_, i) => storedBody(options.seed + i));
  const bodyOf = options.makeBody ?? ((index) => bodies[index % BODIES] ?? Buffer.alloc(0));
  for (let done = 0; done < options.count; done += HOLD_MESSAGES_MAX) {
    const batch = Math.min(HOLD_MESSAGES_MAX, options.count - done);
    const bases = Array.from({ length: batch }, (_, i) => {
      const body = bodyOf(done + i);
      const base = nextBaseName(body);
      writeOwned(`${dir}/tmp/${base}`, body, owner);
      return base;
    });
    const release = await takeLock(dir, owner);
    try {
      for (const base of bases) renameSync(bytesOf(`${dir}/tmp/${base}`), bytesOf(`${dir}/new/${base}`));
      const uidlist = bytesOf(`${dir}/dovecot-uidlist`);
      const first = nextUidOf(uidlist);
      appendFileSync(uidlist, bases.map((base, i) => `${first + i} :${base}\n`).join(""));
    } finally {
      release();
    }
  }
}

/** Puts one file without a record under exactly this name (bytes as latin1), like a delivery agent that knows no Dovecot. */
export function dropFile(
  place: MailboxPlace,
  name: string,
  options: { readonly seed: number; readonly into?: "cur" | "new" },
): void {
  const dir = mailboxDir(place);
  const temporary = `${dir}/tmp/drop.${process.pid}.${options.seed}`;
  writeOwned(temporary, storedBody(options.seed), place.site.owner);
  renameSync(bytesOf(temporary), bytesOf(`${dir}/${options.into ?? "new"}/${name}`));
}

let sequence = 0;

/** A unique name as Dovecot makes them, with both sizes. */
export function nextBaseName(body: Buffer): string {
  sequence += 1;
  const micros = String(sequence % 1_000_000).padStart(6, "0");
  const lines = body.reduce((count, byte) => count + (byte === 0x0a ? 1 : 0), 0);
  const second = 1_700_000_000 + Math.floor(sequence / 1_000_000);
  return `${second}.M${micros}P${process.pid}Q${sequence}.lab,S=${body.length},W=${body.length + lines}`;
}

/** A message as Dovecot stores it: lines end with LF. */
export function storedBody(seed: number, bytes = 600): Buffer {
  return Buffer.from(makeMessage({ seed, bytes }).toString("latin1").replaceAll("\r\n", "\n"), "latin1");
}

function writeOwned(path: string, bytes: Buffer, owner: { readonly uid: number; readonly gid: number }): void {
  writeFileSync(bytesOf(path), bytes, { mode: 0o600 });
  chownSync(bytesOf(path), owner.uid, owner.gid);
}

/** The larger of N and the last record's UID + 1. */
export function nextUidOf(uidlist: string | Buffer): number {
  const lines = readFileSync(uidlist, "latin1").trimEnd().split("\n");
  const fromHeader = Number(/ N(\d+)/.exec(lines[0] ?? "")?.[1] ?? 1);
  const last = lines.length > 1 ? Number.parseInt(lines.at(-1) ?? "", 10) : 0;
  return Math.max(fromHeader, last + 1);
}

/** Base names in the order of their UIDs. */
export function uidlistBases(place: MailboxPlace): readonly string[] {
  const lines = readFileSync(`${mailboxDir(place)}/dovecot-uidlist`, "latin1")
    .trimEnd()
    .split("\n")
    .slice(1);
  return lines.map((line) => line.slice(line.indexOf(" :") + 2));
}
