/**
 * A dovecot-uidlist of any length without the mail that it speaks of: gaps between UIDs, sizes as a delivery writes them, some
 * GUIDs of copies, some names that are not UTF-8. Always the same for the same options.
 */
import { createRandom } from "./random.js";

export interface UidlistOptions {
  readonly records: number;
  readonly seed: number;
}

/** All but `uid` are bytes in strings. */
export interface GeneratedRecord {
  readonly uid: number;
  readonly fields: string;
  readonly base: string;
}

const STREAM = 3;
const FIRST_S = 1_600_000_000;
const HEADER = "3 V1714500000 N1 G0123456789abcdef0123456789abcdef\n";

/** In the order of the file; no base name comes twice. */
export function* uidlistRecords({ records, seed }: UidlistOptions): Generator<GeneratedRecord, void> {
  const random = createRandom(seed, STREAM);
  let uid = 0;
  let dateS = FIRST_S;
  for (let at = 0; at < records; at++) {
    uid += random.chance(0.1) ? 1 + random.below(20) : 1;
    dateS += 1 + random.below(200);
    const bytes = 500 + random.below(60_000);
    const sizes = `S=${bytes},W=${bytes + random.below(900)}`;
    const host = random.chance(0.02) ? "m\xfcx.caf\xe9" : "mx1.example.net";
    const base = `${dateS}.M${random.below(1_000_000)}P${1000 + random.below(30_000)}.${host},${sizes}`;
    yield { uid, base, fields: random.chance(0.05) ? `G${dateS - 1}.M1P1.elsewhere,S=${bytes}` : "" };
  }
}

export function composeUidlist(options: UidlistOptions): Buffer {
  const pieces: Buffer[] = [];
  let lines: string[] = [HEADER];
  for (const { uid, base, fields } of uidlistRecords(options)) {
    lines.push(fields === "" ? `${uid} :${base}\n` : `${uid} ${fields} :${base}\n`);
    if (lines.length < 10_000) continue;
    pieces.push(Buffer.from(lines.join(""), "latin1"));
    lines = [];
  }
  pieces.push(Buffer.from(lines.join(""), "latin1"));
  return Buffer.concat(pieces);
}
