/** What is done with mail that a destination holds before the first transaction comes. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Asker } from "../../../src/agent/asker.js";
import type { CaptureMethods } from "../../../src/capture/capture-types.js";
import type { Capturer } from "../../../src/capture/capturer.js";
import { meetDestination, restoreAside, surveyDestination } from "../../../src/daemon/first-contact.js";
import type { MailboxRow } from "../../../src/log/state-types.js";
import type { Answer, Ask, SurveyedMailbox } from "../../../src/wire/messages.js";
import { inlineWorker } from "../../worker-client.js";
import { guid, mailboxRow, rawPath } from "../log/state-fixtures.js";

const never = new AbortController().signal;
const INBOX = mailboxRow(1, { path: rawPath("") });
const SENT = mailboxRow(2, { path: rawPath(".Sent") });

interface Standing extends SurveyedMailbox {
  readonly bases: readonly string[];
}

let standing: Standing[];
let asked: Ask[];
let basesByGuid: Map<string, readonly string[]>;

beforeEach(() => {
  [standing, asked] = [[], []];
  basesByGuid = new Map([
    [INBOX.guid, ["i1", "i2"]],
    [SENT.guid, ["s1", "s2"]],
  ]);
});

function stand(row: MailboxRow, bases: readonly string[], more: Partial<Standing> = {}): void {
  const { path, guid: id, uidValidity } = row;
  standing.push({ path, guid: id, uidValidity, uidNext: 9, bases, ...more });
}

function answer(ask: Ask): Answer {
  switch (ask.kind) {
    case "survey":
      return { kind: "survey", mailboxes: standing };
    case "inventory": {
      // Two messages a page.
      const bases = standing.find(({ path }) => path === ask.path)?.bases ?? [];
      const page = bases.map((base, i) => ({ uid: i + 1, base, size: 1 })).filter(({ uid }) => uid > ask.afterUid);
      return { kind: "inventory", messages: page.slice(0, 2), more: page.length > 2, unnumbered: 0 };
    }
    case "foreign":
      return { kind: "foreign", messages: ask.bases.length };
    case "yield-uids":
      throw new Error("nobody asks for that here");
  }
}

function ports() {
  const ask = async (question: Ask): Promise<Answer> => {
    asked.push(question);
    return answer(question);
  };
  const states: CaptureMethods["states"] = ({ guid: id, afterUid }) => {
    // One message a page.
    const bases = basesByGuid.get(id) ?? [];
    const base = bases[afterUid];
    if (base === undefined) return { states: [] };
    return { states: [{ base }] as never, ...(afterUid + 1 < bases.length ? { nextAfterUid: afterUid + 1 } : {}) };
  };
  const worker = inlineWorker({ states } as unknown as CaptureMethods);
  return { asker: { ask } as unknown as Asker, worker, capturer: { rows: [INBOX, SENT] } as unknown as Capturer };
}

/** What was moved, as "path action bases". */
function moves(): string[] {
  return asked.flatMap((ask) => (ask.kind === "foreign" ? [`${ask.path} ${ask.action} ${ask.bases.join(" ")}`] : []));
}

describe("meetDestination", () => {
  test("an empty destination needs no question about mail", async () => {
    const { asker } = ports();
    expect(await surveyDestination(asker, never)).toStrictEqual([]);
    await meetDestination(ports(), [], "refuse", never);
    expect(asked.map(({ kind }) => kind)).toStrictEqual(["survey"]);
  });

  test("a copy of the source is left as it is", async () => {
    stand(INBOX, ["i1", "i2"]);
    stand(SENT, ["s2"]);
    await meetDestination(ports(), standing, "refuse", never);
    expect(moves()).toStrictEqual([]);
  });

  test("foreign mail is refused, in words, with nothing changed", async () => {
    stand(INBOX, ["i1", "x1", "x2", "x3"]);
    stand(mailboxRow(9, { path: rawPath(".Own") }), ["o1"]);
    await expect(meetDestination(ports(), standing, "refuse", never)).rejects.toMatchObject({
      code: "destination-has-mail",
      message: expect.stringContaining("4 messages that the source does not have, in INBOX (3), .Own (1)"),
    });
    expect(moves()).toStrictEqual([]);
  });

  test("kept mail stays where it is if the mailbox is the source's own, or the source has none there", async () => {
    stand(INBOX, ["i1", "x1"]);
    stand(mailboxRow(9, { path: rawPath(".Own") }), ["o1"]);
    await meetDestination(ports(), standing, "keep", never);
    expect(moves()).toStrictEqual([]);
  });

  test("kept mail in a mailbox of another identity is set aside, and what both have goes to limbo", async () => {
    stand(SENT, ["s1", "x1"], { guid: guid(77) });
    await meetDestination(ports(), standing, "keep", never);
    expect(moves()).toStrictEqual([".Sent aside x1", ".Sent limbo s1"]);
  });

  test("another UIDVALIDITY is another identity, also when nothing is common", async () => {
    stand(SENT, ["x1"], { uidValidity: 5 });
    await meetDestination(ports(), standing, "keep", never);
    expect(moves()).toStrictEqual([".Sent aside x1"]);
  });

  test("limbo takes foreign mail, wherever it is", async () => {
    stand(INBOX, ["i1", "x1"]);
    stand(mailboxRow(9, { path: rawPath(".Own") }), ["o1"]);
    await meetDestination(ports(), standing, "limbo", never);
    expect(moves()).toStrictEqual([" limbo x1", ".Own limbo o1"]);
  });

  test("a mailbox without a GUID yet is compared with the one at its path, not with the INBOX", async () => {
    stand(SENT, ["s1", "x1"], { guid: "", uidValidity: 0 });
    await meetDestination(ports(), standing, "keep", never);
    expect(moves()).toStrictEqual([".Sent aside x1", ".Sent limbo s1"]);
    asked = [];
    standing = [];
    stand(mailboxRow(9, { path: rawPath(".Own") }), ["i1"], { guid: "", uidValidity: 0 });
    await expect(meetDestination(ports(), standing, "refuse", never)).rejects.toMatchObject({
      code: "destination-has-mail",
    });
  });

  test("many messages are moved in several requests", async () => {
    const bases = Array.from({ length: 5_001 }, (_, i) => `x${i}`);
    stand(mailboxRow(9, { path: rawPath(".Own") }), bases);
    await meetDestination(ports(), standing, "limbo", never);
    expect(asked.flatMap((ask) => (ask.kind === "foreign" ? [ask.bases.length] : []))).toStrictEqual([5_000, 1]);
  });
});

test("what was set aside is put back", async () => {
  await restoreAside(ports().asker, [INBOX.path, SENT.path], never);
  expect(moves()).toStrictEqual([" restore ", ".Sent restore "]);
});
