/** mailtwin's own account of a run, added up and checked against its summary. */
import { expect, test } from "vitest";
import { contradictions, sumShipped } from "../../../bench/shipped-totals.js";
import type { TwinEvent } from "../../../bench/workloads/twin-process.js";

function shipped(saves: number, marks: number, expunges: number, structure?: string): TwinEvent {
  return { event: "shipped", saves, marks, expunges, ...(structure === undefined ? {} : { structure }) };
}

const SUMMARY: TwinEvent = {
  event: "summary",
  ...{ transactions: 5, saves: 7, marks: 2, expunges: 3 },
  ...{ mailboxesMade: 1, mailboxesRenamed: 1, mailboxesDeleted: 1 },
};
const EVENTS: readonly TwinEvent[] = [
  shipped(4, 0, 0, "create"),
  { event: "live" },
  shipped(3, 2, 1),
  { event: "conflict" },
  shipped(0, 0, 0, "rename"),
  shipped(0, 0, 2, "reset"),
  shipped(0, 0, 0, "delete"),
  SUMMARY,
];

test("what was shipped before and after it was live", () => {
  const none = { mailboxesMade: 0, mailboxesRenamed: 0, mailboxesDeleted: 0 };
  expect(sumShipped(EVENTS)).toEqual({
    seed: { ...none, transactions: 1, saves: 4, marks: 0, expunges: 0, mailboxesMade: 1 },
    live: { ...none, transactions: 4, saves: 3, marks: 2, expunges: 3, mailboxesRenamed: 1, mailboxesDeleted: 1 },
  });
  expect(sumShipped(EVENTS.slice(0, 1)).live).toMatchObject({ transactions: 0, saves: 0 });
});

test("a summary that fits says nothing, one that does not says where, and none is told", () => {
  expect(contradictions(EVENTS)).toEqual([]);
  expect(contradictions([...EVENTS.slice(0, -1), { ...SUMMARY, saves: 8, mailboxesMade: 2 }])).toEqual([
    "saves: the events say 7, the summary says 8",
    "mailboxesMade: the events say 1, the summary says 2",
  ]);
  expect(contradictions(EVENTS.slice(0, -1))).toEqual(["mailtwin ended without a summary"]);
});
