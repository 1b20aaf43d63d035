/** What the status and the log of a daemon say of deletions that are held back. */
import type { BrakeReport } from "../../capture/capture-types.js";
import { wordsOfBrake } from "../brake-words.js";
import { DAEMON_HINTS } from "./daemon-hints.js";
import type { EventLog } from "./event-log.js";
import type { Troubles } from "./troubles.js";

const CODE = "deletions-held";

/** `brake`: as it is now. */
export function noteBrake(
  brake: BrakeReport | undefined,
  { log, troubles }: { readonly log: EventLog; readonly troubles: Troubles },
): void {
  if (brake === undefined) {
    troubles.over(CODE);
    return;
  }
  const hint = DAEMON_HINTS[CODE] ?? "";
  const words = wordsOfBrake(brake);
  const isNews = troubles.note(CODE, { code: CODE, words, hint, level: "needs-you" }, brake.sinceMs);
  if (isNews) log.write("store-needs-you", { code: CODE, message: words, hint });
}
