/**
 * In which order Dovecot gives UIDs to files that have none: by the time in the name, then by the microseconds in it
 * (the "M" of the unique part), then by the bytes of the rest of the base name.
 *
 * A name that does not begin with digits counts as time 0, hence comes first.
 * SOURCE: Dovecot's maildir-filename.c, maildir_filename_sort_cmp(). Its order is no order where only some names of one
 * second have microseconds (A < B < C < A), and its result then depends on its sort; ours depends on the names alone.
 */
import { splitBaseName } from "./message-name.js";

interface SortKey {
  readonly name: string;
  readonly seconds: number;
  /** -1 when the name has none. */
  readonly micros: number;
  /** The base name after the seconds, with the ":" if there is one. */
  readonly rest: string;
}

/** Names with or without ":2,FLAGS". The result depends on the set of names, not on their order. */
export function dovecotOrder(names: readonly string[]): string[] {
  const keys = names.map(sortKeyOf);
  keys.sort((a, b) => compareBytes(a.name, b.name));
  return keys.sort(compareKeys).map((key) => key.name);
}

function sortKeyOf(name: string): SortKey {
  // Dovecot compares up to and with the ":", so a name with info differs from one without by it.
  const base = name.includes(":") ? `${splitBaseName(name)}:` : name;
  const digits = /^\d*/.exec(base)?.[0] ?? "";
  const rest = base.slice(digits.length);
  // ".<unique>.<host>": the first M in <unique>; M without digits is 0 microseconds, as in Dovecot.
  const micros = /^\.[^.:M]*M(\d*)/.exec(rest)?.[1];
  return { name, seconds: Number(digits), micros: micros === undefined ? -1 : Number(micros), rest };
}

function compareKeys(a: SortKey, b: SortKey): number {
  if (a.seconds !== b.seconds) return a.seconds < b.seconds ? -1 : 1;
  if (a.micros >= 0 && b.micros >= 0 && a.micros !== b.micros) return a.micros - b.micros;
  return compareBytes(a.rest, b.rest);
}

/** Bytes from 0x80 up come first: "char" is signed where Dovecot mostly runs. */
function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = signed(a.charCodeAt(i)) - signed(b.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  // A shorter name ends in a NUL there, which bytes from 0x80 up precede.
  if (a.length === b.length) return 0;
  return a.length < b.length ? -signed(b.charCodeAt(length)) : signed(a.charCodeAt(length));
}

function signed(byte: number): number {
  return (byte << 24) >> 24;
}
