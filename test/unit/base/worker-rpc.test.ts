import { afterEach, describe, expect, expectTypeOf, test } from "vitest";
import type { Transferred } from "../../../src/base/worker-host.js";
import { startWorker, type WorkerClient, type WorkerOptions } from "../../../src/base/worker-rpc.js";

type EchoMethods = {
  add(args: { a: number; b: number }): number;
  started(): unknown;
  note(value: number): void;
  noteLater(value: number): Promise<number>;
  noted(): number[];
  fill(size: number): Transferred<Uint8Array>;
  sum(bytes: Uint8Array): number;
  fail(): void;
  failLater(): Promise<void>;
  failAssertion(): void;
  failAssertionLater(): Promise<void>;
  exit(): void;
  neverEnd(): Promise<void>;
  returnFunction(): unknown;
  fillMemory(): void;
};

const url = new URL("./echo-worker.mjs", import.meta.url);
let client: WorkerClient<EchoMethods> | undefined;

function start(options: Partial<WorkerOptions> = {}): WorkerClient<EchoMethods> {
  client = startWorker<EchoMethods>({ url, name: "echo", ...options });
  return client;
}

afterEach(async () => {
  await client?.[Symbol.asyncDispose]();
});

describe("calls", () => {
  test("return what the method returned, with its type", async () => {
    const worker = start({ workerData: { site: "a" } });
    const sum = await worker.call("add", { a: 2, b: 3 });
    expectTypeOf(sum).toEqualTypeOf<number>();
    expect(sum).toBe(5);
    expect(await worker.call("started")).toEqual({ site: "a" });
  });

  test("run in the order in which they were made", async () => {
    const worker = start();
    const calls = [1, 2, 3, 4].map((value) => worker.call("note", value));
    expect(await worker.call("noted")).toEqual([1, 2, 3, 4]);
    await Promise.all(calls);
  });

  test("a method that waits does not hold up the others", async () => {
    const worker = start();
    const later = worker.call("noteLater", 1);
    await worker.call("note", 2);
    expect(await later).toBe(1);
    expect(await worker.call("noted")).toEqual([2, 1]);
  });

  test("buffers move instead of being copied, both ways", async () => {
    const worker = start();
    const filled = await worker.call("fill", 1000);
    expectTypeOf(filled).toEqualTypeOf<Uint8Array>();
    expect([filled.length, filled[999]]).toEqual([1000, 7]);
    const sum = worker.call("sum", filled, [filled.buffer as ArrayBuffer]);
    expect(filled.byteLength).toBe(0);
    expect(await sum).toBe(7000);
  });

  test("an argument that cannot be cloned rejects that call only", async () => {
    const worker = start();
    await expect(worker.call("note", (() => 1) as never)).rejects.toThrow(/could not be cloned/);
    expect(await worker.call("add", { a: 1, b: 1 })).toBe(2);
  });
});

describe("errors", () => {
  test("keep code, disposition, hint and detail", async () => {
    await expect(start().call("fail")).rejects.toMatchObject({
      name: "MailtwinError",
      code: "file-changed",
      disposition: "retry",
      message: "appending: changed",
      detail: { sizeBytes: 3 },
    });
  });

  test("of the system keep their errno; the worker lives on", async () => {
    const worker = start();
    await expect(worker.call("failLater")).rejects.toMatchObject({ code: "ENOSPC", disposition: "operator" });
    expect(await worker.call("add", { a: 1, b: 1 })).toBe(2);
  });
});

describe("a worker that dies", () => {
  const died = { code: "worker-died", disposition: "bug" };

  test.each(["failAssertion", "failAssertionLater", "returnFunction", "exit"] as const)(
    "by %s fails every call that waits, and every later one",
    async (method) => {
      const worker = start();
      const waiting = worker.call("neverEnd");
      const fatal = worker.call(method);
      await Promise.all([expect(waiting).rejects.toMatchObject(died), expect(fatal).rejects.toMatchObject(died)]);
      await expect(worker.call("add", { a: 1, b: 1 })).rejects.toMatchObject(died);
      expect(await worker.ended).toMatchObject(died);
    },
  );

  test("says why", async () => {
    await expect(start().call("failAssertion")).rejects.toThrow("running echo: the impossible happened");
  });

  test("because memory ran out does not take the process with it", async () => {
    const worker = start({ resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 } });
    await expect(worker.call("fillMemory")).rejects.toMatchObject({
      ...died,
      message: expect.stringMatching(/memory/),
    });
  });

  test.each([
    ["EMFILE", "EMFILE: too many open files, open 'x.js'"],
    ["ERR_WORKER_INIT_FAILED", "Worker initialization failure: EMFILE"],
  ])("because too many files are open is no defect: %s", async (code, message) => {
    const script = `throw Object.assign(new Error(${JSON.stringify(message)}), { code: "${code}" })`;
    const worker = start({ url: new URL(`data:text/javascript,${encodeURIComponent(script)}`) });
    await expect(worker.call("noted")).rejects.toMatchObject({
      ...{ code: "EMFILE", disposition: "operator", exitCode: 71, hint: expect.stringContaining("ulimit -n") },
      message: "running the thread echo: EMFILE: too many open files",
    });
  });

  test("because it does not exist shows in the first call", async () => {
    const worker = start({ url: new URL("./no-such-worker.mjs", import.meta.url) });
    await expect(worker.call("noted")).rejects.toMatchObject(died);
  });
});

describe("the end", () => {
  test("disposal waits for the calls that were made, and accepts no more", async () => {
    const worker = start();
    const later = worker.call("noteLater", 1);
    const disposed = worker[Symbol.asyncDispose]();
    await expect(worker.call("noted")).rejects.toMatchObject({ code: "worker-closed" });
    await disposed;
    expect(await later).toBe(1);
    expect(await worker.ended).toBeUndefined();
    await worker[Symbol.asyncDispose]();
  });

  test("a worker that dies while it is being disposed of still settles its calls", async () => {
    const worker = start();
    const waiting = worker.call("neverEnd");
    const fatal = worker.call("exit");
    const disposed = worker[Symbol.asyncDispose]();
    await expect(waiting).rejects.toMatchObject({ code: "worker-died" });
    await expect(fatal).rejects.toMatchObject({ code: "worker-died" });
    await disposed;
  });

  test("an abort ends the worker at once, with the reason", async () => {
    const controller = new AbortController();
    const worker = start({ signal: controller.signal });
    const waiting = worker.call("neverEnd");
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(worker.call("noted")).rejects.toBe(reason);
    expect(await worker.ended).toBeUndefined();
  });

  test("an aborted signal starts nothing", () => {
    expect(() => start({ signal: AbortSignal.abort(new Error("enough")) })).toThrow("enough");
  });
});
