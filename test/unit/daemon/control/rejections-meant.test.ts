/** Which rows of a rejection log are meant: whatever the list shows can be named, whatever became of its mailbox. */
import { expect, test } from "vitest";
import { rejectionsMeant } from "../../../../src/daemon/control/rejections-meant.js";
import { mailboxName } from "../../../../src/daemon/words.js";
import { guid, rawPath } from "../../log/state-fixtures.js";

const rejected = (n: number, path: string) => ({ mailbox: guid(n), path: rawPath(path) });
const there = (n: number, path: string) => ({ guid: guid(n), path: rawPath(path) });

/** 1 was renamed since, and 2 has its name now; 3 is gone; 4 is where it was. */
const ROWS = [
  rejected(1, "alice/.Work"),
  rejected(2, "alice/.Work"),
  rejected(3, "bob/Maildir/.Old"),
  rejected(4, "caf\xe9"),
];
const PRESENT = [there(1, "alice/.Arbeit"), there(2, "alice/.Work"), there(4, "caf\xe9"), there(5, "alice/.Sent")];

function meant(wish: { readonly user?: string; readonly mailbox?: string }, rows = ROWS, present = PRESENT) {
  return rejectionsMeant(rows, present, wish).map(
    ({ mailbox }) => rows.findIndex((row) => row.mailbox === mailbox) + 1,
  );
}

test("each by the name that is shown, and by its GUID, which means that one alone", () => {
  for (const row of ROWS) {
    expect(rejectionsMeant(ROWS, PRESENT, { mailbox: mailboxName(row.path) })).toContain(row);
    expect(rejectionsMeant(ROWS, PRESENT, { mailbox: row.mailbox })).toStrictEqual([row]);
    expect(rejectionsMeant(ROWS, PRESENT, { mailbox: row.mailbox.toUpperCase() })).toStrictEqual([row]);
  }
});

test.each([
  [{}, [1, 2, 3, 4]],
  [{ mailbox: "alice/.Work" }, [1, 2]],
  [{ user: "alice", mailbox: "Work" }, [1, 2]],
  [{ user: "alice", mailbox: "Arbeit" }, [1]],
  [{ mailbox: "alice/.Arbeit" }, [1]],
  [{ user: "bob", mailbox: "Old" }, [3]],
  [{ user: "alice" }, [1, 2]],
  [{ user: "alice", mailbox: guid(1) }, [1]],
  [{ user: "bob", mailbox: guid(1) }, []],
  [{ mailbox: "alice/.Sent" }, []],
  [{ mailbox: guid(5) }, []],
] as const)("%j", (wish, found) => expect(meant(wish)).toEqual(found));

test("a store that is one Maildir: its user is whoever is named, also where its INBOX is not rejected", () => {
  const [rows, present] = [[rejected(1, ".Work")], [there(9, "")]];
  for (const mailbox of ["Work", ".Work", guid(1)])
    expect(meant({ user: "alice", mailbox }, rows, present)).toEqual([1]);
  expect(meant({ user: "alice", mailbox: "INBOX" }, rows, present)).toEqual([]);
});

test("two that are shown as INBOX are both meant by that", () => {
  expect(meant({ mailbox: "INBOX" }, [rejected(1, ""), rejected(2, "INBOX")], [])).toEqual([1, 2]);
});
