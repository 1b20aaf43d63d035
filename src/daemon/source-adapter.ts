/** The source's capture as a replay agent sees it. */
import type { SourceSide as AgentsSource } from "../agent/source-side.js";
import type { SourceSide } from "./source-side.js";

const UIDS_MAX = 10_000;

export function adaptSource({ capturer, worker }: Pick<SourceSide, "capturer" | "worker">): AgentsSource {
  return {
    pathOf: (guid) => capturer.row(guid)?.path,
    uidNextOf: (guid) => capturer.row(guid)?.uidNext ?? 1,
    async uidsIn(guid, from, below) {
      const { states } = await worker.call("states", { guid, afterUid: from - 1, max: UIDS_MAX });
      return states.map((state) => state.uid).filter((uid) => uid < below);
    },
    lookAgain(guid) {
      const path = capturer.row(guid)?.path;
      if (path !== undefined) capturer.markFull(path, "confirm");
      capturer.sweepSoon();
    },
    renumber: (range, signal) => capturer.renumber(range, signal),
  };
}
