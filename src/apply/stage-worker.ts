/**
 * The worker thread that stages the bodies of large transactions: serves a `BodyStager` to the main thread.
 */
import { openNodeDisk } from "../base/disk-node.js";
import { serveWorker } from "../base/worker-host.js";
import { BodyStager } from "./body-stager.js";
import type { StageMethods } from "./stage-types.js";

const stager = new BodyStager(openNodeDisk());

serveWorker<StageMethods>({
  begin: (request) => stager.begin(request),
  stageMany: (request) => stager.stageMany(request),
  stagePart: (part) => stager.stagePart(part),
  handOver: (request) => stager.handOver(request),
  drop: (request) => stager.drop(request),
});
