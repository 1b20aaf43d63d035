/** Two connected sockets. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export async function openSocketPair(): Promise<readonly [Socket, Socket]> {
  const dir = mkdtempSync(join(tmpdir(), "mtl-sock-"));
  const server = createServer().listen(join(dir, "s"));
  await once(server, "listening");
  const arriving = once(server, "connection") as Promise<[Socket]>;
  const dialled = connect(join(dir, "s"));
  const [[accepted]] = await Promise.all([arriving, once(dialled, "connect")]);
  server.close();
  rmSync(dir, { recursive: true });
  return [dialled, accepted];
}
