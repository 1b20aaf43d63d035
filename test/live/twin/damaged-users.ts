/** Many users with the same small mail, of whom each has one damage of his own on the replica; and what `verify` says of all of them. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect } from "vitest";
import type { DovecotSite } from "../lab/dovecot.js";
import * as imap from "../lab/imap.js";
import { makeMessage } from "../lab/messages.js";
import type { Sites } from "../sites/lab.js";
import type { Site } from "../sites/site.js";
import { A_BYTE, DAMAGES, type Damage } from "./damages.js";

export interface DamagedUser extends Damage {
  readonly user: string;
}

/** One for each damage. */
export const DAMAGED: readonly DamagedUser[] = [...DAMAGES, A_BYTE].map((damage, at) => ({
  ...damage,
  user: `d${at}`,
}));

/** As `damages.ts` expects it: five messages in INBOX, two in Work. */
export async function fillMail(source: DovecotSite): Promise<void> {
  await Promise.all(DAMAGED.map(({ user }, at) => fillMailOf(source, user, 100 * at)));
}

/** Has `a` filled, and `b` made its replica: daemons of both run, and both have the same. Returns a. */
export async function startFilled(lab: Sites): Promise<Site> {
  lab.tellWhenFailed();
  const a = lab.site("a");
  await fillMail(a.dovecot);
  lab.configureSource("a", ["b"]);
  lab.configureReplica("b", "a");
  await lab.startAll("a", ["b"]);
  await lab.settle("a", "b");
  return a;
}

async function fillMailOf(source: DovecotSite, user: string, seed: number): Promise<void> {
  await using session = await imap.connect(source, user);
  for (const n of [1, 2, 3]) await imap.append(session, "INBOX", makeMessage({ seed: seed + n }));
  await imap.append(session, "INBOX", makeMessage({ seed: seed + 4 }), { flags: ["\\Seen"] });
  await imap.append(session, "INBOX", makeMessage({ seed: seed + 5 }), { flags: ["todo"] });
  await imap.createFolder(session, "Work");
  for (const n of [6, 7]) await imap.append(session, "Work", makeMessage({ seed: seed + n }));
}

/** What it leaves belongs to the owner of the mail, as if he had done it. */
export function damageAll({ store, owner }: DovecotSite): void {
  for (const { user, make } of DAMAGED) make(join(store, user));
  execFileSync("chown", ["-hR", `${owner.uid}:${owner.gid}`, store]);
}

/** Lines below each mailbox that is named, by user and mailbox. */
export type Told = ReadonlyMap<string, readonly string[]>;

/** `lines`: of `verify`, with "A" and "B" for the sides. */
export function toldIn(lines: readonly string[]): Told {
  const told = new Map<string, string[]>();
  let mailbox = "";
  for (const line of lines) {
    if (line.startsWith("  ")) told.get(mailbox)?.push(line.trim());
    else if (/^d\d+\//.test(line)) {
      mailbox = line;
      if (!told.has(mailbox)) told.set(mailbox, []);
    }
  }
  return told;
}

/** Each damage is named, at the mailbox that it concerns, in its own words, and nothing else is. */
export function expectAllNamed(told: Told): void {
  const mailboxes = DAMAGED.map(({ user, mailbox }) => `${user}/${mailbox}`);
  expect([...told.keys()].sort()).toEqual(mailboxes.sort());
  for (const { name, user, mailbox, words } of DAMAGED)
    expect(told.get(`${user}/${mailbox}`), name).toEqual(words.map((each) => expect.stringMatching(each)));
}

/** By the name of the damage: lines of which each fits one, and of which the first is there. */
export type Staying = Readonly<Record<string, readonly RegExp[]>>;

export const RENUMBERED: Staying = { "UIDVALIDITY is another one": [/^UIDVALIDITY \d+ in A, 1234567890 in B: /] };

/** Mail and mailboxes that only the replica has, and a uidlist of which nobody but a person knows what it was. */
export const STAYING: Staying = {
  "there is a file without a record": [/^1 message without a UID in B$/],
  "there is a file with a record: mail of the replica's own": [/^UID 900: only in B$/],
  "a message has another base name, in file and record": [/^UID \d+: only in B$/],
  "the uidlist has a line that is none": [/^it could not be read in B: line 4 of its dovecot-uidlist: /],
  "there is a folder more": [/^only B has this mailbox \(0 messages\)$/],
};

/** A mailbox that is another one by its GUID, or has none: a running daemon moves none of it away unasked. */
export const STAYING_IN_DAEMON: Staying = {
  ...STAYING,
  "the mailbox has another GUID": [
    /^only A has this mailbox \(2 messages\)$/,
    /^only B has this mailbox \(2 messages\)$/,
  ],
  "the uidlist is gone": [/^it could not be read in B: 2 messages without a UID: /],
};

/** Of all damages nothing is left but these. */
export function expectLeft(told: Told, staying: Staying): void {
  const isStaying = ({ name }: DamagedUser) => Object.hasOwn(staying, name);
  const left = DAMAGED.filter(isStaying).map(({ user, mailbox }) => `${user}/${mailbox}`);
  expect([...told.keys()].sort(), JSON.stringify([...told])).toEqual(left.sort());
  for (const { name, user, mailbox } of DAMAGED.filter(isStaying)) {
    const [lines, words] = [told.get(`${user}/${mailbox}`) ?? [], staying[name] ?? []];
    expect(
      lines.filter((line) => words[0]?.test(line) === true),
      name,
    ).not.toEqual([]);
    expect(
      lines.filter((line) => !words.some((each) => each.test(line))),
      name,
    ).toEqual([]);
  }
}

/** Those of whom nothing stays. */
export function usersBut(staying: Staying): readonly string[] {
  return DAMAGED.filter(({ name }) => !Object.hasOwn(staying, name)).map(({ user }) => user);
}

/** What `verify` says, and how it ends. */
export interface Verified {
  readonly code: number | undefined;
  readonly lines: readonly string[];
}

/** `verify` of the daemon of that site, which has one replica, "b"; with "A" and "B" for the sides. */
export async function verifyAt(site: Site, ...args: readonly string[]): Promise<Verified> {
  const ended = site.tell("verify", "--settle", "0.3", ...args).then((stdout) => ({ code: 0, stdout }));
  const { code, stdout } = await ended.catch((error: { readonly code: number; readonly stdout: string }) => error);
  const named = stdout
    .replaceAll("the source", "A")
    .replaceAll("the replica", "B")
    .replace(/^mail\/b: /gm, "");
  return { code, lines: named.split("\n") };
}
