/** The thread that reads mailboxes for capture (source-store.ts), and records what it finds (record-found.ts). */
import { assert } from "../base/assert.js";
import { crashPointsFromEnv } from "../base/crash-points.js";
import { openNodeDisk } from "../base/disk-node.js";
import { movableBuffers } from "../base/slab-pool.js";
import { serveWorker, Transferred } from "../base/worker-host.js";
import { OwnWrites } from "../log/own-writes.js";
import type { CaptureCommit } from "../log/state-types.js";
import type { Transaction } from "../txn/transaction.js";
import { BodyReader } from "./body-reader.js";
import type { CaptureMethods, CaptureOptions, ExamineOutcome, ExamineRequest, Recorded } from "./capture-types.js";
import { problemOf } from "./errors.js";
import { freshItems } from "./fresh-bodies.js";
import { pinStore } from "./open-mailbox.js";
import { type RecordPorts, recordApproved, recordExamined, recordLooked, recordVanished } from "./record-found.js";
import { openSourceStore, type SourceStore } from "./source-store.js";

interface Recording extends RecordPorts {
  readonly bodies: BodyReader;
}

/** `record`: only where what is found is recorded. */
let opened: { readonly store: SourceStore; readonly record: Recording | undefined } | undefined;

function ports() {
  assert(opened !== undefined, "the capture worker was not opened");
  return opened;
}

function store(): SourceStore {
  return ports().store;
}

/** The outcome is recorded: nothing that happens here may keep it from being told. */
function withBodies(outcome: ExamineOutcome, news: Transaction | undefined, { bodies }: Recording) {
  if (outcome.kind !== "sealed" || news === undefined) return outcome;
  const items = freshItems(news);
  if (items.length === 0) return outcome;
  try {
    const read = bodies.readFresh({ mailboxPath: news.path, items });
    return new Transferred({ ...outcome, bodies: read }, movableBuffers(read.map(({ bytes }) => bytes)));
  } catch (error) {
    problemOf(news.path, error); // throws a defect. Whoever looks there next hears of the rest.
    return outcome;
  }
}

type Found = Recorded | CaptureCommit;

interface Served extends Omit<CaptureMethods<Found>, "examine"> {
  examine(request: ExamineRequest): ExamineOutcome<Found> | Transferred<ExamineOutcome>;
}

const methods: Served = {
  async open(options: CaptureOptions): Promise<void> {
    const { statePath, records = false, crashAt, storeRoot, storeSite } = options;
    const store = await openSourceStore(options);
    if (!records) {
      opened = { store, record: undefined };
      return;
    }
    assert(statePath !== undefined, "what records has a state database");
    const bodies = new BodyReader({ disk: pinStore(openNodeDisk(), storeRoot, storeSite), storeRoot });
    const writes = new OwnWrites(statePath);
    opened = { store, record: { store, writes, reach: crashPointsFromEnv(crashAt), bodies } };
  },
  discover: (request) => {
    const { store, record } = ports();
    const outcome = store.discover(request);
    if (record !== undefined) recordLooked(record, store.takeNotes());
    return outcome;
  },
  warm: (request) => store().warm(request),
  examine: (request) => {
    const { store, record } = ports();
    const outcome = store.examine(request);
    if (record === undefined) return outcome;
    return withBodies(recordExamined(record, outcome), request.wantsBodies === true ? store.news : undefined, record);
  },
  vanished: (request) => {
    const { store, record } = ports();
    const outcome = store.vanished(request);
    return record === undefined ? outcome : recordVanished(record, outcome);
  },
  approve: (back) => {
    const { store, record } = ports();
    return record === undefined ? store.approve(back) : recordApproved(record, store.approve(back));
  },
  broughtBack: () => store().broughtBack(),
  whyHeld: (request) => store().whyHeld(request),
  number: (request) => store().number(request),
  renumber: (request) => store().renumber(request),
  raiseNextUid: (request) => store().raiseNextUid(request),
  describe: (request) => store().describe(request),
  states: (request) => store().states(request),
};

serveWorker<Served>(methods);
