/** What the state database says of a replica beside its cursor, by key of its meta values; "" is as good as none. */

/** When an operator has paused it: ms since 1970. */
export function pausedKey(replica: string): string {
  return `paused-${replica}`;
}

/** `value`: of that key. A "1" says only that it is paused. */
export function pausedSinceMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined || value === "") return undefined;
  return /^\d{13}$/.test(value) ? Number(value) : nowMs;
}

/** Where it is noted that mail of a replica was set aside. */
export function asideKey(replica: string): string {
  return `aside-${replica}`;
}

/** Which users it had a right to, as JSON. */
export function rightsKey(replica: string): string {
  return `rights-${replica}`;
}
