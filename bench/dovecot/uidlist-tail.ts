/**
 * The cheap ways in which Dovecot changes `dovecot-uidlist` under its lock: append records with one write; rewrite it to a
 * temporary file and rename. The next UID is read from the head and the tail, so that its cost does not grow with the mailbox.
 */
import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { nodePath } from "../../src/base/raw-name.js";

export interface NewRecord {
  readonly base: string;
  /** Fields between UID and name, for example a GUID of its own: `Gabc S12`. */
  readonly fields?: string;
}

const HEAD_BYTES = 512;
const TAIL_BYTES = 2048;

/** Appends records with the next UIDs; returns the UID of the first. Call under the lock. */
export function appendRecords(
  mailbox: string,
  records: readonly NewRecord[],
  options: { readonly sync: boolean },
): number {
  const fd = openSync(nodePath(`${mailbox}/dovecot-uidlist`), "a+");
  try {
    const firstUid = nextUidOf(fd);
    const lines = records.map(
      ({ base, fields }, at) => `${firstUid + at}${fields === undefined ? "" : ` ${fields}`} :${base}\n`,
    );
    writeSync(fd, Buffer.from(lines.join(""), "latin1"));
    if (options.sync) fdatasyncSync(fd);
    return firstUid;
  } finally {
    closeSync(fd);
  }
}

function nextUidOf(fd: number): number {
  const head = Buffer.alloc(HEAD_BYTES);
  const header = head.toString("latin1", 0, readSync(fd, head, 0, HEAD_BYTES, 0)).split("\n", 1)[0] ?? "";
  const fromHeader = Number(/ N([0-9]+)/.exec(header)?.[1] ?? 1);
  const tail = Buffer.alloc(TAIL_BYTES);
  const count = readSync(fd, tail, 0, TAIL_BYTES, Math.max(0, fstatSync(fd).size - TAIL_BYTES));
  const last = tail.toString("latin1", 0, count).trimEnd().split("\n").at(-1) ?? "";
  const lastUid = last.startsWith("3 V") ? 0 : Number(/^([0-9]+) /.exec(last)?.[1] ?? 0);
  return Math.max(fromHeader, lastUid + 1);
}

/** Rewrites the uidlist without the records that `isAlive` refuses and brings N up to date. Call under the lock. */
export function compactUidlist(mailbox: string, isAlive: (base: string) => boolean): void {
  const path = `${mailbox}/dovecot-uidlist`;
  const [header = "", ...lines] = readFileSync(nodePath(path), "latin1").trimEnd().split("\n");
  const uidOf = (line: string | undefined): number => Number(/^([0-9]+) /.exec(line ?? "")?.[1] ?? 0);
  const next = Math.max(Number(/ N([0-9]+)/.exec(header)?.[1] ?? 1), uidOf(lines.at(-1)) + 1);
  const alive = lines.filter((line) => isAlive(line.slice(line.indexOf(" :") + 2)));
  const text = `${[header.replace(/ N[0-9]+/, ` N${next}`), ...alive].join("\n")}\n`;
  writeFileSync(nodePath(`${path}.tmp`), text, { encoding: "latin1", mode: 0o600 });
  renameSync(nodePath(`${path}.tmp`), nodePath(path));
}

/** Dovecot logs every change to its index; watchers may take that file's growth as their hint. */
export function growIndexLog(mailbox: string): void {
  writeFileSync(nodePath(`${mailbox}/dovecot.index.log`), "a bench wrote this; Dovecot will start a new log.\n", {
    flag: "a",
    mode: 0o600,
  });
}
