/** Which mailboxes of the source a destination has elsewhere, and whether one of the two paths is a level off. */
import { expect, test } from "vitest";
import { findElsewhere, levelOff, type Placed } from "../../../src/resync/elsewhere.js";
import { rawPath } from "../log/state-fixtures.js";

function placed(path: string, guid: string, uidValidity = 7): Placed {
  return { path: rawPath(path), guid, uidValidity };
}

/** As "where it is > where it belongs", with "!" for a whole Maildir. */
function found(standing: readonly Placed[], source: readonly Placed[]): string[] {
  return findElsewhere(standing, source).map((it) => `${it.standsAt} > ${it.path}${it.isWhole ? " !" : ""}`);
}

test("what stands at its path has not moved, whatever copies there are", () => {
  expect(found([placed("a", "1"), placed("b", "1")], [placed("b", "1"), placed("c", "2")])).toStrictEqual([]);
});

test("another UIDVALIDITY, or no GUID, is another mailbox", () => {
  const nameless = { path: rawPath("x") };
  expect(found([placed("a", "1", 8), nameless], [placed("b", "1"), { path: rawPath("y") }])).toStrictEqual([]);
});

test("a folder is in a Maildir of the source, or has a name that only folders have", () => {
  const source = [placed("u", "1"), placed("u/Sent", "2"), placed("v/.Sent", "3"), placed("w/Maildir", "4")];
  const standing = [placed("u", "1"), placed("u/Old", "2"), placed("v/.Old", "3"), placed("x/Maildir", "4")];
  expect(found(standing, source)).toStrictEqual(["u/Old > u/Sent", "v/.Old > v/.Sent", "x/Maildir > w/Maildir !"]);
});

test.each([
  ["the destination is named too high", ["s/a/M", "s/b/M"], ["a/M", "b/M"], { store: "destination", below: "s" }],
  ["it holds the one Maildir that the source is", ["a/M"], [""], { store: "destination", below: "a/M" }],
  ["the source is named too high", ["M"], ["a/M"], { store: "source", below: "a" }],
  ["a user has another name", ["s/a/M", "x/M"], ["a/M", "b/M"], undefined],
])("%s", (_what, standing, source, off) => {
  const place = (path: string, i: number) => placed(path, String(i));
  expect(levelOff(findElsewhere(standing.map(place), source.map(place)))).toStrictEqual(off);
});
