/** The worker thread that reads a limbo: serves a `LimboReader` of the scratch directory that its `workerData` names. */
import { workerData } from "node:worker_threads";
import { openNodeDisk } from "../base/disk-node.js";
import { pinRoots } from "../base/pinned-roots.js";
import { displayRaw } from "../base/raw-name.js";
import { serveWorker } from "../base/worker-host.js";
import { applyError } from "./errors.js";
import { LimboReader } from "./limbo-reader.js";
import type { LimboReaderMethods, LimboReaderOptions } from "./limbo-reader-types.js";

const options = workerData as LimboReaderOptions;
const { scratchRoot: path, site } = options;
const refuse = (why: string, cause?: unknown) =>
  applyError("scratch-missing", `opening the scratch directory ${displayRaw(path)}: ${why}`, {}, cause);
const reader = new LimboReader(pinRoots(openNodeDisk(), [{ path, site, refuse }]), options);

serveWorker<LimboReaderMethods>({
  there: (names) => reader.there(names),
  files: (of) => reader.files(of),
  parts: (of) => reader.parts(of),
});
