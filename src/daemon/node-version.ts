/** Which Node runs the program. Imports nothing, and uses what old ones have: see cli.ts. */

const [MAJOR, MINOR] = [20, 19];

/** `version`: as `process.versions.node`. In the words of scripts/prepare.sh; undefined for one that will do. */
export function whyTooOld(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > MAJOR || (major === MAJOR && minor >= MINOR)) return undefined;
  return `mailtwin needs Node.js ${MAJOR}.${MINOR} or newer; this is v${version}`;
}
