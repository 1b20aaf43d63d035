/** One offered transaction, whose bodies come as a hostile source sends them: all is durable before the intent. */
import { beforeEach, describe, expect, test } from "vitest";
import { Incoming, type IncomingPorts } from "../../../src/agent/incoming.js";
import type { ApplyMethods, PrepareRequest, StageRequest, WantedBody } from "../../../src/apply/apply-types.js";
import type { Offer } from "../../../src/wire/messages.js";
import { turns } from "../../turns.js";
import { inlineWorker } from "../../worker-client.js";
import { MemoryState } from "./memory-state.js";
import { guid } from "./pair.js";

const ID = 1;

/** In the order in which they were made: "intent", "sync", or the indexes of what was staged. */
let steps: (string | readonly number[])[];
let incoming: Incoming;
/** What `prepare` says, call by call; later ones say the same as the last. */
let prepared: object[];
let ports: IncomingPorts;

const OFFER: Offer = { kind: "offer", id: ID, lsn: 1, mailbox: guid("a"), payload: new Uint8Array(1) };
const READY = { kind: "ready", intent: new Uint8Array(1), wants: [], taken: 0 };

beforeEach(async () => {
  steps = [];
  prepared = [{ ...READY, wants: [wanted(0), wanted(1)] }];
  const methods = {
    prepare: ({ along = [] }: PrepareRequest) => {
      if (along.length > 0) steps.push(`with ${along.map(({ index }) => index).join()}`);
      return prepared.length > 1 ? prepared.shift() : prepared[0];
    },
    stageMany: ({ bodies, sync = false }: StageRequest) => {
      steps.push(bodies.map(({ index }) => index));
      if (sync) steps.push("sync");
      return { kind: "staged" };
    },
    stagePart: ({ index }: { readonly index: number }) => {
      steps.push([index]);
      return { kind: "staged" };
    },
    syncStaged: () => void steps.push("sync"),
  };
  const state = new MemoryState();
  state.onWrite = (method) => void steps.push(method);
  const stager = {
    take: () => {
      throw new Error("nothing is staged apart here");
    },
    giveBack: () => undefined,
  };
  ports = {
    store: inlineWorker(methods as unknown as ApplyMethods),
    stager,
    stagedHereMax: Number.POSITIVE_INFINITY,
    partBytesMax: Number.POSITIVE_INFINITY,
    writer: state.writer(),
    room: async () => undefined,
    want: async () => undefined,
    syncAll: async () => true,
    reach: () => undefined,
  };
  incoming = new Incoming(ports, OFFER);
  await turns();
});

function wanted(index: number): Pick<WantedBody, "index" | "size"> {
  return { index, size: 3 };
}

/** Another one, with bodies that came along. */
async function offerWith(indexes: readonly number[], ...outcomes: readonly object[]): Promise<void> {
  prepared = [...outcomes];
  const heads = indexes.map((index) => ({ index, sha256: new Uint8Array(32), size: 3, gone: false }));
  const along = { heads, payloads: indexes.map(() => new Uint8Array(3)) };
  incoming = new Incoming(ports, { ...OFFER, along });
  await turns();
}

async function sendBodies(...indexes: readonly number[]): Promise<void> {
  const heads = indexes.map((index) => ({ index, sha256: new Uint8Array(32), size: 3, gone: false }));
  await incoming.takeBodies({ kind: "bodies", id: ID, heads, payloads: indexes.map(() => new Uint8Array(3)) });
}

async function sendPart(index: number, last: boolean): Promise<void> {
  const [sha256, payload] = [new Uint8Array(32), new Uint8Array(3)];
  await incoming.takePart({ kind: "body-part", id: ID, index, offset: last ? 3 : 0, last, sha256, payload });
}

async function expectSteps(...expected: readonly (string | readonly number[])[]): Promise<void> {
  expect(await incoming.ready).toMatchObject({ kind: "ready" });
  expect(steps).toStrictEqual([...expected, "putIntent"]);
}

describe("bodies", () => {
  test("that come together are made durable with the same call", async () => {
    await sendBodies(0, 1);
    await expectSteps([0, 1], "sync");
  });

  test("one of which is named twice in a message are not all: what comes after is durable, too", async () => {
    await sendBodies(0, 0);
    await sendBodies(1);
    await expectSteps([0], [1], "sync");
  });

  test("the last of which comes in parts, after one that was named twice, are durable, too", async () => {
    await sendBodies(0, 0);
    await sendPart(1, false);
    await sendPart(1, true);
    await expectSteps([0], [1], [1], "sync");
  });
});

describe("bodies that came along", () => {
  const DIVERGED = { kind: "diverged", divergence: { kind: "body-mismatch" } };

  test("and were all taken are durable by then: nothing more is synced", async () => {
    await offerWith([0, 1], { ...READY, taken: 2 });
    await expectSteps("with 0,1");
  });

  test("and of which none was taken have nothing to sync", async () => {
    await offerWith([0], READY);
    await expectSteps("with 0");
  });

  test("are durable together with those that were asked for", async () => {
    await offerWith([0], { ...READY, taken: 1, wants: [wanted(1)] });
    await sendBodies(1);
    await expectSteps("with 0", [1], "sync");
  });

  test("may be staged though they diverged: they are synced before it is sealed, and do not come along again", async () => {
    await offerWith([0, 1], DIVERGED, READY);
    expect(await incoming.ready).toMatchObject({ kind: "diverged" });
    incoming.again(7);
    await expectSteps("with 0,1", "sync");
  });

  test("are dropped with it where it was given up meanwhile", async () => {
    prepared = [{ ...READY, taken: 1 }];
    const heads = [{ index: 0, sha256: new Uint8Array(32), size: 3, gone: false }];
    incoming = new Incoming(ports, { ...OFFER, along: { heads, payloads: [new Uint8Array(3)] } });
    incoming.giveUp();
    expect(await incoming.ready).toStrictEqual({ kind: "given-up" });
    expect(steps).toStrictEqual(["with 0"]);
  });
});
