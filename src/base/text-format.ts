/**
 * Quantities for people: in messages, progress and reports. Machines get the plain numbers.
 *
 * Decimal units (1 kB = 1000 bytes), three significant digits, and no locale: the same on every host and in every test.
 */
import { assert } from "./assert.js";

const BYTE_UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB"] as const;

/** "1 byte", "999 bytes", "1.00 kB", "23.4 MB". */
export function formatBytes(byteCount: number): string {
  assertQuantity(byteCount);
  if (byteCount === 1) return "1 byte";
  let value = byteCount;
  let unit = 0;
  // 999.5 would be shown as 1000 of the smaller unit.
  while (value >= (unit === 0 ? 1000 : 999.5) && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : threeDigits(value)} ${BYTE_UNITS[unit]}`;
}

/** "1,234,567". */
export function formatCount(count: number): string {
  assertQuantity(count);
  return String(Math.round(count)).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** "0 ms", "0.42 ms", "850 ms", "12.3 s", "3 min 20 s", "2 h 5 min", "3 d 4 h": the two largest units at most. */
export function formatDuration(ms: number): string {
  assertQuantity(ms);
  if (ms === 0) return "0 ms";
  if (ms < 999.5) return `${ms < 1 ? ms.toFixed(2) : threeDigits(ms)} ms`;
  if (ms < MINUTE_MS - 50) return `${threeDigits(ms / SECOND_MS)} s`;
  if (ms < HOUR_MS - SECOND_MS / 2) return twoUnits(ms, [MINUTE_MS, "min"], [SECOND_MS, "s"]);
  if (ms < DAY_MS - MINUTE_MS / 2) return twoUnits(ms, [HOUR_MS, "h"], [MINUTE_MS, "min"]);
  return twoUnits(ms, [DAY_MS, "d"], [HOUR_MS, "h"]);
}

type Unit = readonly [ms: number, name: string];

/** Rounded in the smaller unit first, so that it never shows sixty of them. */
function twoUnits(ms: number, [largeMs, large]: Unit, [smallMs, small]: Unit): string {
  const smalls = Math.round(ms / smallMs);
  const perLarge = largeMs / smallMs;
  const rest = smalls % perLarge;
  const whole = `${Math.floor(smalls / perLarge)} ${large}`;
  return rest === 0 ? whole : `${whole} ${rest} ${small}`;
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

function assertQuantity(value: number): void {
  assert(Number.isFinite(value) && value >= 0, `not a quantity: ${value}`);
}
