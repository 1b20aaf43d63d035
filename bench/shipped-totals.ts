/**
 * What a run of mailtwin says that it shipped: its `shipped` events added up, beside its own summary. Pure.
 */
import type { TwinEvent } from "./workloads/twin-process.js";

const COUNTED = ["saves", "marks", "expunges"] as const;
const STRUCTURES = { create: "mailboxesMade", rename: "mailboxesRenamed", delete: "mailboxesDeleted" } as const;

type Counted = (typeof COUNTED)[number];
type Structured = (typeof STRUCTURES)[keyof typeof STRUCTURES];

/** Named as in the summary event. */
export type ShippedTotals = Readonly<Record<"transactions" | Counted | Structured, number>>;

const NONE: ShippedTotals = {
  ...{ transactions: 0, saves: 0, marks: 0, expunges: 0 },
  ...{ mailboxesMade: 0, mailboxesRenamed: 0, mailboxesDeleted: 0 },
};

/** Of all events of a run, in order: before it was live, and since. */
export function sumShipped(events: readonly TwinEvent[]): {
  readonly seed: ShippedTotals;
  readonly live: ShippedTotals;
} {
  const liveAt = events.findIndex(({ event }) => event === "live");
  const end = liveAt === -1 ? events.length : liveAt;
  return { seed: sum(events.slice(0, end)), live: sum(events.slice(end)) };
}

/** What does not fit together, in words: a summary that says otherwise than the events before it, or none at all. */
export function contradictions(events: readonly TwinEvent[]): readonly string[] {
  const summary = events.find(({ event }) => event === "summary");
  if (summary === undefined) return ["mailtwin ended without a summary"];
  const told = sum(events);
  return (Object.keys(NONE) as (keyof ShippedTotals)[])
    .filter((name) => summary[name] !== told[name])
    .map((name) => `${name}: the events say ${told[name]}, the summary says ${String(summary[name])}`);
}

function sum(events: readonly TwinEvent[]): ShippedTotals {
  const totals: Record<keyof ShippedTotals, number> = { ...NONE };
  for (const event of events) {
    if (event.event !== "shipped") continue;
    totals.transactions += 1;
    for (const name of COUNTED) totals[name] += Number(event[name]);
    const structure = event["structure"];
    if (structure === "create" || structure === "rename" || structure === "delete") totals[STRUCTURES[structure]] += 1;
  }
  return totals;
}
