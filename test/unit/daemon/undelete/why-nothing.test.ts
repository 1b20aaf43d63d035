/** Where nothing is listed or restored, people are told why, and nothing that is not so. */
import { describe, expect, test } from "vitest";
import {
  type LimboSource,
  type Removed,
  removedMail,
  whyNothing,
} from "../../../../src/daemon/undelete/removed-mail.js";
import { chosen } from "../../../../src/daemon/undelete/restoring.js";
import type { LimboRow } from "../../../../src/log/state-types.js";

const NOW = Date.UTC(2026, 10, 30);
const row = (path: string, uid: number, cause = "expunge") =>
  ({
    name: `2026-11-29/${"a".repeat(32)}.${uid}.${"b".repeat(16)}`,
    path,
    uid,
    cause,
    removedMs: NOW - 1000,
  }) as LimboRow;
const sourceOf = (rows: readonly LimboRow[], ...standing: readonly string[]): LimboSource => ({
  limbo: () => rows,
  mailboxes: () => standing.map((path) => ({ path })) as never,
});

const USERS = sourceOf([row("alice/Maildir", 1), row("bob/Maildir", 2)], "alice/Maildir", "alice/Maildir/.Work");

test.each<[string, LimboSource, object, boolean, string]>([
  ["nothing is there", sourceOf([]), { user: "alice" }, false, "the limbo is empty"],
  [
    "nothing is told over a link",
    sourceOf([]),
    {},
    true,
    "of what this source has sent nothing has gone to the limbo there (of other mail a link tells nothing)",
  ],
  [
    "nothing is told since then",
    sourceOf([]),
    { since: "2d" },
    true,
    "of what this source has sent nothing has gone to the limbo there since then (of other mail a link tells nothing)",
  ],
  [
    "nobody has such a mailbox",
    USERS,
    { user: "alice", mailbox: "Wrok" },
    false,
    'looking for mailbox "Wrok" of "alice": the log knows none of that name, nor does the limbo',
  ],
  [
    "there is no such user",
    USERS,
    { user: "alcie" },
    true,
    'looking for user "alcie": the log knows none of that name (did you mean "alice"?), nor does the limbo',
  ],
  [
    "it is not said whose",
    USERS,
    { mailbox: "INBOX" },
    false,
    'looking for mailbox "INBOX": no -u USER says whose it is; "alice", "bob" have one',
  ],
  [
    "nothing of it was removed",
    USERS,
    { user: "alice", mailbox: "Work" },
    true,
    "nothing of that has gone to the limbo (other entries: 2)",
  ],
  [
    "nothing of it was removed since then",
    USERS,
    { user: "alice", since: "2100-01-01" },
    false,
    "nothing of that has gone to the limbo since then (other entries: 2)",
  ],
])("%s", (_what, source, wish, isFar, words) => {
  expect(removedMail(source, wish, NOW)).toEqual([]);
  expect(whyNothing(source, wish, isFar)).toBe(words);
});

describe("what is chosen", () => {
  const found = (...causes: readonly string[]) =>
    removedMail(sourceOf(causes.map((cause, at) => row("alice", at + 1, cause))), {}, NOW);
  const refusal = (of: readonly Removed[], flags: Parameters<typeof chosen>[1], isFar = false): string => {
    try {
      chosen(of, flags, { isFar, nothing: () => "it is empty" });
    } catch (error) {
      return (error as Error).message.replace(/^choosing what to restore: /, "");
    }
    return "nothing was refused";
  };

  test.each<[readonly Removed[], Parameters<typeof chosen>[1], boolean, string]>([
    [[], {}, false, "it is empty"],
    [found("copy"), {}, false, "all that is meant has come back as messages already: each can be had by its --name"],
    [found("expunge"), { uid: ["9"] }, false, "of what is meant nothing in the limbo had such a UID"],
    [found("expunge"), { name: ["x"] }, false, "x is not in the limbo"],
    [
      found("expunge"),
      { name: ["x"], user: "alice" },
      true,
      "x is not in the limbo, or not what -u, --mailbox and --since mean, or a link does not tell of it (only of what this source has sent)",
    ],
  ])("of %j by %j, over a link: %s", (of, flags, isFar, words) => {
    expect(refusal(of, flags, isFar)).toBe(words);
  });
});
