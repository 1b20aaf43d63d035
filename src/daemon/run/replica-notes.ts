/** What the state database says of a replica beside its cursor, by key of its meta values; "" is as good as none. */

/** An operator has paused it. */
export function pausedKey(replica: string): string {
  return `paused-${replica}`;
}

/** Where it is noted that mail of a replica was set aside. */
export function asideKey(replica: string): string {
  return `aside-${replica}`;
}

/** Which users it had a right to, as JSON. */
export function rightsKey(replica: string): string {
  return `rights-${replica}`;
}
