/** One offered transaction, whose bodies come as a hostile source sends them: all is durable before the intent. */
import { beforeEach, describe, expect, test } from "vitest";
import { Incoming } from "../../../src/agent/incoming.js";
import type { ApplyMethods, StageRequest } from "../../../src/apply/apply-types.js";
import { turns } from "../../turns.js";
import { inlineWorker } from "../../worker-client.js";
import { MemoryState } from "./memory-state.js";
import { guid } from "./pair.js";

const ID = 1;

/** In the order in which they were made: "intent", "sync", or the indexes of what was staged. */
let steps: (string | readonly number[])[];
let incoming: Incoming;

beforeEach(async () => {
  steps = [];
  const methods = {
    prepare: () => ({ kind: "ready", intent: new Uint8Array(1), wants: [{ index: 0 }, { index: 1 }], taken: 0 }),
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
  incoming = new Incoming(
    {
      store: inlineWorker(methods as unknown as ApplyMethods),
      stager,
      stagedHereMax: Number.POSITIVE_INFINITY,
      writer: state.writer(),
      want: async () => undefined,
      syncAll: async () => true,
      reach: () => undefined,
    },
    { kind: "offer", id: ID, lsn: 1, mailbox: guid("a"), payload: new Uint8Array(1) },
  );
  await turns();
});

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
