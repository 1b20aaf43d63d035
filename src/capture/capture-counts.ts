import type { NumberOutcome } from "./capture-types.js";

type Numbered = Extract<NumberOutcome, { kind: "numbered" }>;

/** What the capture loop has done so far, for reports. */
export interface CaptureCounts {
  mailboxes: number;
  messages: number;
  examined: number;
  listings: number;
  sweeps: number;
  /** When the last one ended; undefined before the first one has. */
  sweptMs: number | undefined;
  /** Changes found by a sweep while no event had told of them: events that were lost, or still under way. */
  caughtBySweep: number;
  /** Messages of the source that got their first UID from us. */
  numbered: number;
  /** Messages of the source that got another UID from us. */
  renumbered: number;
  /** Mailboxes of the source whose next UID was raised by us, each time. */
  raised: number;
  /** Mailboxes of the source that got their identity from us. */
  identified: number;
}

export function zeroCounts(): CaptureCounts {
  return {
    mailboxes: 0,
    messages: 0,
    examined: 0,
    listings: 0,
    sweeps: 0,
    sweptMs: undefined,
    caughtBySweep: 0,
    numbered: 0,
    renumbered: 0,
    raised: 0,
    identified: 0,
  };
}

export function noteNumbered(counts: CaptureCounts, { count, isIdentified }: Numbered): void {
  counts.numbered += count;
  if (isIdentified === true) counts.identified += 1;
}
