/**
 * Writes a tree of realistic mail as an unmodified Dovecot would have left it: message files, `dovecot-uidlist` version 3,
 * `dovecot-keywords`, `maildirfolder`, `subscriptions`, `dovecot-uidvalidity`.
 *
 * INVARIANT: the same options write the same names, bytes and mtimes. The directory must not exist or be empty. Files go
 * straight to their final names with synchronous calls: nobody reads the tree while it is made.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rawFromText } from "../../src/base/raw-name.js";
import { composeMail } from "./mail.js";
import { MailBuffer } from "./mail-buffer.js";
import { baseNameOf, draftMessages, fileNameOf, KEYWORDS, recordOf } from "./message.js";
import { makeProse, type Paragraph } from "./prose.js";
import { createRandom, type Random } from "./random.js";
import { MAIL_BYTES_MAX, type MailboxShape, mailSizeSampler, planTree, type TreeOptions } from "./shape.js";
import { writeMessageFile } from "./write-message.js";

export interface TreeSummary {
  readonly mails: number;
  readonly mailboxes: number;
  readonly bytes: number;
}

export interface TreeProgress {
  readonly mails: number;
  readonly bytes: number;
}

const MAILBOX_STREAM = 0x3_0000_0000;
const PROGRESS_EVERY_MAILS = 5000;
const FIRST_UIDVALIDITY = 1_609_718_400;

interface Bench {
  readonly root: string;
  readonly options: TreeOptions;
  readonly prose: readonly Paragraph[];
  readonly buffer: MailBuffer;
  readonly sizeOf: (random: Random) => number;
  readonly onProgress: (progress: TreeProgress) => void;
}

/** Makes the tree in `root`. Returns when all is written (not necessarily on stable storage). */
export function generateTree(
  root: string,
  options: TreeOptions,
  onProgress: (progress: TreeProgress) => void = () => {},
): TreeSummary {
  mkdirSync(root, { recursive: true, mode: 0o755 });
  if (readdirSync(root).length > 0) throw new Error(`generate into ${root}: the directory is not empty`);
  const { seed, meanBytes } = options;
  const buffer = new MailBuffer(MAIL_BYTES_MAX + 65_536);
  const bench: Bench = {
    root,
    options,
    prose: makeProse(seed),
    buffer,
    sizeOf: mailSizeSampler(meanBytes),
    onProgress,
  };
  const done = { mails: 0, mailboxes: 0, bytes: 0 };
  for (const user of planTree(options)) {
    mkdirSync(join(root, user.path), { recursive: true, mode: 0o755 });
    user.mailboxes.forEach((mailbox, at) => {
      writeMailbox(bench, mailbox, FIRST_UIDVALIDITY + at, done);
    });
    writeUserFiles(join(root, user.path), user.mailboxes);
  }
  return done;
}

function writeMailbox(
  bench: Bench,
  shape: MailboxShape,
  uidValidity: number,
  done: { mails: number; mailboxes: number; bytes: number },
): void {
  const path = join(bench.root, shape.path);
  for (const part of ["", "cur", "new", "tmp"]) mkdirSync(join(path, part), { recursive: true, mode: 0o700 });
  const rawPath = rawFromText(path);
  const random = createRandom(bench.options.seed, MAILBOX_STREAM + shape.firstIndex * 1024 + done.mailboxes);
  const guid = random.hex(32);
  const records: string[] = [];
  let index = shape.firstIndex;
  let uid = 0;
  for (const draft of draftMessages({ count: shape.mails, isInbox: shape.isInbox }, random)) {
    const { buffer } = bench;
    const wish = {
      index,
      seed: bench.options.seed,
      bytes: bench.sizeOf(random),
      dateS: draft.internalDateS,
      recipient: shape.recipient,
    };
    composeMail(wish, bench.prose, buffer);
    const sizes = { bytes: buffer.length, virtualBytes: buffer.virtualSize() };
    const baseName = baseNameOf(draft, sizes);
    writeMessageFile(`${rawPath}/${draft.place}/${fileNameOf(draft, baseName)}`, buffer.bytes(), draft.internalDateS);
    records.push(recordOf(draft, baseName, sizes));
    index++;
    uid = draft.uid;
    done.bytes += sizes.bytes;
    done.mails++;
    if (done.mails % PROGRESS_EVERY_MAILS === 0) bench.onProgress(done);
  }
  done.mailboxes++;
  // Dovecot leaves N behind when it appends, and ahead when the last messages were expunged: all three occur.
  const next = random.pick([uid + 1, Math.max(1, uid - random.below(20)), uid + 1 + random.below(30)]);
  const header = `3 V${uidValidity} N${next} G${guid}\n`;
  writeFileSync(join(path, "dovecot-uidlist"), header + records.join(""), { mode: 0o600, encoding: "latin1" });
  const keywords = KEYWORDS.map((keyword, at) => `${at} ${keyword}\n`).join("");
  writeFileSync(join(path, "dovecot-keywords"), keywords, { mode: 0o600 });
  if (!shape.isInbox) writeFileSync(join(path, "maildirfolder"), "", { mode: 0o600 });
}

function writeUserFiles(maildir: string, mailboxes: readonly MailboxShape[]): void {
  const folders = mailboxes.filter((mailbox) => !mailbox.isInbox).map((mailbox) => folderNameOf(mailbox.path));
  const lines = folders.map((folder) => `${folder.replaceAll(".", "\t")}\n`);
  writeFileSync(join(maildir, "subscriptions"), `V\t2\n\n${lines.join("")}`, { mode: 0o600 });
  const counter = (FIRST_UIDVALIDITY + mailboxes.length).toString(16);
  writeFileSync(join(maildir, "dovecot-uidvalidity"), counter, { mode: 0o600 });
  writeFileSync(join(maildir, `dovecot-uidvalidity.${counter}`), "", { mode: 0o444 });
}

function folderNameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 2);
}
