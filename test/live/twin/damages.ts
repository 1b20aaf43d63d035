/** Ways in which the replica's half of a small twin may be damaged, and what `verify` has to say of each. Done to files, past Dovecot. */
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

/** Below a user's home. */
export const INBOX = "Maildir";
export const WORK = "Maildir/.Work";

export interface Damage {
  readonly name: string;
  /** To what is in that user's home. */
  readonly make: (home: string) => void;
  /** The mailbox that is named, below the home. */
  readonly mailbox: string;
  /** Each fits one of the lines below it. */
  readonly words: readonly RegExp[];
  /** Names are as they were when it was last looked at: who does not look at files does not see it. */
  readonly isDeep?: boolean;
}

/** The directory of a message with that UID, and its file name there. */
interface Found {
  readonly dir: string;
  readonly name: string;
  readonly base: string;
}

function linesOf(mailbox: string): string[] {
  return readFileSync(join(mailbox, "dovecot-uidlist"), "latin1").trimEnd().split("\n");
}

function rewrite(mailbox: string, change: (lines: string[]) => readonly string[]): void {
  writeFileSync(join(mailbox, "dovecot-uidlist"), `${change(linesOf(mailbox)).join("\n")}\n`, "latin1");
}

const recordOf = (uid: number) => (line: string) => line.startsWith(`${uid} `);

function find(mailbox: string, uid: number): Found {
  const record = linesOf(mailbox).slice(1).find(recordOf(uid)) ?? "";
  const base = record.slice(record.indexOf(" :") + 2);
  for (const part of ["cur", "new"]) {
    const name = readdirSync(join(mailbox, part)).find((each) => each.split(":")[0] === base);
    if (name !== undefined) return { dir: join(mailbox, part), name, base };
  }
  throw new Error(`no file of UID ${uid} in ${mailbox}`);
}

/** Renames the file of the message with that UID: with that information, in cur/. */
export function mark(mailbox: string, uid: number, info: string): void {
  const { dir, name, base } = find(mailbox, uid);
  renameSync(join(dir, name), join(mailbox, "cur", `${base}:2,${info}`));
}

function onFile(uid: number, change: (path: string) => void): (home: string) => void {
  return (home) => {
    const { dir, name } = find(join(home, INBOX), uid);
    change(join(dir, name));
  };
}

const inbox = (change: (mailbox: string) => void) => (home: string) => change(join(home, INBOX));
const work = (change: (mailbox: string) => void) => (home: string) => change(join(home, WORK));
const header = (change: (line: string) => string) => (mailbox: string) =>
  rewrite(mailbox, ([first = "", ...records]) => [change(first), ...records]);

const FOREIGN = "1700000000.M1P1.elsewhere";

const OF_FLAGS: readonly Damage[] = [
  {
    name: "a flag is set in a file name",
    make: inbox((mailbox) => mark(mailbox, 1, "F")),
    mailbox: INBOX,
    words: [/^UID 1: flags none in A, \\Flagged in B$/],
  },
  {
    name: "a flag is taken out of a file name",
    make: inbox((mailbox) => mark(mailbox, 4, "")),
    mailbox: INBOX,
    words: [/^UID 4: flags \\Seen in A, none in B$/],
  },
  {
    name: "a letter that has a meaning is added to a file name",
    make: inbox((mailbox) => mark(mailbox, 1, "a")),
    mailbox: INBOX,
    words: [/^UID 1: keywords none in A, todo in B$/],
  },
  {
    name: "a letter that has none is added to a file name",
    make: inbox((mailbox) => mark(mailbox, 1, "z")),
    mailbox: INBOX,
    words: [/^UID 1: keywords none in A, unknown-25 in B$/],
  },
  {
    name: "a keyword is renamed in dovecot-keywords",
    make: inbox((mailbox) => writeFileSync(join(mailbox, "dovecot-keywords"), "0 other\n")),
    mailbox: INBOX,
    words: [/^UID 5: keywords todo in A, other in B$/],
  },
];

