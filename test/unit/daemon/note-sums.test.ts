/** Notes, summed up. */
import { describe, expect, test } from "vitest";
import { NoteSums, sumNotes } from "../../../src/daemon/note-sums.js";

describe("sumNotes", () => {
  test("notes that differ in numbers only are one kind, shown by the first", () => {
    expect(sumNotes(["UID 7 is left out", "keyword Blue", "UID 12 is left out", "UID 9 is left out"])).toStrictEqual([
      { words: "UID 7 is left out", count: 3 },
      { words: "keyword Blue", count: 1 },
    ]);
    expect(sumNotes([])).toStrictEqual([]);
  });

  test("kinds beyond the eighth are only counted", () => {
    const words = Array.from({ length: 500 }, (_, i) => `keyword ${"x".repeat(i + 1)}`);
    const sums = sumNotes([...words, "keyword x"]);
    expect(sums).toHaveLength(9);
    expect(sums[0]).toStrictEqual({ words: "keyword x", count: 2 });
    expect(sums.at(-1)).toStrictEqual({ words: "notes of other kinds", count: 492 });
  });
});

describe("NoteSums", () => {
  test("adds up what transactions report, names mailboxes, and begins anew when it was read", () => {
    const sums = new NoteSums();
    sums.add({ mailbox: "1", path: "bob", notes: [{ words: "UID 7 is left out", count: 2 }] });
    sums.add({ mailbox: "1", path: "bob", notes: [{ words: "UID 9 is left out", count: 1 }] });
    sums.add({ mailbox: "2", path: "eve", notes: [{ words: "keyword Blue", count: 1 }] });
    expect(sums.take()).toBe("bob: UID 7 is left out (and 2 more like it); eve: keyword Blue");
    expect(sums.take()).toBeUndefined();
  });

  test("has one line, of bounded length, for whatever many mailboxes note", () => {
    const sums = new NoteSums();
    for (let i = 0; i < 1_000; i++) {
      sums.add({ mailbox: String(i), path: "p", notes: [{ words: `keyword ${"x".repeat(i % 100)}`, count: 2 }] });
    }
    const line = sums.take() ?? "";
    expect(line.endsWith("; 1,840 notes of other kinds in 920 mailboxes")).toBe(true);
    expect(line.length).toBeLessThan(600);
  });
});
