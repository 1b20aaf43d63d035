/** Turns that are taken across all of a daemon. */
import type { ReplayAgent } from "../../agent/replay-agent.js";
import { Turns } from "../../base/turns.js";

/**
 * Looks at the store of a replica, by the agent of its link. The other end knows of one look at a time: whoever asks for another one in the
 * middle of a comparison has its further pages tell of that, which an honest replica would be held to blame for.
 */
export const LOOKS = new Turns<ReplayAgent>();
