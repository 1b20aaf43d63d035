/**
 * A state that no longer describes its destination is begun anew, and the stores are compared as at first contact. That is no
 * reason to refuse mail that only the destination has: it was kept there before, and any owner of one mailbox can bring about
 * such a comparison of all of them (at-rest.ts).
 *
 * INVARIANT: the note that says so is there before the state goes, and until a run has come to its end: one that is killed on the
 * way, and finds no state, is not refused either. It names the destination, since for another one it says nothing.
 */
import { closeSync, constants, fsyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { ForeignChoice } from "./first-contact.js";
import { forgetState, type Places } from "./places.js";

const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
const NOTE = "begun-anew";

/** Call it while holding the state directory's lock. No mail is touched. */
export function beginAnew(places: Places): void {
  const fd = openSync(noteIn(places), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    writeSync(fd, places.destination);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  forgetState(places);
}

/** Whether a first contact is one of a destination that was written to before. */
export function isBegunAnew(places: Places): boolean {
  try {
    return readFileSync(noteIn(places), "utf8") === places.destination;
  } catch {
    return false; // hence a first contact that asks.
  }
}

/** The destination was compared. */
export function endAnew(places: Places): void {
  rmSync(noteIn(places), { force: true });
}

/** What is done about mail that only the destination has, unless the operator says it. */
export function choiceAnew(choice: ForeignChoice, isAnew: boolean): ForeignChoice {
  return choice === "refuse" && isAnew ? "keep" : choice;
}

function noteIn({ state }: Places): string {
  return join(state, NOTE);
}
