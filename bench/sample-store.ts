/**
 * A small store with everything that is odd about real ones: several users and folders, keywords in different orders, names
 * that are not UTF-8 or full of punctuation, unknown flag letters, a 12 MB mail, copies with a GUID of their own, records
 * without files, mail still in new/.
 *
 * INVARIANT: always the same. No file without a record, so that two readings agree at once.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { nodePath, rawFromText } from "../src/base/raw-name.js";
import { composeMail } from "./generate/mail.js";
import { MailBuffer } from "./generate/mail-buffer.js";
import { makeProse, type Paragraph } from "./generate/prose.js";
import { createRandom, type Random } from "./generate/random.js";
import { mailSizeSampler } from "./generate/shape.js";
import { writeMessageFile } from "./generate/write-message.js";

export interface SampleStore {
  /** Paths of the Maildirs below the store. */
  readonly maildirs: readonly string[];
  /** Paths of all mailboxes below the store, bytes in strings. */
  readonly mailboxes: readonly string[];
  readonly messages: number;
}

interface SampleMailbox {
  /** Behind the Maildir's path: "" or "/.Sent". */
  readonly name: string;
  readonly ordinary: number;
  readonly keywords: readonly string[];
  readonly odd?: readonly OddMessage[];
}

interface OddMessage {
  /** Bytes in a string; sizes are added where `@` stands. */
  readonly base: string;
  readonly place: "cur" | "new";
  /** With its colon: ":2,S". */
  readonly info: string;
  readonly bytes: number | "big";
  readonly fields?: string;
}

const SEED = 20_240_501;
const FIRST_S = 1_714_521_600;
const FIRST_UIDVALIDITY = 1_714_500_000;
const BIG_MAIL_BYTES = 12_000_000;

const ODD_MESSAGES: readonly OddMessage[] = [
  { base: "1714600001.M1P1.caf\xe9-\xff\xfe,@", place: "cur", info: ":2,S", bytes: 3000 },
  { base: "1714600002.M2P2.host;a=1&b=2+c d  e,@", place: "cur", info: ":2,FS", bytes: 2500 },
  { base: "1714600003.M3P3.gr\xc3\xbc\xc3\x9fe,@", place: "new", info: "", bytes: 2000 },
  { base: "1714600004.M4P4.host,@", place: "cur", info: ":2,RSXY,tail", bytes: 1500 },
  { base: "no-digits-and-no-sizes", place: "cur", info: ":2,", bytes: 1200 },
  {
    base: "1714600005.M5P5.host,@",
    place: "cur",
    info: ":2,Sab",
    bytes: 1800,
    fields: "G1714500005.M9P9.elsewhere,S=1800,W=1850",
  },
  { base: "1714600006.M6P6.host,@", place: "cur", info: "", bytes: 900, fields: "S900 W930" },
  { base: "1714600007.M7P7.host,@", place: "cur", info: ":2,S", bytes: "big" },
];

const USERS: readonly { readonly name: string; readonly mailboxes: readonly SampleMailbox[] }[] = [
  {
    name: "alice",
    mailboxes: [
      { name: "", ordinary: 60, keywords: ["$Forwarded", "NonJunk", "$label1"], odd: ODD_MESSAGES },
      { name: "/.Sent", ordinary: 25, keywords: [] },
      { name: "/.Archive", ordinary: 12, keywords: ["$label1", "NonJunk", "$Forwarded"] },
      { name: "/.Archive.2024", ordinary: 30, keywords: ["NonJunk"] },
      { name: "/.Entw&APw-rfe", ordinary: 4, keywords: [] },
      { name: '/.With space and "quotes"', ordinary: 6, keywords: ["todo"] },
      { name: "/.Ends with %", ordinary: 3, keywords: [] },
      { name: "/.Empty", ordinary: 0, keywords: [] },
    ],
  },
  {
    name: "bob",
    mailboxes: [
      { name: "", ordinary: 40, keywords: ["Junk", "$MDNSent"] },
      { name: "/.Sent", ordinary: 10, keywords: [] },
      { name: "/.Lists.dev-all", ordinary: 35, keywords: ["$label4"] },
    ],
  },
  {
    name: "carol",
    mailboxes: [
      { name: "", ordinary: 15, keywords: [] },
      { name: "/.Trash", ordinary: 5, keywords: [] },
    ],
  },
];

interface Maker {
  readonly prose: readonly Paragraph[];
  readonly buffer: MailBuffer;
  readonly random: Random;
  readonly sizeOf: (random: Random) => number;
  readonly bigMailBytes: number;
  nextIndex: number;
}

