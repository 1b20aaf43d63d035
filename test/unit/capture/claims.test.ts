/** Who is the known mailbox, of those that have its GUID elsewhere. */
import { describe, expect, test } from "vitest";
import type { FoundMailbox } from "../../../src/capture/capture-types.js";
import { type ClaimTells, markClaims } from "../../../src/capture/claims.js";
import type { DirectoryMark } from "../../../src/maildir/whose-tree.js";
import { guid, mailboxRow, rawPath } from "../log/state-fixtures.js";

const ARCH = mailboxRow(1, { path: rawPath("bob/Maildir/.Arch"), messages: 3 });
const KNOWN: DirectoryMark = { ino: 5, uid: 3003, birthtimeMs: 1000.5 };
const OTHER_DIR: DirectoryMark = { ...KNOWN, ino: 6, birthtimeMs: 2000 };

interface Known {
  readonly isTree?: boolean;
  readonly known?: DirectoryMark | undefined;
  /** Of any other path: `OTHER_DIR`. */
  readonly directories?: Readonly<Record<string, DirectoryMark>>;
  readonly filesAt?: readonly string[];
  readonly messages?: number;
  /** Mailboxes that stand or are known besides. */
  readonly inboxes?: readonly string[];
}

const INBOXES = ["alice/Maildir", "bob/Maildir", "carol/Maildir"];

function marked(paths: readonly string[], how: Known = {}, one = ARCH.guid): readonly FoundMailbox[] {
  const { isTree = true, directories = {}, filesAt = [], messages = 3, inboxes = INBOXES } = how;
  const row = { ...ARCH, messages };
  const tells: ClaimTells = {
    isTree,
    rowOf: (sought) => (sought === row.guid ? row : undefined),
    isKnown: (path) => path === row.path || inboxes.includes(path),
    knownDirectoryOf: () => ("known" in how ? how.known : KNOWN),
    directoryAt: (path) => directories[path] ?? OTHER_DIR,
    ownerAbove: () => 3003,
    hasFileOf: (_row, path) => filesAt.includes(path),
  };
  const standing = [...paths.map((path) => ({ path: rawPath(path), guid: one, fingerprint: "" })), OTHER];
  const found = markClaims(standing, tells);
  expect(found.map(({ path }) => path)).toStrictEqual([...paths, OTHER.path]);
  return found;
}
const OTHER = { path: rawPath("dora/Maildir"), guid: guid(9), fingerprint: "" };

/** The claims on the archive that are not believed. */
function disbelieved(paths: readonly string[], how: Known = {}): readonly string[] {
  return marked(paths, how).flatMap(({ path, claims }) => (claims === ARCH.path ? [path] : []));
}

/** Of those, the ones that keep nothing of it from being deleted. */
function strangers(paths: readonly string[], how: Known = {}): readonly string[] {
  return marked(paths, how).flatMap(({ path, claimant }) => (claimant === "stranger" ? [path] : []));
}

const [OWN, OWN_2, ALICES, CAROLS] = [
  "bob/Maildir/.B",
  "bob/Maildir/.C",
  "alice/Maildir/.F",
  "carol/Maildir/.X",
] as const;

