/** Ways to write uidlists in tests. */
import { parseUidlist, type Uidlist } from "../../../src/maildir/uidlist.js";

export const GUID = "0123456789abcdef0123456789abcdef";
export const HEADER = `3 V1763913600 N4 G${GUID}`;

export function bytesOf(...lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(""), "latin1");
}

export function uidlistOf(...lines: readonly string[]): Uidlist {
  const parse = parseUidlist(bytesOf(...lines));
  if (parse.kind !== "ok") throw new Error(JSON.stringify(parse));
  return parse.uidlist;
}

export interface PlainRecord {
  readonly uid: number;
  readonly base: string;
  readonly fields: string;
}

export function recordsOf(uidlist: Uidlist): PlainRecord[] {
  return Array.from({ length: uidlist.count }, (_, index) => ({
    uid: uidlist.uidAt(index),
    base: uidlist.baseAt(index),
    fields: uidlist.fieldsAt(index),
  }));
}
