/** A question to a daemon that others keep busy: the system takes no more connections to its socket. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import * as z from "zod";
import { errnoOf } from "../../../../src/base/errors.js";
import { askDaemon } from "../../../../src/daemon/control/control-client.js";

/** Somebody who answers all with `{}`, once something comes at its standard input; until then the queue of its socket is full. */
async function openBusy(path: string): Promise<ChildProcessByStdio<Writable, Readable, null>> {
  const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
  const program = `
    const { createServer } = require("node:net");
    const server = createServer((socket) => socket.on("error", () => undefined).end(${JSON.stringify(answer)}));
    server.listen({ path: ${JSON.stringify(path)}, backlog: 1 }, () => {
      require("node:fs").writeSync(1, "there");
      require("node:fs").readSync(0, Buffer.alloc(1));
    });`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  for (let isFull = false; !isFull; ) {
    const socket = connect(path);
    isFull = await once(socket, "connect").then(
      () => false,
      (error: unknown) => errnoOf(error) === "EAGAIN",
    );
    socket.on("error", () => undefined);
    onTestFinished(() => void socket.destroy());
  }
  return child;
}

test("is asked for a while, and said then to have asked for nothing", async () => {
  const dir = mkdtempSync(join(tmpdir(), "mtl-busy-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const place = { path: join(dir, "s"), foundBy: "as the test says" };
  const child = await openBusy(place.path);
  const ask = (busyMsMax?: number) => {
    const more = busyMsMax === undefined ? {} : { busyMsMax };
    return askDaemon(place, { method: "GET", route: "status", answer: z.unknown(), ...more });
  };
  await expect(ask(0)).rejects.toMatchObject({
    ...{ code: "control-busy", exitCode: 75, disposition: "retry" },
    message: expect.stringContaining("too many others ask it at once (EAGAIN"),
    hint: expect.stringMatching(/^The daemon is busy with other questions/),
  });
  const asked = ask();
  for (let turn = 0; turn < 20; turn++) await setImmediate(); // it has found no room by then.
  child.stdin.end("x");
  expect(await asked).toEqual({});
});
