/**
 * A Maildir that is changed as Dovecot changes it: same files, same order of operations, one user. Each change notes the
 * names that a watcher would have reported.
 */
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { HintedName } from "../../../src/capture/capture-types.js";

export interface FakeRecord {
  uid: number;
  fields: string;
  base: string;
}

let serial = 0;

export class FakeStore {
  readonly root: string;
  readonly mailboxes: FakeMailbox[] = [];
  readonly #trash: string[] = [];
  readonly #trashByGuid = new Map<string, string>();
  #guids = 0;
  #validity = 1_000_000;

  constructor() {
    this.root = mkdtempSync(join(tmpdir(), "mailtwin-capture-"));
  }

  create(path: string): FakeMailbox {
    const guid = (++this.#guids).toString(16).padStart(32, "a");
    const mailbox = new FakeMailbox(this, { path, guid, validity: ++this.#validity });
    this.mailboxes.push(mailbox);
    return mailbox;
  }

  remove(mailbox: FakeMailbox): void {
    const trash = `${this.root}-trash-${++serial}`;
    renameSync(mailbox.dir, trash);
    this.#trash.push(trash);
    this.#trashByGuid.set(mailbox.guid, trash);
    this.mailboxes.splice(this.mailboxes.indexOf(mailbox), 1);
  }

  /** One that was removed, as a backup has it. */
  bringBack(mailbox: FakeMailbox): void {
    renameSync(this.#trashByGuid.get(mailbox.guid) ?? "", mailbox.dir);
    this.mailboxes.push(mailbox);
  }

  dispose(): void {
    for (const path of [this.root, ...this.#trash]) rmSync(path, { recursive: true, force: true });
  }

  nextValidity(): number {
    return ++this.#validity;
  }
}

/** Removed when the test has ended. */
export function openFakeStore(): FakeStore {
  const store = new FakeStore();
  onTestFinished(() => store.dispose());
  return store;
}

export class FakeMailbox {
  readonly store: FakeStore;
  path: string;
  guid: string;
  validity: number;
  /** What events would have named since it was last emptied. */
  hints: HintedName[] = [];
  /** dovecot-keywords as it will be once the lock is released. */
  unwritten: string[] | undefined;

  constructor(store: FakeStore, { path, guid, validity }: { path: string; guid: string; validity: number }) {
    this.store = store;
    this.path = path;
    this.guid = guid;
    this.validity = validity;
    for (const part of ["tmp", "new", "cur"]) mkdirSync(join(this.dir, part), { recursive: true });
    writeFileSync(join(this.dir, "maildirfolder"), "");
    this.writeUidlist([], 1);
  }

  get dir(): string {
    return join(this.store.root, this.path);
  }

  /** Files: base name, and where it is. */
  files(): { base: string; dir: "cur" | "new"; name: string }[] {
    return (["new", "cur"] as const).flatMap((dir) =>
      readdirSync(join(this.dir, dir))
        .filter((name) => !name.startsWith("."))
        .sort()
        .map((name) => ({ base: name.split(":")[0] ?? "", dir, name })),
    );
  }

  header(): { nextUid: number; validity: number; guid: string } {
    const [line = ""] = readFileSync(join(this.dir, "dovecot-uidlist"), "latin1").split("\n");
    const [, validity, nextUid, guid = ""] = /^3 V(\d+) N(\d+) G(\w+)/.exec(line) ?? [];
    return { validity: Number(validity), nextUid: Number(nextUid), guid };
  }

  records(): FakeRecord[] {
    const [, ...lines] = readFileSync(join(this.dir, "dovecot-uidlist"), "latin1").split("\n");
    return lines.slice(0, -1).map((line) => {
      const [, uid, fields = "", base = ""] = /^(\d+) ?(.*?) :(.*)$/.exec(line) ?? [];
      return { uid: Number(uid), fields, base };
    });
  }

  nextUid(): number {
    return Math.max(this.header().nextUid, (this.records().at(-1)?.uid ?? 0) + 1);
  }

  writeUidlist(records: readonly FakeRecord[], nextUid: number): void {
    const lines = records.map(({ uid, fields, base }) => `${uid}${fields === "" ? "" : ` ${fields}`} :${base}\n`);
    const temp = join(this.dir, "dovecot-uidlist.tmp");
    writeFileSync(temp, `3 V${this.validity} N${nextUid} G${this.guid}\n${lines.join("")}`, "latin1");
    renameSync(temp, join(this.dir, "dovecot-uidlist"));
  }

  append(base: string, fields = ""): number {
    const uid = this.nextUid();
    appendFileSync(join(this.dir, "dovecot-uidlist"), `${uid}${fields === "" ? "" : ` ${fields}`} :${base}\n`);
    return uid;
  }

  freshBase(): string {
    serial += 1;
    return `${1_700_000_000 + serial}.M${serial}P1.host,S=${(serial % 50) + 1}`;
  }

  /** A message in `new/`, or with `info` in `cur/`; without a record unless `recorded`. */
  deliver(options: { recorded?: boolean; info?: string; body?: string; base?: string } = {}): string {
    const { recorded = true, info = "", body = "x".repeat((serial % 50) + 2) } = options;
    const base = options.base ?? this.freshBase();
    writeFileSync(join(this.dir, "tmp", base), body);
    utimesSync(join(this.dir, "tmp", base), 1_600_000_000 + serial, 1_600_000_000 + serial);
    const dir = info === "" ? "new" : "cur";
    renameSync(join(this.dir, "tmp", base), join(this.dir, dir, base + info));
    this.hints.push({ dir, name: base + info });
    if (recorded) this.append(base);
    return base;
  }

  /** What a session does when it looks: all files without a record get one, in the order of their names. */
  numberAll(): void {
    const known = new Set(this.records().map(({ base }) => base));
    const waiting = [...new Set(this.files().map(({ base }) => base))].filter((base) => !known.has(base)).sort();
    for (const base of waiting) this.append(base);
  }

  setInfo(base: string, info: string): void {
    const file = this.files().find((candidate) => candidate.base === base);
    if (file === undefined || (file.dir === "cur" && file.name === base + info)) return;
    renameSync(join(this.dir, file.dir, file.name), join(this.dir, "cur", base + info));
    this.hints.push({ dir: file.dir, name: file.name }, { dir: "cur", name: base + info });
  }

  expunge(base: string): void {
    const file = this.files().find((candidate) => candidate.base === base);
    if (file === undefined) return;
    unlinkSync(join(this.dir, file.dir, file.name));
    this.hints.push({ dir: file.dir, name: file.name });
  }

  /** Its file goes for a while, and nothing else. Returns what brings it back. */
  hide(base: string): () => void {
    const file = this.files().find((candidate) => candidate.base === base);
    if (file === undefined) throw new Error(`there is no ${base}`);
    const [here, away] = [join(this.dir, file.dir, file.name), join(this.dir, "tmp", file.name)];
    renameSync(here, away);
    return () => renameSync(away, here);
  }

  /** Drops the records of messages that are gone, and brings N up to date. */
  rewrite(): void {
    const present = new Set(this.files().map(({ base }) => base));
    this.writeUidlist(
      this.records().filter(({ base }) => present.has(base)),
      this.nextUid(),
    );
  }

  keywords(): string[] {
    const file = join(this.dir, "dovecot-keywords");
    if (!existsSync(file)) return [];
    return readFileSync(file, "latin1")
      .split("\n")
      .flatMap((line) => (line === "" ? [] : [line.replace(/^\d+ /, "")]));
  }

  /** The letter of a keyword, with its line written first. */
  keywordLetter(name: string): string {
    const names = this.keywords();
    if (!names.includes(name)) {
      names.push(name);
      this.writeKeywords(names);
    }
    return String.fromCharCode(0x61 + names.indexOf(name));
  }

  writeKeywords(names: readonly string[]): void {
    const temp = join(this.dir, "dovecot-keywords.lock");
    writeFileSync(temp, names.map((name, index) => `${index} ${name}\n`).join(""));
    renameSync(temp, join(this.dir, "dovecot-keywords"));
  }

  lock(): void {
    writeFileSync(join(this.dir, "dovecot-uidlist.lock"), "1:elsewhere", { flag: "wx" });
  }

  unlock(): void {
    rmSync(join(this.dir, "dovecot-uidlist.lock"), { force: true });
  }

  /** COPY to another mailbox: a hard link under the same base name. */
  copyTo(base: string, target: FakeMailbox): void {
    const file = this.files().find((candidate) => candidate.base === base);
    if (file === undefined || target.knows(base)) return;
    linkSync(join(this.dir, file.dir, file.name), join(target.dir, "tmp", base));
    renameSync(join(target.dir, "tmp", base), join(target.dir, "cur", `${base}:2,`));
    target.hints.push({ dir: "cur", name: `${base}:2,` });
    target.append(base);
  }

  /** It has or had a message of that name: Dovecot would take another name. */
  knows(base: string): boolean {
    return this.files().some((file) => file.base === base) || this.records().some((record) => record.base === base);
  }

  /** COPY within the mailbox: a new base name, the old one as GUID. */
  copyWithin(base: string): string | undefined {
    const file = this.files().find((candidate) => candidate.base === base);
    const record = this.records().find((candidate) => candidate.base === base);
    if (file === undefined || record === undefined) return undefined;
    const copy = this.freshBase();
    linkSync(join(this.dir, file.dir, file.name), join(this.dir, "cur", `${copy}:2,`));
    this.hints.push({ dir: "cur", name: `${copy}:2,` });
    const guid = /(?:^| )G(\S+)/.exec(record.fields)?.[1] ?? base;
    this.append(copy, `G${guid}`);
    return copy;
  }

  /** R12: a new UID for a message. */
  renumber(base: string): void {
    const records = this.records();
    const record = records.find((candidate) => candidate.base === base);
    if (record === undefined || !this.files().some((file) => file.base === base)) return;
    const uid = this.nextUid();
    this.writeUidlist([...records.filter((other) => other !== record), { ...record, uid }], uid + 1);
  }

  /** Dovecot repairs the size in a name: another base name under the same UID, the old one as GUID. */
  renameBase(base: string): void {
    const records = this.records();
    const record = records.find((candidate) => candidate.base === base);
    const file = this.files().find((candidate) => candidate.base === base);
    if (record === undefined || file === undefined) return;
    const fresh = `${this.freshBase()},R`;
    renameSync(join(this.dir, file.dir, file.name), join(this.dir, file.dir, file.name.replace(base, fresh)));
    this.hints.push({ dir: file.dir, name: file.name }, { dir: file.dir, name: file.name.replace(base, fresh) });
    const guid = /(?:^| )G(\S+)/.exec(record.fields)?.[1] ?? base;
    const changed = { uid: record.uid, fields: `G${guid}`, base: fresh };
    this.writeUidlist(
      records.map((other) => (other === record ? changed : other)),
      this.nextUid(),
    );
  }

  /** All UIDs void, as after a lost uidlist. */
  reset(): void {
    this.validity = this.store.nextValidity();
    this.writeUidlist([], 1);
    this.numberAll();
  }

  raiseNext(by: number): void {
    this.writeUidlist(this.records(), this.nextUid() + by);
  }

  rename(path: string): void {
    renameSync(this.dir, join(this.store.root, path));
    this.path = path;
  }

  takeHints(): HintedName[] {
    return this.hints.splice(0);
  }
}
