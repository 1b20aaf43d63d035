/** Ends of TLS links that a test plays itself: with any key, and saying anything. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import { ADMISSION } from "../../../src/wire/admission.js";
import type { SiteKey } from "../../../src/wire/keys.js";
import { tlsOptionsOf } from "../../../src/wire/tls-options.js";

const HOST = "127.0.0.1";

/** Dials a listener, says `bytes`, and returns all that is said until the connection is closed. */
export async function dialAs(key: SiteKey, port: number, bytes: Uint8Array): Promise<Buffer> {
  const socket = connect({ ...tlsOptionsOf(key), host: HOST, port });
  const said: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => said.push(chunk));
  await once(socket, "secureConnect");
  socket.write(bytes);
  if (!socket.closed) await once(socket, "close");
  return Buffer.concat(said);
}

export interface FakeListener extends AsyncDisposable {
  readonly address: string;
  /** What those who dialled have said. */
  readonly heard: readonly Buffer[];
}

/** Lets everybody in and says `bytes`. */
export async function listenAs(key: SiteKey, bytes: Uint8Array): Promise<FakeListener> {
  const heard: Buffer[] = [];
  const server = createServer({ ...tlsOptionsOf(key), requestCert: true }, (socket) => {
    socket.on("error", () => undefined); // the other end hangs up: that is the point.
    socket.on("data", (chunk: Buffer) => heard.push(chunk));
    socket.write(Buffer.concat([Buffer.of(ADMISSION.admitted), bytes]));
  });
  server.on("tlsClientError", () => undefined);
  server.listen(0, HOST);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: `tls://${HOST}:${port}`,
    heard,
    [Symbol.asyncDispose]: async () => {
      server.close();
    },
  };
}
