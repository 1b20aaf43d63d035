/** Mail that was set aside at first contact is put back, mailbox by mailbox. */
import { expect, test } from "vitest";
import type { Asker } from "../../../src/agent/asker.js";
import { agentError } from "../../../src/agent/errors.js";
import type { NextUidNews } from "../../../src/agent/next-uids.js";
import { restoreAside } from "../../../src/daemon/foreign-moves.js";
import { UID_MAX } from "../../../src/maildir/ids.js";
import type { Answer, Ask } from "../../../src/wire/messages.js";
import { mailboxRow, rawPath } from "../log/state-fixtures.js";

const never = new AbortController().signal;
const INBOX = mailboxRow(1, { path: rawPath("") });
const SENT = mailboxRow(2, { path: rawPath(".Sent") });

function openPorts(answer: (ask: Ask) => Answer) {
  const asked: Ask[] = [];
  const news: NextUidNews[] = [];
  const refused: string[] = [];
  const ask = async (question: Ask) => {
    asked.push(question);
    return answer(question);
  };
  const ports = {
    asker: { ask } as unknown as Asker,
    source: {
      pathOf: (guid: string) => [INBOX, SENT].find((row) => row.guid === guid)?.path,
      uidNextOf: () => 9,
      raiseNextUid: async () => ({ kind: "raised", from: 9 }) as const,
    },
    onNextUid: (it: NextUidNews) => news.push(it),
    onRefused: (path: string, { message }: Error) => refused.push(`${path}: ${message}`),
  };
  return { ports, asked, news, refused };
}

const NO_MESSAGES = { spans: [], looksOnly: true };
const restoring = (path: string) => ({ kind: "foreign", path, bases: [], action: "restore" });

test("a mailbox that refuses is named, and does not stop the others", async () => {
  const { ports, asked, news, refused } = openPorts((ask) => {
    if (ask.kind === "foreign" && ask.path === "") throw agentError("mailbox-rejected", "it is not here");
    return { kind: "foreign", messages: 0, copies: 0 };
  });
  expect(await restoreAside(ports, [INBOX, SENT], never)).toBe(false);
  expect(asked).toStrictEqual([restoring(""), restoring(".Sent")]);
  expect([refused, news]).toStrictEqual([[": it is not here"], []]);
});

test("where mail came back the source's next UID is raised to where the destination is then; elsewhere nothing is asked", async () => {
  const { ports, asked, news, refused } = openPorts((ask) => {
    if (ask.kind === "foreign") return { kind: "foreign", messages: ask.path === SENT.path ? 2 : 0, copies: 0 };
    const { path, uidValidity } = SENT;
    return { kind: "tell-held", standing: { path, uidValidity, uidNext: 14 }, messages: [], reached: UID_MAX };
  });
  expect(await restoreAside(ports, [INBOX, SENT], never)).toBe(true);
  const looking = { kind: "tell-held", mailbox: SENT.guid, path: SENT.path, ...NO_MESSAGES };
  expect(asked).toStrictEqual([restoring(""), restoring(".Sent"), looking]);
  expect(news).toStrictEqual([{ kind: "raised", path: SENT.path, from: 9, to: 14 }]);
  expect(refused).toStrictEqual([]);
});
