/** Plans as text: what would be written, from values alone. */
import { describe, expect, test } from "vitest";
import type { MailboxView, PresentFile } from "../../../src/apply/mailbox-view.js";
import { type PlanInput, planApply } from "../../../src/apply/plan.js";
import { FLAG_BITS } from "../../../src/maildir/message-name.js";
import type { UidlistRecord } from "../../../src/maildir/uidlist-write.js";
import { NO_MARKS } from "../../../src/txn/message-state.js";
import type { Change, Transaction } from "../../../src/txn/transaction.js";
import { describePlan } from "./plan-words.js";
import { bodyOfBase, GUID, message, save, transaction, VALIDITY } from "./replica-fixture.js";

interface Held {
  readonly uid: number;
  readonly base: string;
  readonly name?: string;
  readonly dir?: "cur" | "new";
  readonly size?: number;
}

/** A mailbox of these messages; its uidlist is large, so that appending pays. */
function view(held: readonly Held[], parts: Partial<MailboxView> = {}): MailboxView {
  const records = held
    .filter(({ uid }) => uid > 0)
    .map(({ uid, base }): UidlistRecord => ({ ...pick(uid, base), fields: "" }));
  const files = held.flatMap(({ uid, base, name, dir = "cur", size }): [string, PresentFile][] => {
    if (name === "") return [];
    const bytes = size ?? bodyOfBase(base).length;
    return [[base, { dir, name: name ?? `${base}:2,`, size: bytes, mtimeS: 1_600_000_000 + uid, ino: uid }]];
  });
  const lastUid = Math.max(0, ...held.map(({ uid }) => uid));
  return {
    guid: GUID,
    uidValidity: VALIDITY,
    uidNext: lastUid + 1,
    lastUid,
    headerExtra: "",
    recordCount: 1000,
    uidlistBytes: 100_000,
    hasTornLine: false,
    recordByUid: new Map(records.map((record) => [record.uid, record])),
    recordByBase: new Map(records.map((record) => [record.base, record])),
    fileByBase: new Map(files),
    secondsByBase: new Map(),
    keywords: ["work"],
    appliedByUid: new Map(),
    deadUids: new Set(),
    adoption: undefined,
    ...parts,
  };
}

/** As the record of that message is, once it was applied. */
function written(uid: number, base: string): MailboxView["appliedByUid"] {
  const size = bodyOfBase(base).length;
  const rest = { info: ":2,", keywords: [], size, mtimeS: 1_600_000_000 + uid, fields: "", ino: uid };
  return new Map([[uid, { ...pick(uid, base), ...rest }]]);
}

function pick(uid: number, base: string): Pick<UidlistRecord, "uid" | "base"> {
  const { uid: id, base: name } = message(uid, base);
  return { uid: id, base: name };
}

function marks(
  uid: number,
  base: string,
  letters: { readonly add?: number; readonly keywords?: readonly string[] },
): Change {
  const after = { ...NO_MARKS, flags: letters.add ?? 0, keywords: letters.keywords ?? [] };
  return { kind: "marks", ...pick(uid, base), before: NO_MARKS, after };
}

const expunge = (uid: number, base: string): Change => ({ kind: "expunge", ...pick(uid, base) });

function rebind(fromUid: number, fromBase: string, uid: number, base: string): Change {
  const size = bodyOfBase(fromBase).length;
  const from = pick(fromUid, fromBase);
  return {
    kind: "rebind",
    fromUid: from.uid,
    fromBase: from.base,
    message: message(uid, base, { size, mtimeS: 1_600_000_000 + fromUid }),
  };
}

function lines(held: MailboxView, txn: Transaction, rest: Partial<PlanInput> = {}): string[] {
  const outcome = planApply({ view: held, txn, gone: new Set(), voidBelow: 0, ...rest });
  return outcome.kind === "plan" ? describePlan(outcome.plan) : [`diverged: ${outcome.divergence.words}`];
}