const OF_FILES: readonly Damage[] = [
  {
    name: "a file is gone",
    make: onFile(2, (path) => rmSync(path)),
    mailbox: INBOX,
    words: [/^UID 2: only in A$/],
  },
  {
    name: "there is a file without a record",
    make: inbox((mailbox) => writeFileSync(join(mailbox, "cur", `${FOREIGN}:2,`), "x\n")),
    mailbox: INBOX,
    words: [/^1 message without a UID in B$/],
  },
  {
    name: "there is a second file of one base name",
    make: inbox((mailbox) => {
      const { base } = find(mailbox, 4);
      writeFileSync(join(mailbox, "new", base), "x\n"); // it is listed first, and the one in cur/ counts.
    }),
    mailbox: INBOX,
    words: [/^1 message without a UID in B$/],
  },
  {
    name: "there is a file with a record: mail of the replica's own",
    make: inbox((mailbox) => {
      writeFileSync(join(mailbox, "new", FOREIGN), "x\n");
      appendFileSync(join(mailbox, "dovecot-uidlist"), `900 :${FOREIGN}\n`);
    }),
    mailbox: INBOX,
    words: [/^UIDNEXT 6 in A, 901 in B$/, /^UID 900: only in B$/],
  },
  {
    name: "a message has another base name, in file and record",
    make: inbox((mailbox) => {
      const { dir, name, base } = find(mailbox, 3);
      renameSync(join(dir, name), join(dir, name.replace(base, FOREIGN)));
      rewrite(mailbox, (lines) => lines.map((line) => (recordOf(3)(line) ? line.replace(base, FOREIGN) : line)));
    }),
    mailbox: INBOX,
    words: [/^UID 3: another message: .* in A, 1700000000\.M1P1\.elsewhere in B$/],
  },
];

const OF_UIDS: readonly Damage[] = [
  {
    name: "two UIDs exchange their messages in the uidlist",
    make: inbox((mailbox) => {
      const [one, other] = [find(mailbox, 1).base, find(mailbox, 2).base];
      rewrite(mailbox, (lines) =>
        lines.map((line) =>
          recordOf(1)(line) ? line.replace(one, other) : recordOf(2)(line) ? line.replace(other, one) : line,
        ),
      );
    }),
    mailbox: INBOX,
    words: [/^UID 1: another message: /, /^UID 2: another message: /],
  },
  {
    name: "a record is gone from the uidlist",
    make: inbox((mailbox) => rewrite(mailbox, (lines) => lines.filter((line) => !recordOf(2)(line)))),
    mailbox: INBOX,
    words: [/^1 message without a UID in B$/, /^UID 2: only in A$/],
  },
  {
    name: "a message has another UID",
    make: inbox((mailbox) => rewrite(mailbox, (lines) => lines.map((line) => line.replace(/^5 /, "8 ")))),
    mailbox: INBOX,
    words: [/^UIDNEXT 6 in A, 9 in B$/, /^UID 5: only in A$/, /^UID 8: only in B$/],
  },
  {
    name: "a record says something else to POP3 clients",
    make: inbox((mailbox) => rewrite(mailbox, (lines) => lines.map((line) => line.replace(/^2 /, "2 P77 O3 ")))),
    mailbox: INBOX,
    words: [/^UID 2: POP3 UIDL nothing in A, 77 in B; POP3 order nothing in A, 3 in B$/],
  },
  {
    name: "UIDNEXT is raised",
    make: work(header((line) => line.replace(/ N\d+/, " N77"))),
    mailbox: WORK,
    words: [/^UIDNEXT \d+ in A, 77 in B$/],
  },
  {
    name: "UIDVALIDITY is another one",
    make: work(header((line) => line.replace(/ V\d+/, " V1234567890"))),
    mailbox: WORK,
    words: [/^UIDVALIDITY \d+ in A, 1234567890 in B: clients take it for another mailbox/],
  },
  {
    name: "the mailbox has another GUID",
    make: work(header((line) => line.replace(/ G[0-9a-f]{32}/, ` G${"ab".repeat(16)}`))),
    mailbox: WORK,
    words: [/^only A has this mailbox \(2 messages\)$/, /^only B has this mailbox \(2 messages\)$/],
  },
  {
    name: "the uidlist has a line that is none",
    make: work((mailbox) => appendFileSync(join(mailbox, "dovecot-uidlist"), "no record\n")),
    mailbox: WORK,
    words: [/^it could not be read in B: line 4 of its dovecot-uidlist: it does not begin with a UID/],
  },
  {
    name: "the uidlist is gone",
    make: work((mailbox) => rmSync(join(mailbox, "dovecot-uidlist"))),
    mailbox: WORK,
    words: [/^it could not be read in B: 2 messages without a UID: .* its dovecot-uidlist is gone$/],
  },
];

