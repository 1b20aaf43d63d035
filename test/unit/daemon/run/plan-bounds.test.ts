/** The answer to `resync --dry-run`: bounded, whatever a replica lacks, and worded for one as for many. */
import { describe, expect, test } from "vitest";
import type { PlannedGroup, PlannedMailbox } from "../../../../src/agent/planned-mailbox.js";
import { STEP_KINDS } from "../../../../src/agent/planned-mailbox.js";
import type { RawPath } from "../../../../src/base/raw-name.js";
import type { PlanAnswer, ReplicaPlan } from "../../../../src/daemon/control/plan-answer.js";
import { actionOf, heldBackAction, isIdle, wordsOfSum } from "../../../../src/daemon/run/plan-words.js";
import { planReplicas } from "../../../../src/daemon/run/planned-resync.js";
import { parseBaseName, parseUid } from "../../../../src/maildir/ids.js";
import { guid } from "../../agent/pair.js";

const never = new AbortController().signal;
const MIB = 1024 * 1024;

const removals = (count: number): PlannedGroup => ({
  ...{ kind: "remove", count, bytes: 0 },
  first: Array.from({ length: Math.min(20, count) }, (_, i) => ({
    kind: "remove",
    uid: i + 1,
    base: "\xff".repeat(255),
  })),
});

const mailbox = (n: number, rest: Partial<PlannedMailbox> = {}): PlannedMailbox => ({
  ...{
    mailbox: guid("a"),
    path: `u${n}${`/${"\xff".repeat(250)}`.repeat(15)}` as RawPath,
    messages: 5,
    failure: undefined,
    changing: false,
  },
  groups: [removals(1_000)],
  ...rest,
});

/** As if that had been found. */
function planOf(found: Iterable<PlannedMailbox>, verbose = false, brake?: object): Promise<PlanAnswer> {
  const agent = {
    isComparing: false,
    async plan(_wish: unknown, tell: (planned: PlannedMailbox) => void) {
      for (const each of found) tell(each);
      return true;
    },
  };
  const runner = { name: "b", agent, isPaused: false, mayHave: () => true, replica: { peer: "b" } };
  const store = { side: { capturer: { brake } } };
  const served = { name: "mail", store, runner } as unknown as Parameters<typeof planReplicas>[0][number];
  return planReplicas([served], { verbose }, never);
}

function* many(count: number, rest?: Partial<PlannedMailbox>): Generator<PlannedMailbox> {
  for (let n = 0; n < count; n++) yield mailbox(n, rest);
}

describe("an answer", () => {
  test("has as many mailboxes as fit, and counts all", async () => {
    const answer = await planOf(many(2_000));
    const [plan] = answer.replicas as readonly ReplicaPlan[];
    expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThan(8.1 * MIB);
    expect(plan?.plans.length).toBeGreaterThan(100);
    expect((plan?.plans.length ?? 0) + (plan?.further ?? 0)).toBe(2_000);
    expect(plan).toMatchObject({ mailboxes: 2_000, messages: 10_000, equal: 0, toChange: 2_000, failed: 0 });
    expect(plan?.sums).toStrictEqual([
      { kind: "remove", count: 2_000_000, bytes: 0, words: "2,000,000 messages removed" },
    ]);
  });

  test("names equal ones only if that is asked for, and these take no room from the others", async () => {
    const equal = { groups: [] };
    const quiet = (await planOf(many(10, equal))).replicas as readonly ReplicaPlan[];
    expect(quiet).toMatchObject([{ equal: 10, plans: [], further: 0 }]);
    const mixed = [...many(2_000, equal), mailbox(3_000)];
    const [verbose] = (await planOf(mixed, true)).replicas as readonly ReplicaPlan[];
    expect(verbose).toMatchObject({ mailboxes: 2_001, equal: 2_000, toChange: 1, further: 0 });
    expect(verbose?.plans.filter(({ actions }) => actions.length > 0)).toHaveLength(1);
    expect(verbose?.plans.length).toBeLessThan(2_000);
  });

  test("says of what is held back that it stays, and calls neither that nor a failure a change", async () => {
    const named = [{ path: "u" as RawPath, messages: 7, isWhole: false, uids: [1, 2] }];
    const failure = { code: "uidlist-damaged", words: "x" };
    const found = [mailbox(1, { path: "u" as RawPath, groups: [] }), mailbox(2, { groups: [], failure })];
    const [plan] = (await planOf(found, false, { held: 9, mailboxes: 2, named })).replicas as readonly ReplicaPlan[];
    expect(plan).toMatchObject({ equal: 0, toChange: 0, failed: 1, heldBack: 9 });
    expect(plan?.plans[0]).toMatchObject({ mailbox: "u", actions: [{ kind: "held-back", count: 7 }] });
    expect(plan?.sums.map(({ words }) => words)).toStrictEqual(["7 messages left whose deletion is held back"]);
  });
});