describe("saves", () => {
  test("of new messages are placed and appended", () => {
    expect(lines(view([{ uid: 1, base: "a" }]), transaction([save(2, "b", { letters: "S" }), save(3, "c")]))).toEqual([
      "place #0 as cur/b:2,S",
      "place #1 as cur/c:2,",
      "append 2:b,3:c",
    ]);
  });

  test("raise N when the last UID has no record", () => {
    expect(lines(view([]), transaction([save(2, "b")], { uidNext: 9 }))).toEqual([
      "place #0 as cur/b:2,",
      "rewrite N9 +2:b",
    ]);
  });

  test("beside a small uidlist rewrite it", () => {
    const held = view([{ uid: 1, base: "a" }], { uidlistBytes: 20 });
    expect(lines(held, transaction([save(2, "b")]))).toEqual(["place #0 as cur/b:2,", "rewrite N3 +2:b"]);
  });

  test("that are as they should be need nothing", () => {
    expect(lines(view([{ uid: 1, base: "a" }]), transaction([save(1, "a")]))).toEqual([]);
  });

  test("write a new keyword before the name that uses it", () => {
    expect(lines(view([]), transaction([save(1, "a", { keywords: ["later", "work"] })]))).toEqual([
      "write-keywords 0=work 1=later",
      "place #0 as cur/a:2,ab",
      "append 1:a",
    ]);
  });

  test("bind a file without a record, and one that has another UID if the wanted one is still free", () => {
    expect(
      lines(view([{ uid: 0, base: "a" }], { uidNext: 5 }), transaction([save(5, "a", { mtimeS: 1_600_000_000 })])),
    ).toEqual(["append 5:a"]);
    expect(lines(view([{ uid: 4, base: "a" }]), transaction([save(5, "a", { mtimeS: 1_600_000_004 })]))).toEqual([
      "nudge",
      "rewrite N6 -4 +5:a",
    ]);
    expect(lines(view([{ uid: 6, base: "a" }]), transaction([save(5, "a")], { uidNext: 6 }))).toEqual([
      "diverged: mailbox box has passed UID 5: its next UID is 7 already",
    ]);
  });

  test("replace a file of the same name and another size", () => {
    expect(lines(view([{ uid: 1, base: "a", size: 3 }]), transaction([save(1, "a")]))).toEqual([
      "limbo cur/a:2, (foreign)",
      "place #0 as cur/a:2,",
    ]);
  });

  test("below the void mark are left out if they are not bound here", () => {
    const txn = transaction([save(2, "b"), save(3, "c")]);
    expect(lines(view([{ uid: 5, base: "x" }]), { ...txn, uidNext: 6 }, { voidBelow: 6 })).toEqual([]);
  });

  test("keep another program's info in a name", () => {
    const held = view([{ uid: 1, base: "a", name: "a:1,old:2,F" }]);
    expect(lines(held, transaction([marks(1, "a", { add: FLAG_BITS.S })], { uidNext: 2 }))).toEqual([
      "rename cur/a:1,old:2,F to cur/a:1,old:2,FS",
    ]);
  });
});

describe("net effect", () => {
  test("a message that comes and goes is never written", () => {
    expect(lines(view([{ uid: 1, base: "a" }]), transaction([save(2, "b"), expunge(2, "b")]))).toEqual(["rewrite N3"]);
  });

  test("several changes of marks are one rename", () => {
    const changes = [marks(1, "a", { add: FLAG_BITS.S }), marks(1, "a", { add: FLAG_BITS.F, keywords: ["work"] })];
    expect(lines(view([{ uid: 1, base: "a", name: "a:2,D" }]), transaction(changes, { uidNext: 2 }))).toEqual([
      "rename cur/a:2,D to cur/a:2,DFSa",
    ]);
  });

  test("a letter that nobody explains stays", () => {
    const held = view([{ uid: 1, base: "a", name: "a:2,q" }]);
    expect(lines(held, transaction([save(1, "a", { letters: "S", keywords: ["work"] })]))).toEqual([
      "rename cur/a:2,q to cur/a:2,Saq",
    ]);
  });

  test("keywords are one whatever their case", () => {
    const held = view([{ uid: 1, base: "a" }]);
    expect(lines(held, transaction([marks(1, "a", { keywords: ["WORK"] })], { uidNext: 2 }))).toEqual([
      "rename cur/a:2, to cur/a:2,a",
    ]);
  });
});

