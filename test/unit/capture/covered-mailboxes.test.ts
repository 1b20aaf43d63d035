import { expect, test } from "vitest";
import { CoveredMailboxes } from "../../../src/capture/covered-mailboxes.js";
import type { MailboxRow } from "../../../src/log/state-types.js";
import { guid, mailboxRow, rawPath } from "../log/state-fixtures.js";

const box = (n: number, path: string): MailboxRow => mailboxRow(n, { guid: guid(n), path: rawPath(path) });

/** Plays the watches of `hot` mailboxes: which directory (by its mailbox's number) each watched path stands for. */
function watchedAfter(before: readonly MailboxRow[], after: readonly MailboxRow[]): Map<string, number> {
  const covered = new CoveredMailboxes(before);
  const onDisk = new Map(after.map(({ path, id }) => [path as string, id]));
  const watched = new Map(before.map(({ path, id }) => [path as string, id]));
  covered.onMoved = (from, to) => {
    watched.delete(from);
    if (to !== undefined && !watched.has(to)) watched.set(to, onDisk.get(to) ?? 0);
  };
  covered.take({ mailboxes: after, removedMailboxIds: [] });
  return watched;
}

test.each([
  ["one moves", ["a"], ["b"]],
  ["two change places", ["a", "b"], ["b", "a"]],
  ["three move in a circle", ["a", "b", "c"], ["b", "c", "a"]],
  ["a chain, its end first", ["b", "a"], ["c", "b"]],
  ["a chain, its end last", ["a", "b"], ["b", "c"]],
])("after a commit in which %s each watched path is the mailbox that is there", (_, from, to) => {
  const after = to.map((path, n) => box(n + 1, path));
  const watched = watchedAfter(
    from.map((path, n) => box(n + 1, path)),
    after,
  );
  expect(watched).toEqual(new Map(after.map(({ path, id }) => [path, id])));
});
