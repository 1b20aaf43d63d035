/** What is done with mail that a destination holds before the first transaction comes. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Asker } from "../../../src/agent/asker.js";
import { agentError } from "../../../src/agent/errors.js";
import type { NextUidNews } from "../../../src/agent/next-uids.js";
import { sha256 } from "../../../src/base/hash.js";
import type { BodyMethods } from "../../../src/capture/body-types.js";
import type { CaptureMethods } from "../../../src/capture/capture-types.js";
import { meetDestination, surveyDestination } from "../../../src/daemon/first-contact.js";
import type { MailboxRow } from "../../../src/log/state-types.js";
import { UID_MAX } from "../../../src/maildir/ids.js";
import { NO_MARKS } from "../../../src/txn/message-state.js";
import type { Answer, Ask, SurveyedMailbox } from "../../../src/wire/messages.js";
import { inlineWorker } from "../../worker-client.js";
import { guid, mailboxRow, rawPath } from "../log/state-fixtures.js";

const never = new AbortController().signal;
const INBOX = mailboxRow(1, { path: rawPath("") });
const SENT = mailboxRow(2, { path: rawPath(".Sent") });

interface Standing extends SurveyedMailbox {
  readonly bases: readonly string[];
  /** From this position on they have no UID. */
  readonly unnumberedFrom?: number;
}

let standing: Standing[];
let asked: Ask[];
let conflicts: string[];
let refused: string[];
/** Next UIDs that the source was to be raised to. */
let raised: string[];
let basesByGuid: Map<string, readonly string[]>;

beforeEach(() => {
  [standing, asked, conflicts, refused, raised] = [[], [], [], [], []];
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
      const { bases, unnumberedFrom = 1e9 } = standing.find(({ path }) => path === ask.path) ?? { bases: [] };
      const all = bases.map((base, i) => ({
        uid: i < unnumberedFrom ? i + 1 : 0,
        base,
        size: sizeOf(base),
        marks: "",
      }));
      const isAfter = ({ uid, base }: { uid: number; base: string }) =>
        uid === 0 ? base > (ask.afterBase ?? "") : uid > ask.afterUid;
      const page = all.filter(isAfter);
      return { kind: "inventory", messages: page.slice(0, 2), more: page.length > 2, unnumbered: 0 };
    }
    case "foreign":
      return { kind: "foreign", messages: ask.bases.length, copies: ask.hashes?.length ?? 0 };
    case "yield-uids":
      return { kind: "yielded-uids", uidNext: 99, moved: ask.uids.length };
    default:
      throw new Error("not asked at first contact");
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
    return {
      states: [{ uid: afterUid + 1, base, size: base.length, ...NO_MARKS }] as never,
      ...(afterUid + 1 < bases.length ? { nextAfterUid: afterUid + 1 } : {}),
    };
  };
  const worker = inlineWorker({ states } as unknown as CaptureMethods);
  const readMany: BodyMethods["readMany"] = ({ items }) =>
    items.map(({ index, base }) =>
      base.startsWith("gone")
        ? { index, kind: "gone" }
        : { index, kind: "body", bytes: Buffer.from(base), sha256: hashOf(base).toString("hex") },
    );
  const bodies = inlineWorker({ readMany } as unknown as BodyMethods);
  const onConflict = (path: string, words: string) => conflicts.push(`${path} ${words}`);
  const onRefused = (path: string, { code }: { readonly code: string }) => refused.push(`${path} ${code}`);
  const capturer = { rows: [INBOX, SENT] };
  const onKept = () => undefined;
  const stores = { source: "/s", destination: "/d" };
  const source = {
    pathOf: (id: string) => [INBOX, SENT].find((row) => row.guid === id)?.path,
    uidNextOf: () => 9,
    raiseNextUid: async () => ({ kind: "raised", from: 9 }) as const,
  };
  const onNextUid = (news: NextUidNews) =>
    raised.push(news.kind === "raised" ? `${news.path} ${news.from} ${news.to}` : `${news.path} ${news.cause.code}`);
  return {
    ...{ source, onNextUid },
    asker: { ask } as unknown as Asker,
    worker,
    bodies,
    capturer,
    stores,
    onConflict,
    onKept,
    isAnew: false,
    onRefused,
  };
}