describe("expunges and rebinds", () => {
  test("an expunged file goes to the limbo, as foreign mail if it was not written here; the record stays until a rewrite", () => {
    const [gone, both] = [
      transaction([expunge(1, "a")], { uidNext: 3 }),
      [
        { uid: 1, base: "a" },
        { uid: 2, base: "b" },
      ],
    ];
    expect(lines(view(both, { appliedByUid: written(1, "a") }), gone)).toEqual(["limbo cur/a:2, (expunge)"]);
    expect(lines(view(both), gone)).toEqual(["limbo cur/a:2, (foreign)"]);
  });

  test("many dead records are a reason for a rewrite", () => {
    const held = view(
      [
        { uid: 1, base: "a" },
        { uid: 2, base: "b" },
      ],
      { recordCount: 2, appliedByUid: written(1, "a") },
    );
    expect(lines(held, transaction([expunge(1, "a")], { uidNext: 3 }))).toEqual([
      "limbo cur/a:2, (expunge)",
      "nudge",
      "rewrite N3 -1",
    ]);
  });

  test("nothing goes where UID and base name are not bound to each other", () => {
    const held = view([
      { uid: 1, base: "a" },
      { uid: 2, base: "b" },
    ]);
    expect(lines(held, transaction([expunge(1, "b"), expunge(7, "a")], { uidNext: 3 }))).toEqual([]);
  });

  test("another UID moves the record to the end", () => {
    const held = view([
      { uid: 1, base: "a" },
      { uid: 2, base: "b" },
    ]);
    expect(lines(held, transaction([rebind(1, "a", 3, "a")]))).toEqual(["nudge", "rewrite N4 -1 +3:a"]);
  });

  test("another base name keeps the record's place", () => {
    const held = view([
      { uid: 1, base: "a,S=9" },
      { uid: 2, base: "b" },
    ]);
    expect(lines(held, transaction([rebind(1, "a,S=9", 1, "a")], { uidNext: 3 }))).toEqual([
      "rename cur/a,S=9:2, to cur/a:2,",
      "nudge",
      "rewrite N3 ~1:a",
    ]);
  });

  test("a message that gets another name and goes leaves no record, and none twice", () => {
    const held = view([
      { uid: 1, base: "a,S=9" },
      { uid: 2, base: "b" },
    ]);
    const gone = transaction([rebind(1, "a,S=9", 1, "a"), expunge(1, "a")], { uidNext: 3 });
    expect(lines(held, gone).at(-1)).toBe("rewrite N3 -1");
  });

  test("a rebind of what is not here is a save", () => {
    expect(lines(view([]), transaction([rebind(1, "a", 3, "a")]))).toEqual(["place #0 as cur/a:2,", "append 3:a"]);
  });
});

test("a header key of the source is carried", () => {
  expect(lines(view([{ uid: 1, base: "a" }]), transaction([], { uidNext: 2, headerExtra: "P%v.%u" }))).toEqual([
    "rewrite N2",
  ]);
});

test("a reset begins anew and leaves nothing without a record", () => {
  const applied = ["a", "b"].map((base, i) => {
    const { flags: _, odd: __, tail: ___, ...rest } = message(i + 1, base);
    return { ...rest, info: ":2,", ino: 0 };
  });
  const held = view(
    [
      { uid: 1, base: "a" },
      { uid: 2, base: "b" },
    ],
    {
      adoption: "reset",
      appliedByUid: new Map(applied.map((record) => [record.uid, record])),
    },
  );
  const txn = transaction([save(1, "b", { mtimeS: 1_600_000_002 })]);
  expect(lines(held, txn)).toEqual(["limbo cur/a:2, (reset)", "nudge", `rewrite N2 V${VALIDITY} G${GUID} +1:b`]);
});
