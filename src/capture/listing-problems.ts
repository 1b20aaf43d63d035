/**
 * What listings say against a mailbox, and when they have said nothing for too long. Pure but for its memory.
 *
 * INVARIANT: a problem that only a listing can find stands until the next listing: a look at hints does not clear it.
 * INVARIANT: a mailbox is not listed for ever for the sake of something that listings do not settle.
 */
import type { RawPath } from "../base/raw-name.js";
import type { CaptureProblem, Waiting } from "./capture-types.js";
import { problemOfNames, problemOfNotFiles, problemOfRounds } from "./errors.js";

/** Listings in a row that settle nothing; the first few follow each other at once. */
const ROUNDS_MAX = 40;
const ROUNDS_AT_ONCE = 4;
const ROUND_PAUSE_MS = 50;

const FOUND_BY_LISTING = new Set(["message-name-invalid", "message-not-a-file"]);

/** The mailbox's problem after an examination that could be made; undefined: it has none (any more). */
export function problemAfter(
  path: RawPath,
  before: CaptureProblem | undefined,
  { listed, ignored, notFiles }: Pick<Waiting, "listed" | "ignored" | "notFiles">,
): CaptureProblem | undefined {
  if (notFiles !== undefined) return problemOfNotFiles(path, notFiles);
  if (ignored !== undefined) return problemOfNames(path, ignored);
  return listed === undefined && before !== undefined && FOUND_BY_LISTING.has(before.code) ? before : undefined;
}

/** What to do about a mailbox that asks for another listing. */
export type NextRound =
  | { readonly kind: "list"; readonly inMs: number }
  | { readonly kind: "give-up"; readonly problem: CaptureProblem };

export class ConfirmRounds {
  readonly #roundsByPath = new Map<RawPath, number>();

  /** It got on: changes were sealed, or nothing is open any more. */
  noteProgress(path: RawPath): void {
    this.#roundsByPath.delete(path);
  }

  /** It asks for another listing, and nothing was sealed. `hasListed`: by what a listing says. */
  next(path: RawPath, hasListed: boolean): NextRound {
    const rounds = (this.#roundsByPath.get(path) ?? 0) + (hasListed ? 1 : 0);
    this.#roundsByPath.set(path, rounds);
    if (rounds < ROUNDS_MAX) return { kind: "list", inMs: rounds < ROUNDS_AT_ONCE ? 0 : ROUND_PAUSE_MS };
    this.#roundsByPath.delete(path);
    return { kind: "give-up", problem: problemOfRounds(path, rounds) };
  }
}
