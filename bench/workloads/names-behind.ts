/** How many names of a Maildir its replica lacks. Pure. */

/**
 * Keyword letters are left out, since each side numbers its keywords by itself. A mail without flags may be in new/ on one side
 * and in cur/ on the other: `x` and `x:2,` are one name. Dot files are no mail.
 */
export function namesBehind(source: readonly string[], replica: readonly string[]): number {
  const missing = new Set(source.filter((name) => !name.startsWith(".")).map(withoutKeywords));
  for (const name of replica) missing.delete(withoutKeywords(name));
  return missing.size;
}

function withoutKeywords(name: string): string {
  const colon = name.indexOf(":2,");
  if (colon < 0) return name;
  const flags = name.slice(colon + 3).replaceAll(/[a-z]/g, "");
  return flags === "" ? name.slice(0, colon) : `${name.slice(0, colon)}:${flags}`;
}
