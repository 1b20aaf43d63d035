/**
 * The source's capture as a replay agent sees it.
 *
 * INVARIANT: where a mailbox is, and what is in it, is read from the database that the log is read from: a transaction and the row of its mailbox are
 * one commit, and visible together. The capture hears of a commit later, by a message of another thread, and till then would call
 * a new mailbox gone, bodies and all.
 */
import type { SourceSide as AgentsSource } from "../agent/source-side.js";
import { readUids } from "../capture/read-uids.js";
import type { SourceSide } from "./source-side.js";

export function adaptSource({
  reader,
  capturer,
  worker,
}: Pick<SourceSide, "reader" | "capturer" | "worker">): AgentsSource {
  return {
    get isLive() {
      return capturer.isWatching;
    },
    get sweeps() {
      return capturer.counts.sweeps;
    },
    fresh: capturer.fresh,
    pathOf: (guid) => reader.mailboxByGuid(guid)?.path,
    uidNextOf: (guid) => reader.mailboxByGuid(guid)?.uidNext ?? 1,
    uidsAmong: (query) => readUids(reader, query),
    lookAgain(guid) {
      const path = reader.mailboxByGuid(guid)?.path;
      if (path !== undefined) capturer.markFull(path, "confirm");
      capturer.sweepSoon();
    },
    whyHeld: (of) => worker.call("whyHeld", of),
    describe: (where) => worker.call("describe", where),
    renumber: (...args) => capturer.renumbering.renumber(...args),
    raiseNextUid: (...args) => capturer.renumbering.raiseNextUid(...args),
  };
}
