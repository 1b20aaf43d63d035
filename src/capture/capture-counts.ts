/** What the capture loop has done so far, for reports. */
export interface CaptureCounts {
  mailboxes: number;
  messages: number;
  examined: number;
  listings: number;
  sweeps: number;
  /** Examinations that found changes of which no event had told, only a sweep: lost events. */
  caughtBySweep: number;
  numbered: number;
}

export function zeroCounts(): CaptureCounts {
  return { mailboxes: 0, messages: 0, examined: 0, listings: 0, sweeps: 0, caughtBySweep: 0, numbered: 0 };
}