/** The text of a message is its base name. */
function sizeOf(base: string): number {
  return base.length;
}

function hashOf(base: string): Buffer {
  return sha256(Buffer.from(base));
}

/** What was moved, as "path action bases"; "#" follows a base that came with the source's hash. */
function moves(): string[] {
  return asked.flatMap((ask) => {
    if (ask.kind !== "foreign") return [];
    const isHashed = (base: string, i: number) => ask.hashes?.[i] !== undefined && hashOf(base).equals(ask.hashes[i]);
    return [
      `${ask.path} ${ask.action} ${ask.bases.map((base, i) => (isHashed(base, i) ? `${base}#` : base)).join(" ")}`,
    ];
  });
}

describe("meetDestination", () => {
  test("an empty destination needs no question about mail", async () => {
    const { asker } = ports();
    expect(await surveyDestination(asker, never)).toStrictEqual([]);
    await meetDestination(ports(), [], "refuse", never);
    expect(asked.map(({ kind }) => kind)).toStrictEqual(["survey"]);
  });

  test("a destination that names a mailbox again and again does not have the source read it each time", async () => {
    const confused = { code: "peer-confused", message: expect.stringContaining("again and again") };
    stand(INBOX, ["i1"]);
    const [inbox] = standing;
    if (inbox === undefined) throw new Error("it stands");
    await expect(meetDestination(ports(), [inbox, inbox], "refuse", never)).rejects.toMatchObject(confused);
    expect(asked.filter(({ kind }) => kind === "inventory")).toHaveLength(1);
    asked.length = 0;
    const copies = Array.from({ length: 100 }, (_, i) => ({ ...inbox, path: rawPath(`${inbox.path}copy${i}`) }));
    await expect(meetDestination({ ...ports(), isAnew: true }, copies, "refuse", never)).rejects.toMatchObject(
      confused,
    );
    expect(asked.filter(({ kind }) => kind === "inventory")).toHaveLength(16);
    expect(moves()).toStrictEqual([]);
  });

  test("a copy of the source is left as it is", async () => {
    stand(INBOX, ["i1", "i2"]);
    stand(SENT, ["s2"]);
    await meetDestination(ports(), standing, "refuse", never);
    expect(moves()).toStrictEqual([]);
  });

  test("mailboxes that the source does not have are told, wherever they stand, with mail or without", async () => {
    const own = mailboxRow(9, { path: rawPath(".Own") });
    const empty = mailboxRow(8, { path: SENT.path });
    stand(own, ["o1"]);
    stand(empty, []);
    stand(SENT, ["s1"], { path: rawPath(".Moved") });
    await meetDestination(ports(), standing, "keep", never);
    const surveys = asked.filter(({ kind }) => kind === "survey");
    expect(surveys).toStrictEqual([{ kind: "survey", strangers: [own.guid, empty.guid] }]);
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
    stand(INBOX, ["i1", "i2", "x1"]);
    stand(mailboxRow(9, { path: rawPath(".Own") }), ["o1"]);
    const { foundByGuid, toLimbo } = await meetDestination(ports(), standing, "keep", never);
    expect(moves()).toStrictEqual([]);
    expect([...foundByGuid, toLimbo]).toStrictEqual([[INBOX.guid, 2], 0]);
    expect(asked.map(({ kind }) => kind)).not.toContain("yield-uids");
  });

  test("kept mail under a UID of the source's mail gets another one, above both next UIDs", async () => {
    stand(INBOX, ["x1", "i2", "x3"]);
    await meetDestination(ports(), standing, "keep", never);
    expect(moves()).toStrictEqual([]);
    expect(asked.filter(({ kind }) => kind === "yield-uids")).toStrictEqual([
      { kind: "yield-uids", mailbox: INBOX.guid, uids: [1], from: UID_MAX, floor: INBOX.uidNext },
    ]);
    expect(conflicts).toStrictEqual([
      " INBOX: 1 message that only the destination has gets a new UID: the source has used its own",
    ]);
  });

  test("where newer mail of the source is still to come, it is set aside meanwhile", async () => {
    basesByGuid.set(INBOX.guid, ["i1", "i2", "i3", "i4"]);
    stand(INBOX, ["i1", "x2", "x3"], { uidNext: 4 });
    await meetDestination(ports(), standing, "keep", never);
    expect(moves()).toStrictEqual([" aside x2 x3"]);
    expect(conflicts).toStrictEqual([
      " INBOX: 2 messages that only the destination has get new UIDs: the source has used theirs",
    ]);
  });

  test("kept mail in a mailbox of another identity is set aside; what both have gives way, with its hash", async () => {
    stand(SENT, ["s1", "x1"], { guid: guid(77) });
    const { reused } = await meetDestination(ports(), standing, "keep", never);
    expect(moves()).toStrictEqual([".Sent aside x1", ".Sent limbo s1#"]);
    expect(reused).toBe(1);
  });

  test("what cannot be read at the source just now gives way without a hash", async () => {
    basesByGuid.set(SENT.guid, ["gone1", "s2"]);
    stand(SENT, ["gone1", "s2"], { guid: guid(77) });
    await meetDestination(ports(), standing, "refuse", never);
    expect(moves()).toStrictEqual([".Sent limbo s2#", ".Sent limbo gone1"]);
  });

  test("files without a UID count, on whatever page they are", async () => {
    stand(INBOX, ["i1", "i2", "u1", "u2", "u3"], { unnumberedFrom: 2 });
    const refused = { code: "destination-has-mail", message: expect.stringContaining("3 messages") };
    await expect(meetDestination(ports(), standing, "refuse", never)).rejects.toMatchObject(refused);
    expect(asked.filter(({ kind }) => kind === "inventory")).toHaveLength(3);
    await meetDestination(ports(), standing, "limbo", never);
    expect(moves()).toStrictEqual([" limbo u1 u2 u3"]);
  });

  test("one message is not many", async () => {
    stand(INBOX, ["i1", "x1"]);
    const message = expect.stringMatching(/holds 1 message that .* in INBOX \(1\)$/);
    await expect(meetDestination(ports(), standing, "refuse", never)).rejects.toMatchObject({ message });
  });

  test("a mailbox that cannot be read is left alone: its transactions will be refused", async () => {
    stand(INBOX, ["x1"]);
    const { asker, ...others } = ports();
    const refuses = {
      ask: async (question: Ask) => {
        if (question.kind === "inventory") throw agentError("mailbox-rejected", "its uidlist is damaged");
        return asker.ask(question, never);
      },
    } as unknown as Asker;
    await meetDestination({ asker: refuses, ...others }, standing, "refuse", never);
    expect(moves()).toStrictEqual([]);
  });

  test("another UIDVALIDITY is another identity, also when nothing is common", async () => {
    stand(SENT, ["x1"], { uidValidity: 5 });
    await meetDestination(ports(), standing, "keep", never);
    expect(moves()).toStrictEqual([".Sent aside x1"]);
  });

  test("limbo takes foreign mail, wherever it is", async () => {
    stand(INBOX, ["i1", "x1"]);
    stand(mailboxRow(9, { path: rawPath(".Own") }), ["o1"]);
    const { toLimbo } = await meetDestination(ports(), standing, "limbo", never);
    expect(moves()).toStrictEqual([" limbo x1", ".Own limbo o1", ".Own limbo "]); // the emptied one goes as well.
    expect(toLimbo).toBe(2); // as many as moved.
  });

  test("limbo names a mailbox that only DST has and that cannot be read: no transaction of it is refused later", async () => {
    stand(INBOX, ["i1"]);
    stand(mailboxRow(9, { path: rawPath(".Own") }), ["o1"]);
    const asker = {
      ask: async (question: Ask) => {
        if (question.kind === "inventory") throw agentError("mailbox-rejected", "its uidlist is damaged");
        return answer(question);
      },
    } as unknown as Asker;
    await meetDestination({ ...ports(), asker }, standing, "limbo", never);
    expect(refused).toStrictEqual([".Own mailbox-rejected"]);
  });

  test.each([
    ["mailbox-rejected", () => agentError("mailbox-rejected", "it does not go")],
    ["replica-lock-held", () => agentError("replica-lock-held", "it stays in other hands")],
  ] as const)("one that lets nothing be moved stops no other, and is named: %s", async (code, why) => {
    stand(INBOX, ["i1", "x1"]);
    stand(mailboxRow(9, { path: rawPath(".Own") }), ["o1"]);
    stand(SENT, ["s1", "x2"]);
    const { asker, ...others } = ports();
    const refuses = {
      ask: async (question: Ask) => {
        if (question.kind === "foreign" && question.path !== SENT.path) throw why();
        return asker.ask(question, never);
      },
    } as unknown as Asker;
    const { toLimbo } = await meetDestination({ asker: refuses, ...others }, standing, "limbo", never);
    expect(moves()).toStrictEqual([".Sent limbo x2"]);
    expect(toLimbo).toBe(1);
    expect(refused).toStrictEqual([` ${code}`, `.Own ${code}`]);
  });

  test("a mailbox without a GUID yet is compared with the one at its path, not with the INBOX", async () => {
    stand(SENT, ["s1", "x1"], { guid: "", uidValidity: 0 });
    await meetDestination(ports(), standing, "keep", never);
    expect(moves()).toStrictEqual([".Sent aside x1", ".Sent limbo s1#"]);
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
    expect(asked.flatMap((ask) => (ask.kind === "foreign" ? [ask.bases.length] : []))).toStrictEqual([5_000, 1, 0]);
  });
});

