/**
 * Quantities as people write them into a configuration, "512MiB" and "14d", to numbers with bounds. What numbers look like to
 * people is text-format.ts.
 *
 * INVARIANT: this file is the only door to `ByteCount`. A text that is out of bounds, or whose number is not exact, is no value.
 */
import type { Brand } from "./brand.js";

/** Whole, from 0 to 2^53 - 1. */
export type ByteCount = Brand<number, "ByteCount">;

/** What became of a text: a value, or in words why not and what to do. */
export type Reading<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "wrong"; readonly why: string; readonly advice: string };

export function wrong(why: string, advice: string): Reading<never> {
  return { kind: "wrong", why, advice };
}

/** Bounds as texts of the same grammar, so that a refusal can name them. */
export interface Bounds {
  readonly least: string;
  readonly most: string;
}

type Unit = readonly [name: string, worth: number];

const BYTE_UNITS: readonly Unit[] = [
  ["B", 1],
  ["kB", 1e3],
  ["MB", 1e6],
  ["GB", 1e9],
  ["TB", 1e12],
  ["KiB", 2 ** 10],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
  ["TiB", 2 ** 40],
];

const MS_UNITS: readonly Unit[] = [
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
  ["w", 604_800_000],
];

/** "512MiB", "1 GB": a whole number and a unit, in whatever case. */
export function readByteCount(text: string, bounds: Bounds): Reading<ByteCount> {
  const reading = readQuantity(text, { thing: "size", example: "512MiB", units: BYTE_UNITS }, bounds);
  return reading.kind === "value" ? { kind: "value", value: reading.value as ByteCount } : reading;
}

/** "500ms", "14d": a whole number and a unit; to milliseconds. Months do not exist: m is a minute. */
export function readDurationMs(text: string, bounds: Bounds): Reading<number> {
  return readQuantity(text, { thing: "duration", example: "14d", units: MS_UNITS }, bounds);
}

/** Exact, in the largest unit that leaves a whole number; `readByteCount` reads it back. */
export function writeByteCount(value: ByteCount): string {
  return writeExactly(value, BYTE_UNITS);
}

/** Exact, as `writeByteCount`; `readDurationMs` reads it back. */
export function writeDurationMs(ms: number): string {
  return writeExactly(ms, MS_UNITS);
}

function writeExactly(value: number, units: readonly Unit[]): string {
  const fitting = units.filter(([, worth]) => value >= worth && value % worth === 0);
  const [name = "", worth = 1] = fitting.toSorted((a, b) => b[1] - a[1])[0] ?? units[0] ?? [];
  return `${value / worth}${name}`;
}

interface Kind {
  readonly thing: string;
  readonly example: string;
  readonly units: readonly Unit[];
}

function readQuantity(text: string, kind: Kind, { least, most }: Bounds): Reading<number> {
  const value = worthOf(text, kind.units);
  const names = kind.units.map(([name]) => name).join(", ");
  if (value === undefined)
    return wrong(`that is no ${kind.thing}`, `write a whole number and one of ${names}, as "${kind.example}"`);
  const [min, max] = [worthOf(least, kind.units), worthOf(most, kind.units)];
  if (min !== undefined && value < min) return wrong(`that is less than ${least}`, `write ${least} or more`);
  if (max !== undefined && value > max) return wrong(`that is more than ${most}`, `write ${most} or less`);
  return { kind: "value", value };
}

function worthOf(text: string, units: readonly Unit[]): number | undefined {
  const [, digits = "", name = ""] = /^(\d{1,16}) ?([A-Za-z]+)$/.exec(text) ?? [];
  const worth = units.find(([unit]) => unit.toLowerCase() === name.toLowerCase())?.[1];
  if (worth === undefined) return undefined;
  const value = Number(digits) * worth;
  return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY; // beyond any bound.
}
