/**
 * Random histories of a store: what Dovecot, its clients and an administrator do, as numbers that fast-check can shrink.
 */
import { fc } from "@fast-check/vitest";
import type { FakeMailbox, FakeStore } from "./fake-dovecot.js";

export interface Step {
  readonly act: (typeof ACTS)[number];
  readonly mailbox: number;
  readonly message: number;
  readonly other: number;
}

const ACTS = [
  "deliver",
  "deliver-seen",
  "deliver-unnumbered",
  "number-all",
  "flags",
  "flags-back",
  "keyword-written-first",
  "keyword-written-late",
  "keyword-file",
  "expunge",
  "rewrite",
  "copy-within",
  "copy-to",
  "move-to",
  "renumber",
  "rename-base",
  "raise-next",
  "lose-records",
  "touch-nothing",
] as const;

const STRUCTURE_ACTS = ["create", "remove", "rename", "swap", "rotate", "reset"] as const;

const INFOS = [":2,", ":2,S", ":2,FS", ":2,RS", ":2,T", ":2,DFS"];
const WORDS = ["$Junk", "work", "$MDNSent"];

export const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  act: fc.constantFrom(...ACTS),
  mailbox: fc.nat(2),
  message: fc.nat(30),
  other: fc.nat(30),
});

export interface StructureStep {
  readonly structure: (typeof STRUCTURE_ACTS)[number];
  readonly mailbox: number;
  readonly other: number;
}

export const structureArbitrary: fc.Arbitrary<StructureStep> = fc.record({
  structure: fc.constantFrom(...STRUCTURE_ACTS),
  mailbox: fc.nat(2),
  other: fc.nat(2),
});

export function runStep(store: FakeStore, { act, mailbox: which, message, other }: Step): void {
  const mailbox = store.mailboxes[which % Math.max(1, store.mailboxes.length)];
  if (mailbox === undefined) return;
  const files = mailbox.files();
  const base = files[message % Math.max(1, files.length)]?.base;
  const target = store.mailboxes[other % store.mailboxes.length];
  const info = INFOS[other % INFOS.length] ?? ":2,";
  switch (act) {
    case "deliver":
      mailbox.deliver();
      return;
    case "deliver-seen":
      mailbox.deliver({ info });
      return;
    case "deliver-unnumbered":
      mailbox.deliver({ recorded: false });
      return;
    case "number-all":
      mailbox.numberAll();
      return;
    case "rewrite":
      mailbox.rewrite();
      return;
    case "raise-next":
      mailbox.raiseNext(1 + other * 7);
      return;
    case "lose-records":
      mailbox.writeUidlist(
        mailbox.records().filter((_, index) => index % 3 !== message % 3),
        mailbox.nextUid(),
      );
      return;
    case "keyword-file":
      finishKeywords(mailbox);
      return;
    case "touch-nothing":
      return;
    default:
      if (base !== undefined)
        runOnMessage(mailbox, { act, base, info, word: WORDS[other % WORDS.length] ?? "", target });
  }
}

interface OnMessage {
  readonly act: Step["act"];
  readonly base: string;
  readonly info: string;
  readonly word: string;
  readonly target: FakeMailbox | undefined;
}

function runOnMessage(mailbox: FakeMailbox, { act, base, info, word, target }: OnMessage): void {
  if (act === "flags") mailbox.setInfo(base, info);
  else if (act === "flags-back") {
    mailbox.setInfo(base, ":2,FRS");
    mailbox.setInfo(base, info);
  } else if (act === "keyword-written-first") {
    finishKeywords(mailbox); // it waits for the lock.
    mailbox.setInfo(base, info + mailbox.keywordLetter(word));
  } else if (act === "keyword-written-late") beginKeyword(mailbox, base, word);
  else if (act === "expunge") mailbox.expunge(base);
  else if (act === "copy-within") mailbox.copyWithin(base);
  else if (act === "renumber") mailbox.renumber(base);
  else if (act === "rename-base") mailbox.renameBase(base);
  else if ((act === "copy-to" || act === "move-to") && target !== undefined && target !== mailbox) {
    mailbox.copyTo(base, target);
    if (act === "move-to") mailbox.expunge(base);
  }
}

/** STORE of a new keyword up to the rename: the lock is held, the letter is not explained yet. */
function beginKeyword(mailbox: FakeMailbox, base: string, word: string): void {
  finishKeywords(mailbox);
  const names = mailbox.keywords();
  const index = names.includes(word) ? names.indexOf(word) : names.length;
  mailbox.lock();
  mailbox.setInfo(base, `:2,${String.fromCharCode(0x61 + index)}`);
  if (index === names.length) mailbox.unwritten = [...names, word];
}

/** The second half. */
export function finishKeywords(mailbox: FakeMailbox): void {
  if (mailbox.unwritten !== undefined) mailbox.writeKeywords(mailbox.unwritten);
  mailbox.unwritten = undefined;
  mailbox.unlock();
}

let created = 0;

export function runStructureStep(store: FakeStore, { structure, mailbox: which, other }: StructureStep): void {
  const mailbox = store.mailboxes[which % Math.max(1, store.mailboxes.length)];
  if (structure === "create" || mailbox === undefined) {
    const taken = new Set(store.mailboxes.map(({ path }) => path));
    const free = ["u/a", "u/b", "u/c", `u/n${++created}`].find((path) => !taken.has(path));
    const fresh = store.create(free ?? "u/z");
    fresh.deliver();
    return;
  }
  const target = store.mailboxes[other % store.mailboxes.length];
  if (structure === "remove") store.remove(mailbox);
  else if (structure === "rename") mailbox.rename(`u/r${++created}`);
  else if (structure === "reset") mailbox.reset();
  else if (structure === "rotate") rotate(store.mailboxes);
  else if (target !== undefined && target !== mailbox) {
    const [a, b] = [mailbox.path, target.path];
    mailbox.rename("u/between");
    target.rename(a);
    mailbox.rename(b);
  }
}

/** Each goes where the one before it was. */
function rotate(mailboxes: readonly FakeMailbox[]): void {
  const paths = mailboxes.map(({ path }) => path);
  mailboxes[0]?.rename("u/between");
  for (const [index, mailbox] of mailboxes.entries()) if (index > 0) mailbox.rename(paths[index - 1] ?? "");
  mailboxes[0]?.rename(paths.at(-1) ?? "");
}
