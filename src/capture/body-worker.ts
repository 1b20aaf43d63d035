/** The thread that reads message bodies for transfer (body-reader.ts). Bodies are moved to the caller, not copied. */
import { assert } from "../base/assert.js";
import { openNodeDisk } from "../base/disk-node.js";
import { movableBuffers } from "../base/slab-pool.js";
import { serveWorker, Transferred } from "../base/worker-host.js";
import { KnownBodies } from "../log/known-bodies.js";
import { openStateReader } from "../log/state-reader.js";
import { BodyReader } from "./body-reader.js";
import type {
  BodyRead,
  CloseLargeOutcome,
  KnownBodyMethods,
  OpenLargeOutcome,
  OpenLargeRequest,
  ReadManyRequest,
  ReadPartRequest,
  StoreToRead,
} from "./body-types.js";
import { pinStore } from "./open-mailbox.js";

let opened: BodyReader | undefined;
let known: KnownBodies | undefined;
let knownPath: string | undefined;

function reader(): BodyReader {
  assert(opened !== undefined, "the body worker was not opened");
  return opened;
}

/** Opened when it is first needed: a run in which no body is read pays nothing for it. */
function knownBodies(): KnownBodies {
  known ??= new KnownBodies(knownPath);
  return known;
}

const methods = {
  open({ storeRoot, storeSite, statePath, knownPath: path }: StoreToRead): void {
    knownPath = path;
    const state = statePath === undefined ? undefined : openStateReader(statePath);
    opened = new BodyReader({ disk: pinStore(openNodeDisk(), storeRoot, storeSite), storeRoot }, state);
  },
  readMany(request: ReadManyRequest): Transferred<readonly BodyRead[]> {
    const reads = reader().readMany(request);
    return new Transferred(reads, movableBuffers(reads.flatMap((read) => (read.kind === "body" ? [read.bytes] : []))));
  },
  openLarge: (request: OpenLargeRequest): OpenLargeOutcome => reader().openLarge(request),
  readPart(request: ReadPartRequest): Transferred<Uint8Array<ArrayBuffer>> {
    const bytes = reader().readPart(request);
    return new Transferred(bytes, [bytes.buffer]);
  },
  closeLarge: (request: { readonly handle: number }): CloseLargeOutcome => reader().closeLarge(request),
  note: ({ bodies, instead }: Parameters<KnownBodyMethods["note"]>[0]): void => knownBodies().note(bodies, { instead }),
  noteCopies: ({ copies }: Parameters<KnownBodyMethods["noteCopies"]>[0]): void => knownBodies().noteCopies(copies),
  known: ({ mailbox, names }: Parameters<KnownBodyMethods["known"]>[0]) => knownBodies().read(mailbox, names),
  keepKnown: ({ mailboxes }: Parameters<KnownBodyMethods["keepKnown"]>[0]): void =>
    knownBodies().keepOnly(new Set(mailboxes)),
};

serveWorker(methods);
