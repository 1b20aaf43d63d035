/** The thread that reads mailboxes for capture (source-store.ts), and records what it finds (record-found.ts). */
import { assert } from "../base/assert.js";
import { crashPointsFromEnv } from "../base/crash-points.js";
import { serveWorker } from "../base/worker-host.js";
import { OwnWrites } from "../log/own-writes.js";
import type { CaptureCommit } from "../log/state-types.js";
import type { CaptureMethods, CaptureOptions, Recorded } from "./capture-types.js";
import { type RecordPorts, recordExamined, recordVanished } from "./record-found.js";
import { openSourceStore, type SourceStore } from "./source-store.js";

/** `record`: only where what is found is recorded. */
let opened: { readonly store: SourceStore; readonly record: RecordPorts | undefined } | undefined;

function ports() {
  assert(opened !== undefined, "the capture worker was not opened");
  return opened;
}

function store(): SourceStore {
  return ports().store;
}

const methods: CaptureMethods<Recorded | CaptureCommit> = {
  async open(options: CaptureOptions): Promise<void> {
    const { statePath, records = false, crashAt } = options;
    const store = await openSourceStore(options);
    if (!records) {
      opened = { store, record: undefined };
      return;
    }
    assert(statePath !== undefined, "what records has a state database");
    opened = { store, record: { store, writes: new OwnWrites(statePath), reach: crashPointsFromEnv(crashAt) } };
  },
  discover: (request) => store().discover(request),
  warm: (request) => store().warm(request),
  examine: (request) => {
    const { store, record } = ports();
    const outcome = store.examine(request);
    return record === undefined ? outcome : recordExamined(record, outcome);
  },
  vanished: (request) => {
    const { store, record } = ports();
    const outcome = store.vanished(request);
    return record === undefined ? outcome : recordVanished(record, outcome);
  },
  number: (request) => store().number(request),
  renumber: (request) => store().renumber(request),
  describe: (request) => store().describe(request),
  states: (request) => store().states(request),
};

serveWorker<CaptureMethods<Recorded | CaptureCommit>>(methods);
