/** Who writes to a source by hand does that alone. */
import { closeSync, constants, openSync } from "node:fs";
import { systemClock } from "../../base/clock.js";
import { lockDescriptor } from "../flock.js";

const PAUSE_MS = 200;
const NEVER = new AbortController().signal;

/** For what is put back at a source: two at once would put back everything twice. `state`: of the source. Throws: system errors. */
export async function oneAtATime(state: string): Promise<Disposable> {
  const fd = openSync(state, constants.O_RDONLY | constants.O_DIRECTORY);
  const close = { [Symbol.dispose]: () => closeSync(fd) };
  try {
    while (lockDescriptor(fd, "exclusive") === "held") await systemClock.sleep(PAUSE_MS, NEVER);
    return close;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
