/** The client of the control socket, against the real server and against others at its place. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { dirname } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import * as z from "zod";
import { systemClock } from "../../src/base/clock.js";
import { errnoOf, type MailtwinError, recordOfError } from "../../src/base/errors.js";
import { askDaemon, type Question } from "../../src/daemon/control/control-client.js";
import { statusSchema } from "../../src/daemon/control/status-schema.js";
import { FakeClock } from "../fake-clock.js";
import { type ControlBench, openControlBench } from "./control-bench.js";

let clock: FakeClock;
let bench: ControlBench;

beforeEach(() => {
  clock = new FakeClock();
  bench = openControlBench(clock);
});

afterEach(async () => {
  await bench[Symbol.asyncDispose]();
  expect(clock.timerCount).toBe(0);
});

const anything = z.unknown();
const ask = (route: string, body: object = {}, more: Partial<Question<unknown>> = {}): Promise<unknown> =>
  askDaemon(bench.place, { method: "POST", route, body, answer: anything, ...more });
const askStatus = () => askDaemon(bench.place, { method: "GET", route: "status", answer: statusSchema });
const coded = (code: string, words = ""): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(words) });
const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await setImmediate();
};

const BUG = { ...recordOfError(new TypeError("x")) };
const answerOf = (code: number, value: object): string => {
  const text = JSON.stringify(value);
  return `HTTP/1.1 ${code} X\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
};

/** Somebody else at that place, who answers all with these bytes. */
async function pretend(bytes: string): Promise<Server> {
  mkdirSync(dirname(bench.place.path));
  const server = createServer((socket) => {
    socket.on("error", () => undefined).end(bytes);
  }).listen(bench.place.path);
  await once(server, "listening");
  return server;
}

test("says where it looked when nobody is there", async () => {
  await expect(askStatus()).rejects.toThrow(
    coded("daemon-not-running", `${bench.place.path} (as the test says)`) as Error,
  );
  await expect(askStatus()).rejects.toMatchObject({ exitCode: 69, hint: expect.stringMatching(/^Is it running\?/) });
});

test.each([
  ["no HTTP", "220 mail.example.org ESMTP\r\n", "control-invalid"],
  ["no JSON", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "control-invalid"],
  ["another form", 'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"software":1}', "control-invalid"],
  ["a refusal without a reason", "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}", "control-invalid"],
  [
    "a refusal that is none",
    'HTTP/1.1 404 No\r\nContent-Length: 25\r\n\r\n{"error":{"exitCode":999}}',
    "control-invalid",
  ],
  [
    "a refusal with something for the terminal",
    answerOf(422, { error: { ...BUG, message: `x${"\x1b"}[2J`, hint: "y\u202e" } }),
    "bug",
  ],
  ["half an answer", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", "control-lost"],
  ["nothing", "", "control-lost"],
])("believes nobody who says %s", async (_, bytes, code) => {
  const server = await pretend(bytes);
  const error = await askStatus().catch((thrown: MailtwinError) => thrown);
  expect(error).toMatchObject({ code });
  const { message, hint } = error as MailtwinError;
  if (code === "bug") expect([message, hint]).toEqual(["x [2J", "y "]);
  else expect(message).toContain(bench.place.path);
  server.close();
});

test("waits for no one for ever, and stops when it is told to", async () => {
  await bench.open({ reload: () => new Promise(() => undefined) });
  await expect(ask("reload", {}, { waitMsMax: 1 })).rejects.toThrow(
    coded("control-lost", "no answer came in time") as Error,
  );
  const stop = new AbortController();
  const asked = askDaemon(bench.place, { method: "POST", route: "reload", body: {}, answer: anything }, stop.signal);
  stop.abort(new Error("enough"));
  await expect(asked).rejects.toThrow("enough");
  await until(() => clock.timerCount === 0);
});

/** Somebody who answers all, once something comes at its standard input; until then the queue of its socket is full. */
async function busy(): Promise<ChildProcessByStdio<Writable, Readable, null>> {
  mkdirSync(dirname(bench.place.path));
  const program = `
    const { createServer } = require("node:net");
    const server = createServer((socket) => socket.on("error", () => undefined).end(${JSON.stringify(answerOf(200, {}))}));
    server.listen({ path: ${JSON.stringify(bench.place.path)}, backlog: 1 }, () => {
      require("node:fs").writeSync(1, "there");
      require("node:fs").readSync(0, Buffer.alloc(1));
    });`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  for (let isFull = false; !isFull; ) {
    const socket = connect(bench.place.path);
    const taken = once(socket, "connect");
    isFull = await taken.then(
      () => false,
      (error: unknown) => errnoOf(error) === "EAGAIN",
    );
    socket.on("error", () => undefined);
  }
  return child;
}

test("tries for a while while others fill the queue of the socket, and says then that nothing was asked", async () => {
  const child = await busy();
  const refused = expect.objectContaining({
    ...{ code: "control-busy", exitCode: 75, disposition: "retry" },
    message: expect.stringContaining("too many others ask it at once (EAGAIN"),
  });
  await expect(ask("reload", {}, { busyMsMax: 0 })).rejects.toEqual(refused);
  const asked = ask("reload");
  for (let turn = 0; turn < 20; turn++) await setImmediate(); // it has found no room by then.
  child.stdin.end("x");
  expect(await asked).toEqual({});
});

test("speaks with a server on the system's clock too", async () => {
  const other = openControlBench(systemClock);
  await other.open();
  expect(await askDaemon(other.place, { method: "GET", route: "status", answer: statusSchema })).toBeDefined();
  await other[Symbol.asyncDispose]();
});
