/**
 * Every crash point is declared in a list, reached somewhere in the program, and killed at by a live test: a new one that nobody
 * tests fails here.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { EXCHANGE_CRASH_POINTS, HELD_CRASH_POINTS } from "../../src/apply/exchange.js";
import { APPLY_CRASH_POINTS, MAILBOX_CRASH_POINTS } from "../../src/apply/store-context.js";
import { RAISE_CRASH_POINTS } from "../../src/capture/raise-next-uid.js";
import { RENUMBER_CRASH_POINTS } from "../../src/capture/renumber.js";
import { CAPTURE_CRASH_POINTS } from "../../src/capture/source-store.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

interface PointList {
  readonly points: readonly string[];
  /** The live test that kills at each of them. */
  readonly killedIn: string;
  /** It goes through the list itself; else it has a table with a row for each, which does not compile without. */
  readonly goesThrough: boolean;
}

const LISTS: Readonly<Record<string, PointList>> = {
  CAPTURE_CRASH_POINTS: { points: CAPTURE_CRASH_POINTS, killedIn: "crash.test.ts", goesThrough: true },
  APPLY_CRASH_POINTS: { points: APPLY_CRASH_POINTS, killedIn: "crash.test.ts", goesThrough: true },
  EXCHANGE_CRASH_POINTS: { points: EXCHANGE_CRASH_POINTS, killedIn: "folders.test.ts", goesThrough: true },
  HELD_CRASH_POINTS: { points: HELD_CRASH_POINTS, killedIn: "crash-mailboxes.test.ts", goesThrough: false },
  MAILBOX_CRASH_POINTS: { points: MAILBOX_CRASH_POINTS, killedIn: "crash-mailboxes.test.ts", goesThrough: false },
  RAISE_CRASH_POINTS: { points: RAISE_CRASH_POINTS, killedIn: "next-uids.test.ts", goesThrough: true },
  RENUMBER_CRASH_POINTS: { points: RENUMBER_CRASH_POINTS, killedIn: "crash-renumber.test.ts", goesThrough: true },
};
const POINT = /"((?:apply|capture)\.[a-z]+(?:-[a-z]+)*)"/g;

const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => readFileSync(join(ROOT, "src", path), "utf8"));

test("every list of the program is known here", () => {
  const declared = sources.flatMap((text) => [...text.matchAll(/export const ([A-Z_]*CRASH_POINTS) = /g)]);
  expect(declared.map(([, name]) => name).sort()).toEqual(Object.keys(LISTS).sort());
});

test("what is declared is reached, and what is reached is declared, once", () => {
  const declared = Object.values(LISTS).flatMap(({ points }) => points);
  const notReached = /export const [A-Z_]*CRASH_POINTS = \[[^\]]*\]|\/\*[\s\S]*?\*\//g;
  const withoutLists = sources.map((text) => text.replace(notReached, ""));
  const reached = new Set(withoutLists.flatMap((text) => [...text.matchAll(POINT)].map(([, name]) => name)));
  expect([...declared].sort()).toEqual([...reached].sort());
});

describe("each point is killed at", () => {
  test.each(Object.entries(LISTS))("%s", (name, { points, killedIn, goesThrough }) => {
    const text = readFileSync(join(ROOT, "test/live", killedIn), "utf8");
    expect(text).toContain("MAILTWIN_CRASH_AT");
    const uses = text.split(name).length - 1;
    expect(uses, `${killedIn} imports and uses ${name}`).toBeGreaterThanOrEqual(2);
    if (goesThrough) expect(text).toMatch(new RegExp(`\\.\\.\\.${name}|${name}\\.(?:flatMap|map)\\(|each\\(${name}`));
    else expect(points.filter((point) => !text.includes(`"${point}": [`))).toEqual([]);
  });
});