const OF_FOLDERS: readonly Damage[] = [
  {
    name: "a folder is gone",
    make: work((mailbox) => rmSync(mailbox, { recursive: true })),
    mailbox: WORK,
    words: [/^only A has this mailbox \(2 messages\)$/],
  },
  {
    name: "there is a folder more",
    make: inbox((mailbox) => {
      const path = join(mailbox, ".Extra");
      for (const part of ["cur", "new", "tmp"]) mkdirSync(join(path, part), { recursive: true });
      writeFileSync(join(path, "dovecot-uidlist"), `3 V1700000000 N1 G${"cd".repeat(16)}\n`);
    }),
    mailbox: `${INBOX}/.Extra`,
    words: [/^only B has this mailbox \(0 messages\)$/],
  },
  {
    name: "a folder has another name",
    make: inbox((mailbox) => renameSync(join(mailbox, ".Work"), join(mailbox, ".Job"))),
    mailbox: WORK,
    words: [/^it is ".*\.Work" in A, ".*\.Job" in B$/],
  },
];

/** Under a name that did not change. */
const OF_CONTENTS: readonly Damage[] = [
  {
    name: "a file is cut",
    make: onFile(1, (path) => truncateSync(path, 40)),
    mailbox: INBOX,
    words: [/^UID 1: size [\d,]+ bytes in A, 40 bytes in B/],
    isDeep: true,
  },
  {
    name: "a file has grown",
    make: onFile(1, (path) => keepingDate(path, () => appendFileSync(path, "more\n"))),
    mailbox: INBOX,
    words: [/^UID 1: size [\d,]+ bytes in A, [\d,]+ bytes in B$/],
    isDeep: true,
  },
  {
    name: "a file has another date",
    make: onFile(2, (path) => utimesSync(path, 1_000_000_000, 1_000_000_000)),
    mailbox: INBOX,
    words: [/^UID 2: date .* in A, 2001-09-09T01:46:40Z in B$/],
    isDeep: true,
  },
  {
    name: "a symbolic link stands in the place of a file",
    make: onFile(3, (path) => {
      rmSync(path);
      symlinkSync("/etc/passwd", path);
    }),
    mailbox: INBOX,
    words: [/^UID 3: only in A$/],
    isDeep: true,
  },
  {
    name: "a directory stands in the place of a file",
    make: onFile(3, (path) => {
      rmSync(path);
      mkdirSync(path);
    }),
    mailbox: INBOX,
    words: [/^UID 3: only in A$/],
    isDeep: true,
  },
];

/** What no look at names, sizes and dates shows. */
export const A_BYTE: Damage = {
  name: "a byte is another one",
  make: onFile(1, (path) => {
    keepingDate(path, () => {
      const bytes = readFileSync(path);
      bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 1;
      writeFileSync(path, bytes);
    });
  }),
  mailbox: INBOX,
  words: [/^UID 1: its bytes differ(: those in B were changed)?$/],
  isDeep: true,
};

export const DAMAGES: readonly Damage[] = [...OF_FLAGS, ...OF_FILES, ...OF_UIDS, ...OF_FOLDERS, ...OF_CONTENTS];

/** No difference: Dovecot moves it when a client opens the mailbox. */
export function moveToNew(home: string): void {
  const { dir, name, base } = find(join(home, INBOX), 1);
  renameSync(join(dir, name), join(home, INBOX, "new", base));
}

function keepingDate(path: string, change: () => void): void {
  const { atime, mtime } = statSync(path);
  change();
  utimesSync(path, atime, mtime);
}
