/** The thread that reads mailboxes for capture (source-store.ts). */
import { assert } from "../base/assert.js";
import { serveWorker } from "../base/worker-host.js";
import type { CaptureMethods, CaptureOptions } from "./capture-types.js";
import { openSourceStore, type SourceStore } from "./source-store.js";

let opened: SourceStore | undefined;

function store(): SourceStore {
  assert(opened !== undefined, "the capture worker was not opened");
  return opened;
}

const methods: CaptureMethods = {
  async open(options: CaptureOptions): Promise<void> {
    opened = await openSourceStore(options);
  },
  discover: (request) => store().discover(request),
  warm: (request) => store().warm(request),
  examine: (request) => store().examine(request),
  vanished: (request) => store().vanished(request),
  number: (request) => store().number(request),
  renumber: (request) => store().renumber(request),
  forget: (request) => store().forget(request),
  describe: (request) => store().describe(request),
  states: (request) => store().states(request),
};

serveWorker<CaptureMethods>(methods);
