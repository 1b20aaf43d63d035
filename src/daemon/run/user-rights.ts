/**
 * Whether a peer whose rights are limited to some users may have a mailbox. Pure.
 *
 * Whose a mailbox is, its path tells: `alice/Maildir/.Sent` is alice's, `example.org/alice/.Sent` is that of alice@example.org, or of
 * example.org/alice. A pattern that fits a directory above gives all below it. A store that is one Maildir has no users: whoever is
 * limited to some has nothing of it.
 *
 * INVARIANT: folders do not count, as their owner names them.
 */
import * as z from "zod";
import { type RawPath, rawFromText, splitRaw } from "../../base/raw-name.js";

/** `patterns`: with `*` (any characters but "/") and `?`; undefined: all users. */
export function maySee(patterns: readonly string[] | undefined): (path: RawPath) => boolean {
  if (patterns === undefined) return () => true;
  const raw = patterns.map(rawFromText);
  return (path) => {
    const names = namesOf(path);
    return raw.some((pattern) => names.some((name) => fits(pattern, name)));
  };
}

/** What limits it, for people. Only who has a name can be limited. */
export function wordsOfLimit(peer: string | undefined): string {
  return `users of [peer.${peer ?? "?"}]`;
}

/** From what is noted in a state database (`rightsKey`), for who has no configuration at hand. What is none is no limit. */
export function rightsNoted(noted: string | undefined): (path: RawPath) => boolean {
  const parsed = NOTED.safeParse(noted);
  return maySee(parsed.success ? (parsed.data ?? undefined) : undefined);
}

const NOTED = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      return context.addIssue("no JSON");
    }
  })
  .pipe(z.array(z.string()).nullable());

/** All that may be called the user of that mailbox. */
function namesOf(path: RawPath): readonly string[] {
  const names: string[] = [];
  const above: string[] = [];
  for (const component of splitRaw(path)) {
    if (component.startsWith(".")) break;
    const domain = above.at(-1);
    above.push(component);
    names.push(above.join("/"));
    if (domain !== undefined && above.length === 2) names.push(`${component}@${domain}`);
  }
  return names;
}

/** In time proportional to the product of both lengths. */
function fits(pattern: string, name: string): boolean {
  let [p, n] = [0, 0];
  let [star, mark] = [-1, 0];
  while (n < name.length) {
    const wanted = pattern[p];
    if (wanted === "*") {
      star = p++;
      mark = n;
    } else if (wanted === name[n] || (wanted === "?" && name[n] !== "/")) {
      p += 1;
      n += 1;
    } else if (star >= 0 && name[mark] !== "/") {
      p = star + 1;
      n = ++mark;
    } else return false;
  }
  while (pattern[p] === "*") p += 1;
  return p === pattern.length;
}
