/** The control socket, both ends over a real one: what is asked arrives and is answered, and no client can do the daemon harm. */
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import * as z from "zod";
import { askDaemon, type Question } from "../../src/daemon/control/control-client.js";
import { CONTROL_LIMITS } from "../../src/daemon/control/control-server.js";
import { explanationSchema, statusSchema } from "../../src/daemon/control/status-schema.js";
import { daemonError } from "../../src/daemon/errors.js";
import { FakeClock } from "../fake-clock.js";
import { type ControlBench, EXPLANATION, HELD, openControlBench, readAll, STATUS } from "./control-bench.js";

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

const FETCHING = { asked: 2, paused: [], connected: [], beyond: [] };
const COMPARED = { mailboxes: 3, ofSource: 3, replicas: 1, paused: [], limited: [], away: [] };
const anything = z.unknown();
const ask = (route: string, body: object = {}, more: Partial<Question<unknown>> = {}): Promise<unknown> =>
  askDaemon(bench.place, { method: "POST", route, body, answer: anything, ...more });
const askStatus = () => askDaemon(bench.place, { method: "GET", route: "status", answer: statusSchema });
const coded = (code: string, words = ""): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(words) });
const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await setImmediate();
};
const post = (route: string, body: string, headers = ""): string =>
  `POST /v1/${route} HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;
const GET = "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n";

const GUID = "0123456789abcdef0123456789abcdef";
const ROW = `2026-11-29/${GUID}.7.0123456789abcdef`;
const LIMBO = { store: "mail", replica: "c" };
const FETCH = { store: "mail", replica: "c", mailbox: GUID, uids: [7], look: true };

describe("what is asked", () => {
  test("the status comes as it is", async () => {
    await bench.open();
    expect(await askStatus()).toStrictEqual(JSON.parse(JSON.stringify(STATUS)));
  });

  test.each([
    ["pause", { replica: "c" }, { store: "mail", replica: "c" }, ["pause", { store: "mail", replica: "c" }]],
    ["resume", { replica: "lists/b" }, { store: "lists", replica: "b" }, ["resume", { store: "lists", replica: "b" }]],
    ["fetch-now", {}, FETCHING, ["fetchNow", {}]],
    ["fetch-now", { replica: "twin" }, FETCHING, ["fetchNow", { store: "twin" }]],
    ["resync", { user: "alice", mailbox: "Wörk" }, COMPARED, ["resync", { user: "alice", mailbox: "Wörk" }]],
    ["resync", { replica: "c" }, COMPARED, ["resync", { store: "mail", replica: "c" }]],
    [
      "resync",
      { mailbox: "Work", replica: "c", clearsPlace: true },
      COMPARED,
      ["resync", { store: "mail", replica: "c", mailbox: "Work", clearsPlace: true }],
    ],
    [
      "rejects/retry",
      { replica: "c" },
      { rejects: 1, toCompare: 0, paused: false },
      ["retry", { store: "mail", replica: "c" }],
    ],
    [
      "rejects/skip",
      { replica: "c", mailbox: "a" },
      { rejects: 4, toCompare: 0, paused: false },
      ["skip", { store: "mail", replica: "c", mailbox: "a" }],
    ],
    ["deletions", {}, { stores: HELD }, ["deletions", {}]],
    ["deletions/approve", { store: "lists" }, { stores: HELD }, ["approveDeletions", { store: "lists" }]],
    [
      "deletions/fetch",
      { store: "mail", replica: "c", mailbox: GUID, uids: [7, 9], look: false },
      { messages: [{ uid: 7 }, { uid: 9 }] },
      ["fetchHeld", { store: "mail", replica: "c", mailbox: GUID, uids: [7, 9], look: false }],
    ],
    [
      "undelete/list",
      { store: "mail", replica: "c", after: { removedMs: 7, name: ROW } },
      { rows: [], more: false },
      ["limboPage", { store: "mail", replica: "c", after: { removedMs: 7, name: ROW } }],
    ],
    [
      "undelete/files",
      { store: "mail", replica: "c", name: ROW, after: "cur/x" },
      { files: [], more: false },
      ["limboFiles", { store: "mail", replica: "c", name: ROW, after: "cur/x" }],
    ],
    [
      "undelete/fetch",
      { store: "mail", replica: "c", files: [{ name: ROW, file: "", size: 3 }] },
      { files: [{ sha256: "0".repeat(64), virtualSize: 0 }] },
      ["fetchLimbo", { store: "mail", replica: "c", files: [{ name: ROW, file: "", size: 3 }] }],
    ],
    ["reload", {}, { changes: ["store mail: replica d is new"] }, ["reload", {}]],
  ])("%s %j reaches the daemon, and its answer the client", async (route, body, answer, call) => {
    await bench.open();
    expect(await ask(route, body)).toEqual(answer);
    expect(bench.asked).toEqual([call]);
  });

  test("explain", async () => {
    await bench.open();
    const query = { user: "alice", mailbox: "Work", uid: 17 };
    expect(await ask("explain", query, { answer: explanationSchema })).toEqual(EXPLANATION);
    expect(bench.asked).toEqual([["explain", query]]);
  });

  test.each([
    ["pause", { replica: "x" }, "target-unknown"],
    ["pause", { replica: "b" }, "target-ambiguous"],
    ["pause", { replica: "twin" }, "not-the-source"],
    ["rejects/skip", { replica: "twin/b" }, "not-the-source"],
    ["pause", {}, "control-invalid"],
    ["pause", { replica: "c", surprise: 1 }, "control-invalid"],
    ["pause", { replica: 7 }, "control-invalid"],
    ["pause", [], "control-invalid"],
    ["resync", { store: "malt" }, "target-unknown"],
    ["explain", { mailbox: "a", uid: 0 }, "control-invalid"],
    ["explain", { mailbox: "a", uid: 1.5 }, "control-invalid"],
    ["explain", { mailbox: "a", uid: 1, store: "x" }, "target-unknown"],
    ["deletions/fetch", { ...FETCH, mailbox: "../../x" }, "control-invalid"],
    ["deletions/fetch", { ...FETCH, uids: [0] }, "control-invalid"],
    ["deletions/fetch", { ...FETCH, uids: Array.from({ length: 257 }, (_, i) => i + 1) }, "control-invalid"],
    ["deletions/fetch", { ...FETCH, replica: "x" }, "target-unknown"],
    ["deletions/fetch", { ...FETCH, store: "twin" }, "not-the-source"],
    ["undelete/list", { ...LIMBO, after: { removedMs: 7, name: "../../x" } }, "control-invalid"],
    ["undelete/list", { ...LIMBO, store: "twin" }, "not-the-source"],
    ["undelete/files", { ...LIMBO, name: ROW, after: "tmp/x" }, "control-invalid"],
    ["undelete/files", { ...LIMBO, name: `${ROW}/../x`, after: "" }, "control-invalid"],
    ["undelete/fetch", { ...LIMBO, files: [] }, "control-invalid"],
    ["undelete/fetch", { ...LIMBO, files: [{ name: ROW, file: "cur/../x", size: 1 }] }, "control-invalid"],
    ["undelete/fetch", { ...LIMBO, replica: "x", files: [{ name: ROW, file: "", size: 1 }] }, "target-unknown"],
    ["no-such-thing", {}, "control-invalid"],
    ["__proto__", {}, "control-invalid"],
  ])("%s %j is refused before anything is done: %s", async (route, body, code) => {
    await bench.open();
    await expect(ask(route, body)).rejects.toMatchObject({ code, exitCode: code === "control-invalid" ? 76 : 64 });
    expect(bench.asked).toEqual([]);
    expect(bench.defects).toEqual([]);
  });

  test("refusals have a status of their own, with code, message, hint and exit code", async () => {
    const refusal = daemonError("config-wrong", "reading the configuration x: 2 problems");
    await bench.open({ reload: () => Promise.reject(refusal) });
    await expect(ask("reload")).rejects.toMatchObject({
      ...{ code: "config-wrong", message: refusal.message, hint: refusal.hint, exitCode: 78, disposition: "operator" },
    });
    expect(await bench.say(post("reload", ""))).toMatch(/^HTTP\/1\.1 422 /);
    expect(await bench.say(post("pause", '{"replica":"x"}'))).toMatch(/^HTTP\/1\.1 404 [\s\S]*"code":"target-unknown"/);
    expect(await bench.say(post("pause", '{"replica":"b"}'))).toMatch(/^HTTP\/1\.1 409 /);
    expect(await bench.say(post("pause", "{"))).toMatch(/^HTTP\/1\.1 400 [\s\S]*no JSON/);
    expect(await bench.say(GET.replace("GET", "DELETE"))).toMatch(/^HTTP\/1\.1 400 /);
    expect(bench.defects).toEqual([]);
  });

  test("a defect is told to the client and to the daemon's log, and ends nothing", async () => {
    const broken = new TypeError("x is undefined");
    await bench.open({
      ...{ pause: () => Promise.reject(broken), fetchNow: () => ({ asked: 1n, paused: [] }) as never },
      resume: () => {
        throw broken;
      },
    });
    for (const route of ["pause", "resume"])
      await expect(ask(route, { replica: "c" })).rejects.toMatchObject({ code: "bug", exitCode: 70 });
    await expect(ask("fetch-now")).rejects.toMatchObject({ code: "bug" }); // it cannot be said in JSON.
    expect(bench.defects).toEqual([broken, broken, expect.any(TypeError)]);
    expect(await askStatus()).toBeDefined();
  });

  test("two reloads at once are one", async () => {
    const finishes: ((value: { changes: string[] }) => void)[] = [];
    await bench.open({ reload: () => new Promise((resolve) => void finishes.push(resolve)) });
    const both = [await bench.dial(), await bench.dial()];
    await until(() => clock.timerCount === both.length);
    for (const each of both) each.write(post("reload", ""));
    await until(() => clock.timerCount === 0); // both are being worked on.
    expect(finishes).toHaveLength(1);
    finishes[0]?.({ changes: ["x"] });
    for (const each of both) expect(await readAll(each)).toMatch(/^HTTP\/1\.1 200 [\s\S]*\["x"\]/);
    const third = ask("reload");
    await until(() => finishes.length === 2);
    finishes[1]?.({ changes: [] });
    expect(await third).toEqual({ changes: [] });
  });
});

describe("a client that means no good", () => {
  const isWell = async (): Promise<void> => {
    expect(await askStatus()).toMatchObject({ pid: STATUS.pid });
    expect(bench.defects).toEqual([]);
  };

  test.each([
    ["garbage", "\x00\xff\x16\x03\x01garbage\r\n\r\n", /^HTTP\/1\.1 400 /],
    ["headers without end", `GET /v1/status HTTP/1.1\r\nX: ${"x".repeat(100_000)}`, /^HTTP\/1\.1 431 /],
    ["many headers", `GET /v1/status HTTP/1.1\r\n${"a: b\r\n".repeat(5_000)}`, /^HTTP\/1\.1 431 /],
    ["a path without end", `GET /${"x".repeat(100_000)}`, /^HTTP\/1\.1 431 /],
    ["a body that is too large", post("pause", "x".repeat(CONTROL_LIMITS.bodyBytesMax + 1)), /^HTTP\/1\.1 413 /],
    [
      "a body without end",
      `POST /v1/pause HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${`1000\r\n${"x".repeat(4096)}\r\n`.repeat(5)}`,
      /^HTTP\/1\.1 413 /,
    ],
    ["two lengths", GET.replace("\r\n\r\n", "\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), /^HTTP\/1\.1 400 /],
    ["a number without end", post("explain", `{"mailbox":"a","uid":1e999}`), /^HTTP\/1\.1 400 /],
    ["JSON without end", post("pause", "[".repeat(8_000)), /^HTTP\/1\.1 400 /],
    ["no HTTP of ours", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", /^HTTP\/1\.1 400 |^$/],
    ["a tunnel", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", /^$/],
    ["an empty line", "\r\n\r\n\r\nX\r\n\r\n", /^HTTP\/1\.1 400 /],
  ])("%s", async (_, bytes, answer) => {
    await bench.open();
    expect(await bench.say(bytes)).toMatch(answer);
    await isWell();
  });

  test("a second request on one connection is not served", async () => {
    await bench.open();
    const pause = post("pause", '{"replica":"c"}');
    expect(await bench.say(pause + pause.replace("pause", "resume"))).toMatch(/^HTTP\/1\.1 200 /);
    expect(bench.asked).toEqual([["pause", { store: "mail", replica: "c" }]]);
    await isWell();
  });

  test.each([
    ["says nothing", ""],
    ["stops in the middle of a line", "GET /v1/sta"],
    ["stops in the middle of the headers", "GET /v1/status HTTP/1.1\r\nHost: x\r\n"],
    ["stops in the middle of the body", post("pause", '{"replica":"c"}').slice(0, -3)],
  ])("who %s is heard no longer when time is up", async (_, bytes) => {
    await bench.open();
    const silent = await bench.dial();
    silent.write(bytes);
    await isWell();
    await until(() => clock.timerCount === 1);
    const answer = readAll(silent);
    await clock.advance(CONTROL_LIMITS.requestMsMax - 1);
    expect(silent.closed).toBe(false);
    await clock.advance(1);
    expect(await answer).toBe("");
    expect(bench.asked).toEqual([]);
    await isWell();
  });

  test("who does not read the answer does not keep it for long", async () => {
    const words = "x".repeat(8 * 1024 * 1024);
    let isAsked = false;
    const reload = async () => {
      isAsked = true;
      return { changes: [words] };
    };
    await bench.open({ reload });
    const deaf = await bench.dial();
    deaf.write(post("reload", ""));
    await until(() => isAsked);
    await isWell(); // the answer is on its way by then.
    await clock.advance(CONTROL_LIMITS.answerMsMax);
    expect((await readAll(deaf)).length).toBeLessThan(words.length);
    await isWell();
  });

  test("who goes away has his work stopped, and is missed by nobody", async () => {
    const signals: AbortSignal[] = [];
    const never = (_: unknown, signal: AbortSignal) => {
      signals.push(signal);
      return new Promise<never>((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    };
    await bench.open({ explain: never });
    const dying = await bench.dial();
    dying.write(post("explain", '{"mailbox":"a","uid":1}'));
    await until(() => signals.length === 1);
    await clock.advance(3_600_000); // work may take its time.
    expect(signals[0]?.aborted).toBe(false);
    dying.destroy();
    await until(() => signals[0]?.aborted === true);
    await isWell();
  });

  test("a crowd that says nothing keeps nobody out, and is no larger than it may be", async () => {
    await bench.open();
    const crowd = await Promise.all(Array.from({ length: CONTROL_LIMITS.connectionsMax * 3 }, () => bench.dial()));
    for (const each of crowd) each.resume();
    await isWell();
    await until(() => crowd.filter(({ closed }) => !closed).length < CONTROL_LIMITS.connectionsMax);
    expect(clock.timerCount).toBeLessThanOrEqual(CONTROL_LIMITS.connectionsMax);
  });

  test("whoever has something done is not pushed out by a crowd", async () => {
    const finishes: ((value: { changes: string[] }) => void)[] = [];
    await bench.open({ reload: () => new Promise((resolve) => void finishes.push(resolve)) });
    const asked = ask("reload");
    await until(() => finishes.length === 1);
    await Promise.all(Array.from({ length: CONTROL_LIMITS.connectionsMax * 2 }, () => bench.dial()));
    await isWell();
    finishes[0]?.({ changes: ["done"] });
    expect(await asked).toEqual({ changes: ["done"] });
  });

  test("connections that stand are ended with the server", async () => {
    const server = await bench.open();
    const standing = await bench.dial();
    await until(() => clock.timerCount === 1);
    await server[Symbol.asyncDispose]();
    expect(await readAll(standing)).toBe("");
    expect(existsSync(bench.place.path)).toBe(false);
  });
});

describe("the socket", () => {
  /** As a process that was killed leaves it. */
  async function leaveStale(): Promise<void> {
    mkdirSync(dirname(bench.place.path), { recursive: true });
    const server = createServer().listen(`${bench.place.path}.dying`);
    await once(server, "listening");
    renameSync(`${bench.place.path}.dying`, bench.place.path);
    server.close();
    await once(server, "close");
  }

  test.each([0o000, 0o022, 0o777])(
    "is for user and group of the daemon, its directory to be passed, under umask %o",
    async (umask) => {
      const before = process.umask(umask);
      await bench.open().finally(() => process.umask(before));
      const { mode, uid, gid } = statSync(bench.place.path);
      expect([mode & 0o7777, uid, gid]).toEqual([0o660, process.geteuid?.(), process.getegid?.()]);
      expect(statSync(dirname(bench.place.path)).mode & 0o7777).toBe(0o755);
      expect(readdirSync(dirname(bench.place.path))).toEqual(["control.sock"]);
    },
  );

  test("of a daemon that was killed is replaced", async () => {
    await leaveStale();
    await expect(askStatus()).rejects.toThrow(coded("daemon-not-running", "ECONNREFUSED") as Error);
    await bench.open();
    expect(await askStatus()).toMatchObject({ pid: STATUS.pid });
  });

  test("of a daemon that lives is not", async () => {
    await bench.open();
    await expect(bench.open()).rejects.toThrow(coded("address-in-use", "another process answers there") as Error);
    expect(await askStatus()).toMatchObject({ pid: STATUS.pid });
  });

  test("is put in the place of nothing else", async () => {
    mkdirSync(dirname(bench.place.path));
    writeFileSync(bench.place.path, "precious");
    await expect(bench.open()).rejects.toThrow(coded("listen-failed", "something else stands there") as Error);
  });

  test("is not put where others could exchange it, or where there is nothing", async () => {
    const open = join(bench.dir, "open");
    mkdirSync(open);
    chmodSync(open, 0o777);
    await expect(bench.open({}, join(open, "control.sock"))).rejects.toThrow(coded("control-unusable") as Error);
    const nowhere = join(bench.dir, "no", "where", "control.sock");
    await expect(bench.open({}, nowhere)).rejects.toThrow(coded("control-unusable", "ENOENT") as Error);
  });
});
