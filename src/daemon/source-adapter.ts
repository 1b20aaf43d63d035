/** The source's capture as a replay agent sees it. */
import type { SourceSide as AgentsSource } from "../agent/source-side.js";
import { readUids } from "../capture/read-uids.js";
import type { SourceSide } from "./source-side.js";

export function adaptSource({ capturer, worker }: Pick<SourceSide, "capturer" | "worker">): AgentsSource {
  return {
    pathOf: (guid) => capturer.row(guid)?.path,
    uidNextOf: (guid) => capturer.row(guid)?.uidNext ?? 1,
    uidsAmong: (query) => readUids(worker, query),
    lookAgain(guid) {
      const path = capturer.row(guid)?.path;
      if (path !== undefined) capturer.markFull(path, "confirm");
      capturer.sweepSoon();
    },
    renumber: (request, signal) => capturer.renumber(request, signal),
  };
}