describe("one path", () => {
  test("of the same user is a rename, as everything is in a store that is one user's", () => {
    expect(disbelieved([OWN])).toStrictEqual([]);
    expect(disbelieved([OWN], { known: undefined })).toStrictEqual([]);
    expect(disbelieved(["z"], { isTree: false })).toStrictEqual([]);
  });

  test("of another owner is none, whoever's tree it is in", () => {
    for (const path of [OWN, ALICES])
      for (const directory of [KNOWN, OTHER_DIR]) {
        const how = { directories: { [path]: { ...directory, uid: 3002 } }, filesAt: [path] };
        expect([disbelieved([path], how), strangers([path], how)]).toStrictEqual([[path], [path]]);
      }
    const how = { isTree: false, directories: { z: { ...KNOWN, uid: 3002 } } };
    expect(strangers(["z"], how)).toStrictEqual(["z"]);
  });

  test("of another user is one only if the directory is the same, by more than its number", () => {
    expect(disbelieved([ALICES], { directories: { [ALICES]: KNOWN } })).toStrictEqual([]);
    const reused = { ...KNOWN, birthtimeMs: 3000 };
    expect(strangers([ALICES], { directories: { [ALICES]: reused } })).toStrictEqual([ALICES]);
    expect(disbelieved([ALICES], { directories: { [ALICES]: reused }, filesAt: [ALICES] })).toStrictEqual([]);
    const untold = { ...KNOWN, birthtimeMs: 0 };
    expect(strangers([ALICES], { known: untold, directories: { [ALICES]: untold } })).toStrictEqual([ALICES]);
    expect(strangers([ALICES], { filesAt: [ALICES] })).toStrictEqual([ALICES]);
  });

  test("of another user, where nothing was noted, is one only with the owner of its user's directory and a file, or no mail to lose", () => {
    const known = undefined;
    expect(disbelieved([ALICES], { known, filesAt: [ALICES] })).toStrictEqual([]);
    expect(disbelieved([ALICES], { known, messages: 0 })).toStrictEqual([]);
    expect(strangers([ALICES], { known })).toStrictEqual([ALICES]);
    const directories = { [ALICES]: { ...OTHER_DIR, uid: 3002 } };
    for (const messages of [0, 3])
      expect(strangers([ALICES], { known, messages, directories, filesAt: [ALICES] })).toStrictEqual([ALICES]);
  });

  test("of another user in the same domain is of another user", () => {
    const row = { ...ARCH, path: rawPath("example.org/zed/Maildir/.F") };
    const isKnown = (path: string) => ["example.org/zed/Maildir", row.path].includes(path);
    const tells: ClaimTells = {
      ...{ isTree: true, isKnown, rowOf: (one) => (one === row.guid ? row : undefined) },
      ...{
        knownDirectoryOf: () => KNOWN,
        directoryAt: () => OTHER_DIR,
        ownerAbove: () => 3003,
        hasFileOf: () => false,
      },
    };
    const claimant = (path: string) =>
      markClaims([{ path: rawPath(path), guid: row.guid, fingerprint: "" }], tells)[0]?.claimant;
    expect(claimant("example.org/mallory/Maildir/.y")).toBe("stranger");
    expect(claimant("example.org/zed/Maildir/.G")).toBeUndefined();
    expect(claimant("example.org/zed/Maildir/work/sub")).toBeUndefined();
  });
});

describe("several paths", () => {
  test("at its known path nobody is asked", () => {
    expect(disbelieved([ALICES, ARCH.path])).toStrictEqual([]);
  });

  test("strangers do not count; then the directory does, then its files", () => {
    const paths = [ALICES, OWN, CAROLS];
    expect([disbelieved(paths), strangers(paths)]).toStrictEqual([
      [ALICES, CAROLS],
      [ALICES, CAROLS],
    ]);
    expect(disbelieved(paths, { directories: { [CAROLS]: KNOWN } })).toStrictEqual([ALICES, OWN]);
    expect(disbelieved([OWN, OWN_2], { directories: { [OWN_2]: KNOWN } })).toStrictEqual([OWN]);
    expect(disbelieved([OWN, OWN_2], { filesAt: [OWN] })).toStrictEqual([OWN_2]);
  });

  test("of one user that cannot be told apart are none of them, and keep it from being deleted", () => {
    const paths = [OWN, OWN_2];
    for (const messages of [0, 3])
      expect([disbelieved(paths, { messages }), strangers(paths, { messages })]).toStrictEqual([paths, []]);
    expect(disbelieved(["x", "y"], { isTree: false })).toStrictEqual(["x", "y"]);
  });
});

describe("mailboxes with one GUID that nobody knows", () => {
  const rivals = (paths: readonly string[], how: Known = {}) =>
    marked(paths, how, guid(7)).flatMap(({ path, claims, claimant }) =>
      claimant === "rival" ? [[path, claims] as const] : [],
    );

  test("of two users are neither of them, whoever comes first", () => {
    expect(rivals([ALICES, OWN])).toStrictEqual([
      [ALICES, OWN],
      [OWN, ALICES],
    ]);
    expect(rivals([ALICES, OWN, OWN_2])).toHaveLength(3);
  });

  test("of one user: the first one is as good as any, but not where their owners are two", () => {
    expect(rivals([OWN, OWN_2])).toStrictEqual([]);
    expect(rivals([OWN])).toStrictEqual([]);
    expect(rivals([OWN, OWN_2], { directories: { [OWN]: { ...OTHER_DIR, uid: 1 } } })).toHaveLength(2);
  });
});
