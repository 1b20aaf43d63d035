/** The rejection log as the source keeps it: what is in memory and what is on disk, whatever meets on the way. */
import { beforeEach, describe, expect, test } from "vitest";
import { Rejections } from "../../../src/agent/rejections.js";
import { FakeClock } from "../../fake-clock.js";
import { MemoryState } from "./memory-state.js";
import { guid, LOG_ID, path, REPLICA } from "./pair.js";

let state: MemoryState;

beforeEach(() => {
  state = new MemoryState();
});

function open(): Rejections {
  return new Rejections(REPLICA, { reader: state.reader(LOG_ID), writer: state.writer(), clock: new FakeClock() });
}

function refusal(letter: string, fromLsn: number) {
  return { fromLsn, mailbox: guid(letter), path: path(letter), code: "mailbox-missing", words: "it is missing" };
}

describe("a row of an earlier run", () => {
  beforeEach(async () => {
    await open().add(refusal("a", 3));
  });

  test("that is dropped while its mailbox is refused anew leaves the new row, in memory and on disk", async () => {
    const rejections = open();
    const dropping = rejections.dropUpTo(40);
    const adding = rejections.add(refusal("a", 50));
    await Promise.all([dropping, adding]);
    expect(rejections.rows.map(({ lsn }) => lsn)).toStrictEqual([50]);
    expect(state.rejections.map(({ lsn }) => lsn)).toStrictEqual([50]);
  });

  test("that is dropped twice at once is gone", async () => {
    const rejections = open();
    await Promise.all([rejections.dropUpTo(40), rejections.dropUpTo(41)]);
    expect([rejections.rows, state.rejections]).toStrictEqual([[], []]);
  });

  test("that is stepped on and dropped at once is gone from the disk too", async () => {
    const rejections = open();
    const stepping = rejections.step(guid("a"), 4);
    await Promise.all([stepping, rejections.dropUpTo(40)]);
    expect([rejections.rows, state.rejections]).toStrictEqual([[], []]);
  });

  test("above the transaction that is refused now gives way to it, also when others follow at once", async () => {
    const rejections = open();
    const adding = rejections.add(refusal("a", 1));
    const stepping = rejections.step(guid("a"), 2);
    await Promise.all([adding, stepping]);
    expect(rejections.rows.map(({ lsn }) => lsn)).toStrictEqual([2]);
    const counted = state.rejections.reduce((lsn, row) => Math.max(lsn, row.lsn), 0);
    expect(counted).toBe(2);
  });

  test("keeps its first time, and counts on", async () => {
    expect(await open().add(refusal("a", 3))).toMatchObject({ attempts: 2 });
  });
});

test("a second refusal of a mailbox is covered only when the first one is on disk", async () => {
  const rejections = open();
  const order: string[] = [];
  state.onWrite = (method) => void order.push(method);
  const first = rejections.add(refusal("a", 3));
  const second = rejections.add(refusal("a", 4)).then((row) => order.push(row === undefined ? "covered" : "new"));
  await Promise.all([first, second]);
  expect(order).toStrictEqual(["putRejection", "covered"]);
});

describe("a mailbox that has to be compared", () => {
  const compared = { mailbox: guid("a"), path: path("a"), code: "resync-asked", words: "it was asked for" };

  test("has a row below all transactions, of its own, which no cursor drops", async () => {
    const rejections = open();
    await rejections.addCompared(compared);
    await rejections.addCompared({ ...compared, mailbox: guid("b") });
    await rejections.dropUpTo(1000);
    expect(open().rows.map(({ lsn }) => lsn)).toStrictEqual([-3, -1]);
    await open().dropUpTo(1000);
    expect(state.rejections).toHaveLength(2);
  });

  test("keeps no row of a transaction, so that nothing of it is sent again", async () => {
    const rejections = open();
    await rejections.add(refusal("a", 30));
    await rejections.mustCompare(guid("a"));
    expect(state.rejections).toMatchObject([{ lsn: -1, code: "mailbox-missing" }]);
  });

  test.each([
    ["applied", (rejections: Rejections) => rejections.step(guid("a"), 45)],
    ["refused", (rejections: Rejections) => rejections.add(refusal("a", 45))],
    ["refused while it is mended", (rejections: Rejections) => rejections.add(refusal("a", 45)), true],
  ])("has to be when what was on its way is %s, too", async (_what, settle, isMending = false) => {
    const rejections = open();
    await rejections.addCompared(compared);
    if (isMending) rejections.mend(guid("a"));
    await settle(rejections);
    expect([rejections.rows, state.rejections]).toMatchObject([[{ lsn: -1 }], [{ lsn: -1 }]]);
    expect(rejections.isHeld(guid("a"))).toBe(true);
  });

  test("has to be when it is healed while that is asked for once more", async () => {
    const rejections = open();
    await rejections.addCompared(compared);
    rejections.mend(guid("a"));
    rejections.release(guid("a"));
    let healing: Promise<boolean> | undefined;
    state.onWrite = () => {
      healing ??= rejections.healed(guid("a"));
    };
    await rejections.addCompared(compared);
    expect([await healing, rejections.isHeld(guid("a"))]).toStrictEqual([true, true]);
    expect([rejections.rows, state.rejections]).toMatchObject([[{ lsn: -3 }], [{ lsn: -3 }]]);
  });

  test("is held only when that is on disk: what is passed over before would be lost by a crash", async () => {
    const rejections = open();
    let wasHeld = true;
    state.onWrite = () => {
      wasHeld = rejections.isHeld(guid("a"));
    };
    await rejections.addCompared(compared);
    expect([wasHeld, rejections.isHeld(guid("a"))]).toStrictEqual([false, true]);
  });
});

describe("a mailbox that is mended", () => {
  test("keeps its row till it is healed, whatever the cursor does", async () => {
    const rejections = open();
    await rejections.add(refusal("a", 3));
    rejections.mend(guid("a"));
    await rejections.dropUpTo(40);
    rejections.release(guid("a"));
    await rejections.dropUpTo(41);
    expect([rejections.isHeld(guid("a")), state.rejections.length]).toStrictEqual([false, 1]);
    expect(await rejections.healed(guid("a"))).toBe(true);
    expect([rejections.rows, state.rejections]).toStrictEqual([[], []]);
  });

  test("and is refused again before it is healed keeps the new row", async () => {
    const rejections = open();
    await rejections.add(refusal("a", 3));
    rejections.mend(guid("a"));
    rejections.release(guid("a"));
    await rejections.add(refusal("a", 9));
    expect(await rejections.healed(guid("a"))).toBe(false);
    expect(state.rejections).toMatchObject([{ lsn: 9, attempts: 2 }]);
  });
});

test("rows that name no transaction go down from the least of this run and of earlier ones", async () => {
  const rejections = open();
  for (const letter of ["a", "b"]) await rejections.addCompared(refusal(letter, 0));
  rejections.mend(guid("b"));
  expect(await rejections.healed(guid("b"))).toBe(true);
  await rejections.addCompared(refusal("c", 0));
  await open().addCompared(refusal("d", 0));
  const lsnOf = Object.fromEntries(state.rejections.map(({ mailbox, lsn }) => [mailbox, lsn]));
  expect(lsnOf).toStrictEqual({ [guid("a")]: -1, [guid("c")]: -5, [guid("d")]: -7 });
});
