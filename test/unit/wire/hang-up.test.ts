/** Whether a stream that nobody reads from is still held by its other end. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { onHangUp } from "../../../src/wire/carrier.js";
import { openSocketPair } from "../../contract/socket-pair.js";
import { turns } from "../../turns.js";

let mine: Socket;
let theirs: Socket;
let told: number;
const tell = () => {
  told += 1;
};

beforeEach(async () => {
  [mine, theirs] = await openSocketPair();
  mine.pause();
  told = 0;
});

afterEach(() => {
  for (const socket of [mine, theirs]) socket.destroy();
});

test.each([
  ["ends", () => theirs.end()],
  ["is destroyed", () => theirs.destroy()],
] as const)("tells once when the other end %s", async (_, go) => {
  onHangUp(mine, tell);
  await turns(5);
  expect(told).toBe(0);
  go();
  await once(mine, "close");
  expect(told).toBe(1);
});

test("tells at once of a stream that is gone already", async () => {
  mine.destroy();
  await once(mine, "close");
  onHangUp(mine, tell);
  expect(told).toBe(1);
});

test("takes nothing, and lets go: what comes is for whoever reads then", async () => {
  const forget = onHangUp(mine, tell);
  theirs.write("abc");
  await once(mine, "readable");
  forget();
  const read: string[] = [];
  mine.on("data", (bytes: Buffer) => read.push(bytes.toString()));
  theirs.end("def");
  await once(mine, "end");
  expect([read.join(""), told]).toStrictEqual(["abcdef", 0]);
});
