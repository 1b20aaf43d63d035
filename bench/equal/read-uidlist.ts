/**
 * Reads `dovecot-uidlist` (versions 1 and 3) and `dovecot-keywords` for the comparer.
 *
 * Deliberately written apart from the program's own readers: a mistake there must not hide itself here. Nothing is
 * repaired; every line that Dovecot would call broken is returned as a problem in words.
 * SOURCE: Dovecot's maildir-uidlist.c and maildir-keywords.c.
 */

export interface UidRecord {
  readonly uid: number;
  /** Keys with values between the UID and the name, sorted; the order in the file means nothing. */
  readonly fields: string;
  readonly line: number;
}

export interface UidlistReading {
  readonly uidValidity: number | undefined;
  /** N of the header, or 1. */
  readonly headerNextUid: number;
  readonly guid: string | undefined;
  /** Header keys other than V, N and G, sorted. */
  readonly otherHeader: string;
  /** By base name, as bytes in a string. */
  readonly recordByBase: ReadonlyMap<string, UidRecord>;
  /** The next UID that Dovecot would give: the larger of N and the last UID + 1. */
  readonly nextUid: number;
  readonly problems: readonly string[];
}

/** Reads the bytes of a uidlist. */
export function readUidlist(bytes: Buffer): UidlistReading {
  const text = bytes.toString("latin1");
  const problems: string[] = [];
  const lines = text.split("\n");
  if (lines.pop() !== "") problems.push("the last line has no line feed");
  const header = readHeader(lines[0] ?? "", problems);
  const recordByBase = new Map<string, UidRecord>();
  let last = 0;
  for (let at = 1; at < lines.length; at++) {
    const record = header.version === 1 ? readOldRecord(lines[at] ?? "") : readRecord(lines[at] ?? "");
    if (record === undefined) {
      problems.push(`line ${at + 1} is no record`);
      continue;
    }
    if (record.uid <= last) problems.push(`line ${at + 1}: UID ${record.uid} follows ${last}`);
    if (recordByBase.has(record.base)) problems.push(`line ${at + 1}: a second record of one file`);
    last = Math.max(last, record.uid);
    recordByBase.set(record.base, { uid: record.uid, fields: record.fields, line: at + 1 });
  }
  const { uidValidity, headerNextUid, guid, otherHeader } = header;
  return {
    uidValidity,
    headerNextUid,
    guid,
    otherHeader,
    recordByBase,
    nextUid: Math.max(headerNextUid, last + 1),
    problems,
  };
}

interface Header {
  readonly version: number;
  readonly uidValidity: number | undefined;
  readonly headerNextUid: number;
  readonly guid: string | undefined;
  readonly otherHeader: string;
}

function readHeader(line: string, problems: string[]): Header {
  const [version, ...fields] = line.replace(/\r$/, "").split(" ");
  if (version === "1") {
    return {
      version: 1,
      uidValidity: Number(fields[0]),
      headerNextUid: Number(fields[1]),
      guid: undefined,
      otherHeader: "",
    };
  }
  if (version !== "3") problems.push(`the header names version ${JSON.stringify(version)}`);
  const fieldOf = (key: string): string | undefined => fields.find((field) => field.startsWith(key))?.slice(1);
  const uidValidity = Number(fieldOf("V"));
  if (!(uidValidity > 0)) problems.push("the header has no V");
  return {
    version: 3,
    uidValidity: uidValidity > 0 ? uidValidity : undefined,
    headerNextUid: Number(fieldOf("N") ?? 1),
    guid: fieldOf("G"),
    otherHeader: fields
      .filter((field) => !/^[VNG]/.test(field))
      .sort()
      .join(" "),
  };
}

interface Line {
  readonly uid: number;
  readonly fields: string;
  readonly base: string;
}

function readRecord(raw: string): Line | undefined {
  const line = raw.replace(/\r$/, "");
  const colon = line.indexOf(" :");
  if (colon < 1) return undefined;
  const [uidText, ...fields] = line.slice(0, colon).split(" ");
  return lineOf(uidText, fields.sort().join(" "), line.slice(colon + 2));
}

function readOldRecord(line: string): Line | undefined {
  const space = line.indexOf(" ");
  return space < 1 ? undefined : lineOf(line.slice(0, space), "", line.slice(space + 1));
}

function lineOf(uidText: string | undefined, fields: string, name: string): Line | undefined {
  if (uidText === undefined || !/^[1-9][0-9]{0,9}$/.test(uidText)) return undefined;
  // A record may carry the info part; messages are matched by base name.
  const info = name.indexOf(":");
  const base = info < 0 ? name : name.slice(0, info);
  return base === "" ? undefined : { uid: Number(uidText), fields, base };
}

/** Keyword names by index (0 is letter `a`). */
export function readKeywords(bytes: Buffer): {
  readonly nameByIndex: ReadonlyMap<number, string>;
  readonly problems: readonly string[];
} {
  const nameByIndex = new Map<number, string>();
  const problems: string[] = [];
  bytes
    .toString("latin1")
    .split("\n")
    .forEach((line, at) => {
      if (line === "") return;
      const match = /^([0-9]+) (.+)$/.exec(line);
      const index = Number(match?.[1]);
      if (match === null || index > 25) problems.push(`dovecot-keywords line ${at + 1} is no keyword`);
      else nameByIndex.set(index, match[2] ?? "");
    });
  return { nameByIndex, problems };
}
