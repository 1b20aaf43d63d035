/** How much mail may go in a while. */
import { describe, expect, test } from "vitest";
import { BRAKE_LIMITS, type BrakeState, type Deletion, decideDeletion, RELEASED } from "../../../src/capture/brake.js";

const MINUTE_MS = 60_000;

/** One after the other, each `[messages, at minute, going]`. */
function stateAfter(
  deletions: readonly (readonly [number, number, Deletion["going"]])[],
  { total = 0, ahead = 0, limits = BRAKE_LIMITS } = {},
): BrakeState {
  let left = total;
  return deletions.reduce((state, [messages, minute, going]) => {
    const deletion = { going, messages, ahead, total: () => left, nowMs: minute * MINUTE_MS };
    const next = decideDeletion(state, deletion, limits);
    if (next.engaged === undefined) left -= messages;
    return next;
  }, RELEASED);
}

describe("mail that is expunged", () => {
  test.each([
    ["a hundred, of however few", [100, 0], 100, undefined],
    ["one more, of few", [101, 0], 101, { messages: 101, limit: 100 }],
    ["half of a small store", [400, 0], 800, undefined],
    ["more than half of it", [401, 0], 800, { messages: 401, limit: 400 }],
    ["all of it", [800, 0], 800, { messages: 800, limit: 400 }],
    ["a thousand, of two thousand and more", [1_000, 0], 2_000, undefined],
    ["one more, of few thousand", [1_001, 0], 4_000, { messages: 1_001, limit: 1_000 }],
    ["a fifth of many", [100_000, 0], 500_000, undefined],
    ["more than that", [100_001, 0], 500_000, { messages: 100_001, limit: 100_000 }],
  ] as const)("%s", (_name, [messages, minute], total, engaged) => {
    const state = stateAfter([[messages, minute, "expunged"]], { total });
    if (engaged === undefined) expect(state.engaged).toBeUndefined();
    else expect(state.engaged).toMatchObject({ why: "messages", sinceMs: 0, ...engaged });
  });

  test("of a small store counts by what it had before, and limits of one's own are heeded", () => {
    const engagedAfter = (total: number, ...parts: readonly (readonly [number, number, "expunged" | "mailbox"])[]) =>
      stateAfter(parts, { total }).engaged;
    expect(engagedAfter(300, [100, 0, "expunged"], [50, 5, "expunged"])).toBeUndefined();
    expect(engagedAfter(300, [100, 0, "expunged"], [51, 5, "expunged"])).toMatchObject({ messages: 151, limit: 150 });
    expect(engagedAfter(300, [100, 0, "expunged"], [51, 10, "expunged"]), "later").toBeUndefined();
    expect(engagedAfter(300, [100, 0, "expunged"], [51, 5, "mailbox"])).toMatchObject({ why: "messages", limit: 150 });
    const own = (limits: Partial<typeof BRAKE_LIMITS>, messages: number, total: number) =>
      stateAfter([[messages, 0, "expunged"]], { total, limits: { ...BRAKE_LIMITS, ...limits } }).engaged?.limit;
    expect(own({ smallStoreMessages: 500 }, 500, 800)).toBeUndefined();
    expect(own({ smallStoreMessages: 500 }, 501, 800)).toBe(500);
    expect(own({ smallStoreShare: 1 }, 800, 800), "it has none").toBeUndefined();
    expect(own({ messages: 20, share: 0 }, 21, 800), "a stricter one stays").toBe(20);
  });

  test("counts for as long as the window is, of the store as it was before", () => {
    expect(
      stateAfter(
        [
          [900, 0, "expunged"],
          [200, 9, "expunged"],
        ],
        { total: 2_000 },
      ).engaged?.messages,
    ).toBe(1_100);
    expect(
      stateAfter(
        [
          [900, 0, "expunged"],
          [200, 10, "expunged"],
        ],
        { total: 2_000 },
      ).engaged,
    ).toBeUndefined();
    expect(
      stateAfter(
        [
          [1_000, 0, "expunged"],
          [1_000, 1, "expunged"],
        ],
        { total: 10_000 },
      ).engaged,
    ).toBeUndefined();
    expect(
      stateAfter(
        [
          [1_000, 0, "expunged"],
          [1_001, 1, "expunged"],
        ],
        { total: 10_000 },
      ).engaged?.limit,
    ).toBe(2_000);
  });

  test("what is about to go with it counts, and only once it goes", () => {
    expect(stateAfter([[500, 0, "expunged"]], { total: 2_000, ahead: 501 }).engaged?.messages).toBe(1_001);
    expect(
      stateAfter(
        [
          [300, 0, "expunged"],
          [300, 1, "expunged"],
        ],
        { total: 2_000, ahead: 300 },
      ).engaged,
    ).toBeUndefined();
  });
});

describe("mail that goes with its mailbox", () => {
  test("has a limit of its own, however large the store is", () => {
    expect(stateAfter([[250, 0, "mailbox"]], { total: 1_000_000 }).engaged).toBeUndefined();
    expect(
      stateAfter(
        [
          [200, 0, "mailbox"],
          [51, 5, "mailbox"],
        ],
        { total: 1_000_000 },
      ).engaged,
    ).toMatchObject({
      ...{ why: "deleted-mailboxes", messages: 251, limit: 250 },
    });
    expect(
      stateAfter(
        [
          [200, 0, "mailbox"],
          [200, 11, "mailbox"],
        ],
        { total: 1_000_000 },
      ).engaged,
    ).toBeUndefined();
    expect(
      stateAfter(
        [
          [900, 0, "expunged"],
          [200, 1, "mailbox"],
        ],
        { total: 1_000_000 },
      ).engaged,
    ).toBeUndefined();
  });

  test("counts with what is expunged, too", () => {
    expect(
      stateAfter(
        [
          [900, 0, "expunged"],
          [200, 1, "mailbox"],
        ],
        { total: 2_000 },
      ).engaged,
    ).toMatchObject({
      ...{ why: "messages", messages: 1_100 },
    });
  });
});

test("once it is on nothing changes it; nothing is no deletion", () => {
  const on = stateAfter([[2_000, 0, "expunged"]], { total: 2_000 });
  expect(on.engaged).toBeDefined();
  const later: Deletion = { going: "mailbox", messages: 9, ahead: 0, total: () => 9, nowMs: 99 * MINUTE_MS };
  expect(decideDeletion(on, later, BRAKE_LIMITS)).toBe(on);
  expect(decideDeletion(RELEASED, { ...later, messages: 0 }, BRAKE_LIMITS)).toBe(RELEASED);
});

test("thousands of small deletions leave a few numbers, and a clock that is set back keeps none for ever", () => {
  const many = Array.from({ length: 5_000 }, (_, i) => [1, i / 1_000, "expunged"] as const);
  const state = stateAfter(many, { total: 1_000_000 });
  expect(state.counted.length).toBeLessThanOrEqual(21);
  expect(state.counted.reduce((sum, { expunged }) => sum + expunged, 0)).toBe(5_000);
  const deletion: Deletion = { going: "expunged", messages: 1, ahead: 0, total: () => 1, nowMs: -60 * MINUTE_MS };
  expect(decideDeletion(state, deletion, BRAKE_LIMITS).counted).toHaveLength(1);
});
