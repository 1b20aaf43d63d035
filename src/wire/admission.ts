/**
 * What a listener says first, in one byte: whether it lets the other end in, or why not.
 *
 * With TLS 1.3 who dials is done before the listener has seen its key; without a word, a key that is missing over there would look
 * like a network that fails. It is said inside of TLS, and tells a stranger nothing that the certificate does not.
 */

/** Letters, for whoever looks at a connection by hand. */
export const ADMISSION = { admitted: 0x41, unknownKey: 0x55, expiredKey: 0x45, noKey: 0x4e } as const;

export type Admission = keyof typeof ADMISSION;

/** Undefined for a byte that no listener of this release says. */
export function parseAdmission(byte: number): Admission | undefined {
  const found = Object.entries(ADMISSION).find(([, code]) => code === byte);
  return found?.[0] as Admission | undefined;
}