describe("the source's next UIDs at first contact", () => {
  const meet = async (choice: "keep" | "limbo") => {
    await meetDestination(ports(), standing, choice, never);
    return raised;
  };

  test("are raised where the destination is ahead under the same UIDVALIDITY, with mail or without", async () => {
    stand(INBOX, ["i1"], { uidNext: 12 });
    stand(SENT, [], { uidNext: 10 });
    expect(await meet("limbo")).toStrictEqual([" 9 12", ".Sent 9 10"]);
  });

  test("also of a mailbox that is to take the source's identity: what it has given out stays given", async () => {
    stand(SENT, [], { guid: guid(7), uidNext: 10 });
    expect(await meet("limbo")).toStrictEqual([".Sent 9 10"]);
  });

  test("stay under another UIDVALIDITY, which begins anew, and where only the destination has the mailbox", async () => {
    stand(INBOX, ["i1"], { uidNext: 12, uidValidity: 5 });
    stand(mailboxRow(9, { path: rawPath(".Own") }), [], { uidNext: 12 });
    stand(SENT, ["s1"]);
    expect(await meet("limbo")).toStrictEqual([]);
  });

  test("follow kept mail that had to move up", async () => {
    stand(INBOX, ["x1", "i1"]); // under UID 1, which one of the source's has.
    expect(await meet("keep")).toStrictEqual([" 9 99"]);
  });

  test("do not follow a destination that claims nearly all UIDs", async () => {
    stand(INBOX, ["i1"], { uidNext: 2 ** 32 - 1 });
    expect(await meet("limbo")).toStrictEqual([" uids-too-high"]);
  });
});

test("an answer to another question is a peer that is confused, and no defect of ours", async () => {
  const asker = { ask: () => Promise.resolve({ kind: "standing", mailboxes: [], more: false }) } as unknown as Asker;
  await expect(surveyDestination(asker, never)).rejects.toMatchObject({
    ...{ code: "peer-confused", exitCode: 76, message: 'comparing with the replica: it answered "standing"' },
  });
});
