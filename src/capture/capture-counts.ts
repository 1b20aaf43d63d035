/** What the capture loop has done so far, for reports. */
export interface CaptureCounts {
  mailboxes: number;
  messages: number;
  examined: number;
  listings: number;
  sweeps: number;
  /** Changes found by a sweep while no event had told of them: events that were lost, or still under way. */
  caughtBySweep: number;
  numbered: number;
}

export function zeroCounts(): CaptureCounts {
  return { mailboxes: 0, messages: 0, examined: 0, listings: 0, sweeps: 0, caughtBySweep: 0, numbered: 0 };
}
