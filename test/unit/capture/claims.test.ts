/** Who is the known mailbox, of those that have its GUID elsewhere. */
import { describe, expect, test } from "vitest";
import { type ClaimTells, markClaims } from "../../../src/capture/claims.js";
import { guid, mailboxRow, rawPath } from "../log/state-fixtures.js";

const ARCH = mailboxRow(1, { path: rawPath("bob/.Arch"), messages: 3 });

interface Known {
  readonly isTree?: boolean;
  readonly ino?: number;
  readonly inos?: Readonly<Record<string, number>>;
  readonly filesAt?: readonly string[];
  readonly messages?: number;
}

/** The claims on the archive that are not believed. */
function disbelieved(
  paths: readonly string[],
  { isTree = true, ino, inos = {}, filesAt = [], messages = 3 }: Known = {},
) {
  const row = { ...ARCH, messages };
  const tells: ClaimTells = {
    isTree,
    rowOf: (one) => (one === row.guid ? row : undefined),
    knownInoOf: () => ino,
    inoAt: (path) => inos[path],
    hasFileOf: (_row, path) => filesAt.includes(path),
  };
  const standing = [...paths.map((path) => ({ path: rawPath(path), guid: row.guid, fingerprint: "" })), OTHER];
  const marked = markClaims(standing, tells);
  expect(marked.map(({ path }) => path)).toStrictEqual([...paths, OTHER.path]);
  return marked.flatMap(({ path, claims }) => (claims === row.path ? [path] : []));
}
const OTHER = { path: rawPath("alice"), guid: guid(9), fingerprint: "" };

describe("one path", () => {
  test("of the same user is a rename, as everything is in a store that is one user's", () => {
    expect(disbelieved(["bob/.Arch2"], { ino: 5, inos: { "bob/.Arch2": 6 } })).toStrictEqual([]);
    expect(disbelieved(["z"], { isTree: false, ino: 5, inos: { z: 6 } })).toStrictEqual([]);
  });

  test("of another user is one if the directory is the same, or a file in it", () => {
    expect(disbelieved(["u9/.Arch"], { ino: 5, inos: { "u9/.Arch": 5 } })).toStrictEqual([]);
    expect(disbelieved(["u9/.Arch"], { filesAt: ["u9/.Arch"] })).toStrictEqual([]);
    expect(disbelieved(["u9/.Arch"], { ino: 5, inos: { "u9/.Arch": 6 } })).toStrictEqual(["u9/.Arch"]);
    expect(disbelieved(["u9/.Arch"])).toStrictEqual(["u9/.Arch"]);
  });

  test("of another user is one if there is nothing to be told by, and no mail to lose", () => {
    expect(disbelieved(["u9/.Arch"], { messages: 0 })).toStrictEqual([]);
    expect(disbelieved(["u9/.Arch"], { messages: 0, ino: 5 })).toStrictEqual(["u9/.Arch"]);
  });
});

describe("several paths", () => {
  test("at its known path nobody is asked", () => {
    expect(disbelieved(["alice/.Fake", "bob/.Arch"])).toStrictEqual([]);
  });

  test("the directory counts first, then its files, then whose it is", () => {
    const paths = ["alice/.Fake", "bob/.Arch2", "carol/.X"];
    expect(disbelieved(paths, { ino: 5, inos: { "carol/.X": 5 } })).toStrictEqual(["alice/.Fake", "bob/.Arch2"]);
    expect(disbelieved(paths, { ino: 5, filesAt: ["carol/.X"] })).toStrictEqual(["alice/.Fake", "bob/.Arch2"]);
    expect(disbelieved(paths)).toStrictEqual(["alice/.Fake", "carol/.X"]);
    expect(disbelieved(paths, { filesAt: ["bob/.Arch2", "carol/.X"] })).toStrictEqual(["alice/.Fake", "carol/.X"]);
  });

  test("that cannot be told apart are none of them", () => {
    for (const paths of [
      ["alice/.Fake", "carol/.X"],
      ["bob/.A", "bob/.B"],
    ])
      expect([disbelieved(paths), disbelieved(paths, { messages: 0 })]).toStrictEqual([paths, paths]);
    expect(disbelieved(["x", "y"], { isTree: false })).toStrictEqual(["x", "y"]);
  });
});
