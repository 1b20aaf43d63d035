/**
 * Message file names: "base name:2,FLAGS,extra". The base name is identity; what follows is state.
 *
 * INVARIANT: formatMessageName(parseMessageName(x)) = x for every name that Dovecot itself writes.
 * INVARIANT: a change of flags keeps the base name, characters that nobody knows, and the ",extra" tail.
 * SOURCE: Dovecot's maildir-filename-flags.c: the base name ends at the *first* ":", the flags begin after the *last*;
 * flags are written in ASCII order around the unknown characters, which stay in their order.
 */
import { type BaseName, isBaseName } from "./ids.js";

/** One bit for each flag that the Maildir specification names, in ASCII order. */
export const FLAG_BITS = { D: 1, F: 2, P: 4, R: 8, S: 16, T: 32 } as const;
export type FlagLetter = keyof typeof FLAG_BITS;

export const FLAGS_MASK = 63;
/** Bit i stands for the keyword letter "a" + i. */
export const LETTERS_MASK = 0x03ff_ffff;

/** Flags as IMAP calls them. P ("passed") has no IMAP flag; Dovecot keeps it and shows nothing. */
export const IMAP_NAME_BY_FLAG: Readonly<Record<Exclude<FlagLetter, "P">, string>> = {
  D: "\\Draft",
  F: "\\Flagged",
  R: "\\Answered",
  S: "\\Seen",
  T: "\\Deleted",
};

export interface MessageFlags {
  /** Set of FLAG_BITS. */
  readonly flags: number;
  /** Set of keyword letters. They mean something only with the mailbox's own dovecot-keywords. */
  readonly letters: number;
}

export interface MessageState extends MessageFlags {
  /** Flag characters that are neither: kept, in their order. */
  readonly odd: string;
  /** "" or ",extra": another set of flags that we do not know. */
  readonly tail: string;
}

export interface MessageName extends MessageState {
  readonly base: BaseName;
  /** Whether the name has ":2,"; without it (usual in `new/`) there are no flags. */
  readonly hasInfo: boolean;
  /** Text from the first ":" that is not our ":2,": another program's info (":1,..."). Usually "". */
  readonly foreign: string;
}

const FLAG_LETTERS = Object.keys(FLAG_BITS) as FlagLetter[];
const FLAG_CHARS: readonly string[] = Array.from({ length: FLAGS_MASK + 1 }, (_, flags) =>
  FLAG_LETTERS.filter((letter) => (flags & FLAG_BITS[letter]) !== 0).join(""),
);
const BIT_BY_CODE = new Uint8Array(256);
for (const letter of FLAG_LETTERS) BIT_BY_CODE[letter.charCodeAt(0)] = FLAG_BITS[letter];

const LETTER_A = 0x61;
const LETTERS = 26;

/** The name up to the first ":", unchecked. */
export function splitBaseName(name: string): string {
  return name.slice(0, baseLengthOf(name));
}

/** How many characters of a file name are its base name. */
export function baseLengthOf(name: string): number {
  const colon = name.indexOf(":");
  return colon < 0 ? name.length : colon;
}

/** Undefined for what Dovecot never takes for mail: dot files, an empty base name, and names with a CR or LF. */
export function parseMessageName(name: string): MessageName | undefined {
  const firstColon = name.indexOf(":");
  const base = firstColon < 0 ? name : name.slice(0, firstColon);
  if (name.length > 255 || !isBaseName(base)) return undefined;
  if (firstColon < 0) return { base, hasInfo: false, foreign: "", flags: 0, letters: 0, odd: "", tail: "" };
  if (name.includes("\n") || name.includes("\r") || name.includes("/") || name.includes("\0")) return undefined;
  const lastColon = name.lastIndexOf(":");
  if (!name.startsWith("2,", lastColon + 1)) {
    return { base, hasInfo: false, foreign: name.slice(firstColon), flags: 0, letters: 0, odd: "", tail: "" };
  }
  return { base, hasInfo: true, foreign: name.slice(firstColon, lastColon), ...parseState(name, lastColon + 3) };
}

function parseState(name: string, start: number): MessageState {
  let flags = 0;
  let letters = 0;
  let odd = "";
  for (let i = start; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code === 0x2c) return { flags, letters, odd, tail: name.slice(i) };
    const bit = BIT_BY_CODE[code] ?? 0;
    if (bit !== 0) flags |= bit;
    else if (code >= LETTER_A && code < LETTER_A + LETTERS) letters |= 1 << (code - LETTER_A);
    else odd += name.charAt(i);
  }
  return { flags, letters, odd, tail: "" };
}

/** ":2," and the flags, as Dovecot would write them. */
export function formatInfo(state: MessageState): string {
  const known = flagChars(state.flags) + letterChars(state.letters);
  return `:2,${state.odd === "" ? known : weave(known, state.odd)}${state.tail}`;
}

/** Known characters in ASCII order, each before the first unknown one that is greater. */
function weave(known: string, odd: string): string {
  let out = "";
  let at = 0;
  for (const char of odd) {
    while (at < known.length && known.charAt(at) < char) out += known.charAt(at++);
    out += char;
  }
  return out + known.slice(at);
}

/** The whole file name. May exceed 255 bytes if flags were added to a very long base name: the kernel refuses it. */
export function formatMessageName(name: MessageName): string {
  return name.base + name.foreign + (name.hasInfo ? formatInfo(name) : "");
}

/**
 * The name after a change of flags, letters or both. It has ":2," from then on; another program's info in its place is
 * dropped, as Dovecot does.
 */
export function withFlags(name: MessageName, change: Partial<MessageFlags>): MessageName {
  const { flags = name.flags, letters = name.letters } = change;
  const foreign = name.hasInfo ? name.foreign : name.foreign.slice(0, Math.max(0, name.foreign.lastIndexOf(":")));
  return { ...name, hasInfo: true, foreign, flags: flags & FLAGS_MASK, letters: letters & LETTERS_MASK };
}

/** A new message's name in `cur/`. */
export function messageName(base: BaseName, { flags, letters }: MessageFlags): MessageName {
  return {
    base,
    hasInfo: true,
    foreign: "",
    odd: "",
    tail: "",
    flags: flags & FLAGS_MASK,
    letters: letters & LETTERS_MASK,
  };
}

/** "FS" of a set of FLAG_BITS. */
export function flagChars(flags: number): string {
  return FLAG_CHARS[flags & FLAGS_MASK] ?? "";
}

/** "ac" of a set of keyword letters. */
export function letterChars(letters: number): string {
  if ((letters & LETTERS_MASK) === 0) return "";
  let out = "";
  for (let i = 0; i < LETTERS; i++) if ((letters & (1 << i)) !== 0) out += String.fromCharCode(LETTER_A + i);
  return out;
}

/** The set of FLAG_BITS in "FS"; characters that are no flag are ignored. */
export function parseFlagChars(text: string): number {
  let flags = 0;
  for (let i = 0; i < text.length; i++) flags |= BIT_BY_CODE[text.charCodeAt(i)] ?? 0;
  return flags;
}

/** What an IMAP client sees, in ASCII order of the letters; P is not shown. */
export function imapFlagNames(flags: number): string[] {
  return FLAG_LETTERS.filter((letter) => letter !== "P" && (flags & FLAG_BITS[letter]) !== 0).map(
    (letter) => IMAP_NAME_BY_FLAG[letter as Exclude<FlagLetter, "P">],
  );
}
