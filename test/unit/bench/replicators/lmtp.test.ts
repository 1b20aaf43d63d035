/** Mail goes to LMTP byte for byte, in as many sessions as were asked for, and a refusal is an error. */
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { formatWire, openLmtp } from "../../../../bench/replicators/lmtp.js";
import { tempDir } from "../temp-dir.js";

test("lines end with CRLF, a dot in front is doubled, and a dot ends it", () => {
  const wire = (text: string): string => formatWire(Buffer.from(text, "latin1")).toString("latin1");
  expect(wire(".a\n.\nb.c\r\n..d")).toBe("..a\r\n..\r\nb.c\r\n...d\r\n.\r\n");
  expect(wire("")).toBe("\r\n.\r\n");
  expect(wire("\xff\x00\n")).toBe("\xff\x00\r\n.\r\n");
});

interface FakeServer extends AsyncDisposable {
  readonly path: string;
  readonly connections: () => number;
  readonly messages: readonly string[];
}

/** Accepts everything but messages that say "refuse". */
async function fakeServer(): Promise<FakeServer> {
  const messages: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.write("220 fake\r\n");
    let rest = "";
    let inMessage = false;
    socket.on("data", (piece) => {
      rest += piece.toString("latin1");
      for (;;) {
        const end = rest.indexOf(inMessage ? "\r\n.\r\n" : "\r\n");
        if (end < 0) return;
        const unit = rest.slice(0, end);
        rest = rest.slice(end + (inMessage ? 5 : 2));
        if (inMessage) messages.push(unit);
        socket.write(replyTo(unit, inMessage));
        inMessage = !inMessage && unit === "DATA";
      }
    });
  });
  const path = join(tempDir(), "lmtp");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    messages,
    connections: () => sockets.length,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function replyTo(unit: string, inMessage: boolean): string {
  if (inMessage) return unit.includes("refuse") ? "452 4.2.2 full\r\n" : "250 2.0.0 saved\r\n";
  if (unit === "DATA") return "354 go on\r\n";
  return unit.startsWith("LHLO") ? "250-fake\r\n250 PIPELINING\r\n" : "250 2.1.0 ok\r\n";
}

test("more deliveries than sessions wait for their turn, and each gets its own reply", async () => {
  await using server = await fakeServer();
  await using lmtp = await openLmtp(server.path, { user: "u", sessions: 2 });
  const sent = ["one", "two", "three", "four", "five"];
  await Promise.all(sent.map((text) => lmtp.deliver(Buffer.from(text))));
  expect(server.messages.toSorted()).toEqual(sent.toSorted());
  expect(server.connections()).toBe(2);
});

test("a refused message rejects, and the session goes on", async () => {
  await using server = await fakeServer();
  await using lmtp = await openLmtp(server.path, { user: "u", sessions: 1 });
  await expect(lmtp.deliver(Buffer.from("refuse"))).rejects.toThrow("a message to u: 452 4.2.2 full");
  await lmtp.deliver(Buffer.from("fine"));
  expect(server.messages).toEqual(["refuse", "fine"]);
});
