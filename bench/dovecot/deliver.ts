/**
 * Delivers a message as Dovecot's LMTP does it on files: write to tmp/, take the uidlist lock, rename into new/, append the
 * record, drop the lock.
 */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { nodePath } from "../../src/base/raw-name.js";
import { virtualSizeOf } from "../generate/mail-buffer.js";
import { monotonicMs, unixMs } from "../measure/clock.js";
import { underUidlistLock } from "./uidlist-lock.js";
import { appendRecords, growIndexLog } from "./uidlist-tail.js";

export interface Delivery {
  readonly base: string;
  readonly uid: number;
  /** On the machine's monotonic clock, just before the file became visible. */
  readonly atMs: number;
}

let sequence = 0;

/** A base name that is new on this host, with the sizes of these bytes. */
export function newBaseName(bytes: Uint8Array): string {
  const ms = unixMs();
  const micros = (ms % 1000) * 1000 + (sequence++ % 1000);
  return `${Math.floor(ms / 1000)}.M${micros}P${process.pid}Q${sequence}.bench,S=${bytes.length},W=${virtualSizeOf(bytes)}`;
}

/** Returns once the message has its record and the lock is free again. `sync` fsyncs the file and the uidlist. */
export function deliver(mailbox: string, bytes: Uint8Array, options: { readonly sync: boolean }): Delivery {
  const base = newBaseName(bytes);
  const temporary = `${mailbox}/tmp/${base.slice(0, base.indexOf(","))}`;
  const fd = openSync(nodePath(temporary), "wx", 0o600);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  if (options.sync) fsyncSync(fd);
  closeSync(fd);
  return underUidlistLock(mailbox, () => {
    const atMs = monotonicMs();
    renameSync(nodePath(temporary), nodePath(`${mailbox}/new/${base}`));
    const uid = appendRecords(mailbox, [{ base }], options);
    growIndexLog(mailbox);
    return { base, uid, atMs };
  });
}
