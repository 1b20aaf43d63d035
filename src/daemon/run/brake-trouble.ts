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
  const hint = DAEMON_HINTS[brake.why === "mount-missing" ? brake.why : CODE] ?? "";
  const words = wordsOfBrake(brake);
  const reason = [brake.why, ...brake.mounts].join("\0");
  const isNews = troubles.note(CODE, { code: CODE, words, hint, level: "needs-you" }, brake.sinceMs, reason);
  if (isNews) log.write("store-needs-you", { code: CODE, message: words, hint });
}