/** Writes the sample store into a directory that is new or empty. Its one big mail can be made smaller for tests. */
export function makeSampleStore(
  path: string,
  options: { readonly bigMailBytes: number } = { bigMailBytes: BIG_MAIL_BYTES },
): SampleStore {
  const root = rawFromText(path);
  mkdirSync(nodePath(root), { recursive: true, mode: 0o755 });
  if (readdirSync(nodePath(root)).length > 0) throw new Error(`sample store in ${path}: the directory is not empty`);
  const random = createRandom(SEED, 0);
  const maker: Maker = {
    prose: makeProse(SEED),
    buffer: new MailBuffer(1 << 20),
    random,
    sizeOf: mailSizeSampler(4000),
    bigMailBytes: options.bigMailBytes,
    nextIndex: 0,
  };
  const mailboxes: string[] = [];
  for (const { name, mailboxes: planned } of USERS) {
    const maildir = `${root}/${name}/Maildir`;
    mkdirSync(nodePath(maildir), { recursive: true, mode: 0o700 });
    planned.forEach((mailbox, at) => {
      writeMailbox(maker, maildir + mailbox.name, mailbox, FIRST_UIDVALIDITY + at);
      mailboxes.push(`${name}/Maildir${mailbox.name}`);
    });
    writeUserFiles(maildir, planned);
  }
  return { maildirs: USERS.map(({ name }) => `${name}/Maildir`), mailboxes, messages: maker.nextIndex };
}

function writeMailbox(maker: Maker, path: string, mailbox: SampleMailbox, uidValidity: number): void {
  for (const part of ["", "/cur", "/new", "/tmp"]) mkdirSync(nodePath(path + part), { recursive: true, mode: 0o700 });
  const lines: string[] = [];
  let uid = 0;
  for (let at = 0; at < mailbox.ordinary; at++) {
    uid += at % 9 === 8 ? 5 : 1;
    lines.push(writeMessage(maker, path, ordinaryMessage(maker, mailbox, at), uid));
    // Records of expunged mail stay until Dovecot's next rewrite.
    if (at % 20 === 19) lines.push(`${++uid} :${FIRST_S + at}.M0P1.gone,S=1,W=2\n`);
  }
  for (const odd of mailbox.odd ?? []) lines.push(writeMessage(maker, path, odd, ++uid));
  const header = `3 V${uidValidity} N${mailbox.ordinary % 2 === 0 ? uid + 4 : 1} G${maker.random.hex(32)}\n`;
  writeFileSync(nodePath(`${path}/dovecot-uidlist`), header + lines.join(""), { encoding: "latin1", mode: 0o600 });
  if (mailbox.keywords.length > 0) {
    const text = mailbox.keywords.map((keyword, at) => `${at} ${keyword}\n`).join("");
    writeFileSync(nodePath(`${path}/dovecot-keywords`), text, { mode: 0o600 });
  }
  if (mailbox.name !== "") writeFileSync(nodePath(`${path}/maildirfolder`), "", { mode: 0o600 });
}

function ordinaryMessage(maker: Maker, mailbox: SampleMailbox, at: number): OddMessage {
  const { random } = maker;
  const base = `${FIRST_S + 977 * at}.M${random.below(1_000_000)}P${100 + random.below(900)}.mx1,@`;
  const bytes = maker.sizeOf(random);
  if (random.chance(0.1)) return { base, place: "new", info: "", bytes };
  const keyword =
    mailbox.keywords.length > 0 && random.chance(0.4)
      ? String.fromCharCode(0x61 + random.below(mailbox.keywords.length))
      : "";
  return { base, place: "cur", info: `:2,${random.pick(["", "S", "RS", "FS", "S"])}${keyword}`, bytes };
}

/** Returns the message's record. */
function writeMessage(maker: Maker, path: string, message: OddMessage, uid: number): string {
  const { buffer, prose } = maker;
  const dateS = FIRST_S + 977 * maker.nextIndex;
  composeMail(
    {
      seed: SEED,
      index: maker.nextIndex++,
      bytes: message.bytes === "big" ? maker.bigMailBytes : message.bytes,
      dateS,
      recipient: "somebody@example.net",
    },
    prose,
    buffer,
  );
  const base = message.base.replace("@", `S=${buffer.length},W=${buffer.virtualSize()}`);
  writeMessageFile(`${path}/${message.place}/${base}${message.info}`, buffer.bytes(), dateS);
  return `${uid}${message.fields === undefined ? "" : ` ${message.fields}`} :${base}\n`;
}

function writeUserFiles(maildir: string, mailboxes: readonly SampleMailbox[]): void {
  const folders = mailboxes
    .filter(({ name }) => name !== "")
    .map(({ name }) => `${name.slice(2).replaceAll(".", "\t")}\n`);
  writeFileSync(nodePath(`${maildir}/subscriptions`), `V\t2\n\n${folders.join("")}`, { mode: 0o600 });
  const counter = (FIRST_UIDVALIDITY + mailboxes.length).toString(16);
  writeFileSync(nodePath(`${maildir}/dovecot-uidvalidity`), counter, { mode: 0o600 });
  writeFileSync(nodePath(`${maildir}/dovecot-uidvalidity.${counter}`), "", { mode: 0o444 });
}
