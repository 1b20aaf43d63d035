/** Parts of files for one answer: no more bytes than there is room for, the first from its offset, and nothing of what was cut meanwhile. */
import { expect, test } from "vitest";
import type { ReadFile } from "../../../src/base/disk.js";
import { readInTurn, readRange } from "../../../src/base/file-parts.js";

/** `told`: its size, as its stat has it. At most 2 bytes come at a time. */
function fileOf(text: string, told = text.length): ReadFile {
  const bytes = Buffer.from(text);
  return {
    stat: { size: told },
    read: (into: Uint8Array, at: number) => bytes.copy(into, 0, at, Math.min(bytes.length, at + 2)),
  } as never;
}
const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString());

test("a range of a file, as far as it goes", () => {
  const file = fileOf("0123456789");
  expect(text(readRange(file, { from: 3, left: 4 }))).toBe("3456");
  expect(text(readRange(file, { from: 8, left: 4 }))).toBe("89");
  expect(text(readRange(file, { from: 99, left: 4 }))).toBe("");
  expect(readRange(fileOf("0123", 9), { from: 2, left: 9 })).toBeUndefined();
});

test.each<[number, number, readonly (string | undefined)[]]>([
  [0, 100, ["01234", undefined, "abc", undefined, "xy"]],
  [3, 100, ["34", undefined, "abc", undefined, "xy"]],
  [0, 5, ["01234"]],
  [0, 7, ["01234", undefined, "ab"]],
  [0, 0, ["", undefined, "", undefined, ""]],
])("from %i on, with room for %i bytes", (offset, bytesMax, expected) => {
  const wanted = ["01234", undefined, "abc", "gone", "xy"];
  const parts = readInTurn(wanted, { offset, bytesMax }, (each, range) => {
    const bytes = each === "gone" ? undefined : readRange(fileOf(each), range);
    return bytes && { bytes };
  });
  expect(parts.map((part) => text(part?.bytes))).toEqual(expected);
});