describe("words", () => {
  const marks = { flags: 0, keywords: [], odd: "", tail: "" };
  const state = { ...marks, uid: parseUid(3), base: parseBaseName("x"), size: 9, mtimeS: 1, fields: "" };
  const group = (first: PlannedGroup["first"][number], count = 1): PlannedGroup => {
    return { kind: first.kind, count, bytes: 0, first: [first] };
  };

  test.each([
    [
      group({ kind: "adopt", uid: 3 }),
      "count 1 message as replicated: the replica has it already: no body is sent",
      "UID 3",
    ],
    [group({ kind: "forget", uid: 3, base: "x" }, 2), "forget 2 messages: neither side has them any more", "UID 3 (x)"],
    [
      group({ kind: "new-uid", uid: 3, size: 9, found: "y\x1b" }, 2),
      "add 2 messages (0 bytes), with new UIDs on both sides: the replica lacks them, and cannot give them their own UIDs any more",
      "UID 3 (9 bytes): there it is y\\x1b",
    ],
    [
      group({ kind: "rebind", uid: 8, fromUid: 3, before: undefined, after: state }),
      "change UID, name, size, date or record of 1 message: the source's are others",
      "UID 3: it becomes UID 8",
    ],
    [
      group({ kind: "rebind", uid: 3, fromUid: 3, before: { ...state, size: 7 }, after: state }),
      "change UID, name, size, date or record of 1 message: the source's are others",
      "UID 3: size 9 bytes in the source, 7 bytes in the replica",
    ],
    [
      group({ kind: "keep-files" }, 2),
      "leave 2 messages without a UID: only the replica has them, or has not numbered them yet",
      undefined,
    ],
    [
      group({ kind: "occupied", mailbox: guid("b") }),
      `find another mailbox at its place (GUID ${guid("b")}): unless it is empty it stays, and the replica refuses this one`,
      undefined,
    ],
    [
      group({ kind: "rename", from: "u/.X" as RawPath, changesPlaces: true }),
      'rename it from "u/.X", in exchange with the one that stands there: the source has it here',
      undefined,
    ],
    [
      group({ kind: "delete", messages: 3 }),
      "delete the mailbox, with 3 messages: the source does not have it; it goes to the limbo",
      undefined,
    ],
    [
      group({ kind: "keep-mailbox", messages: 3, own: 1 }),
      "leave the mailbox, with 3 messages: the source does not have it, and the replica refuses to delete it: 1 message only the replica has",
      undefined,
    ],
    [
      group({ kind: "next-uid", before: 3, after: 9 }),
      "raise UIDNEXT from 3 to 9: the source has come further",
      undefined,
    ],
  ])("of one kind: %#", (each, words, ofOne) => {
    const action = actionOf(each);
    expect(`${action.words}: ${action.why}`).toBe(words);
    expect(action.messages.map((it) => it.words)).toStrictEqual(ofOne === undefined ? [] : [ofOne]);
  });

  test("there are some for every kind, and of three of them nothing comes", () => {
    const kinds = [...STEP_KINDS, "held-back"] as const;
    const words = kinds.map((kind) => wordsOfSum({ kind, count: 2, bytes: 10 }));
    expect(new Set(words).size).toBe(kinds.length);
    for (const each of words) expect(each).toMatch(/^2 /);
    expect(kinds.filter((kind) => isIdle({ kind }))).toStrictEqual(["keep", "keep-files", "held-back"]);
    expect(heldBackAction(2, [5], "--approve-deletions")).toMatchObject({
      ...{ words: "leave 2 messages", messages: [{ uid: 5, words: "UID 5" }] },
      why: "gone at the source, and their deletion is held back (--approve-deletions)",
    });
  });
});
