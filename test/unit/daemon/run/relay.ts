/**
 * Between two daemons of this host: a source that dials a unix socket, and the replica that listens at another one. What either says passes
 * through the test's hands, which may say something else in its place: a peer that does not keep to the protocol, where it hurts.
 */
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { systemClock } from "../../../../src/base/clock.js";
import { OUR_GREETING_HERE, openAgreedLink, openLink } from "../../../../src/daemon/run/open-link.js";
import { greet } from "../../../../src/wire/greeting.js";
import type { Link } from "../../../../src/wire/link.js";
import type { WireMessage } from "../../../../src/wire/messages.js";
import { letOpen, readOpening } from "../../../../src/wire/opening.js";
import type { TwoDaemons } from "./two-daemons.js";

type Twist = (message: WireMessage) => readonly WireMessage[];

export interface Relay extends AsyncDisposable {
  /** What passes in the place of a message; of each link, from its next message on. */
  toSource: Twist;
  toReplica: Twist;
  /** Links so far. */
  readonly links: number;
}

const same: Twist = (message) => [message];

/** Call it after `two.configure`, and before the source is started. */
export async function openRelay(two: TwoDaemons): Promise<Relay> {
  const stop = new AbortController();
  const { signal } = stop;
  const own = join(two.dir, "relay");
  const before = readFileSync(two.configs.source, "utf8");
  writeFileSync(two.configs.source, before.replace(`unix:${two.dir}/link`, `unix:${own}`));
  const sockets = new Set<Socket>();
  let links = 0;
  const relay = {
    ...{ toSource: same, toReplica: same },
    get links() {
      return links;
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test has ended"));
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
  const pass = async (stream: Socket): Promise<void> => {
    const ports = { stream, clock: systemClock, peer: "a" };
    const agreement = await greet(ports, OUR_GREETING_HERE, signal);
    const opening = await readOpening(ports, signal);
    const address = { kind: "unix", path: join(two.dir, "link") } as const;
    const dial = { address, peer: "b", key: undefined, peerKey: undefined, opening, clock: systemClock };
    const { link: replica } = await openLink(dial, signal);
    letOpen(ports);
    const source = openAgreedLink(ports, agreement);
    links += 1;
    await Promise.allSettled([
      pump(source, replica, (message) => relay.toReplica(message), signal),
      pump(replica, source, (message) => relay.toSource(message), signal),
    ]);
  };
  const server = createServer((stream) => {
    sockets.add(stream);
    stream.on("error", () => undefined); // the daemon hangs up: that is the point.
    stream.once("close", () => sockets.delete(stream));
    pass(stream).catch(() => stream.destroy());
  }).listen(own);
  await once(server, "listening");
  return relay;
}

/** Until one end closes, which closes the other one. */
async function pump(from: Link, to: Link, twist: Twist, signal: AbortSignal): Promise<void> {
  try {
    for await (const message of from.messages(signal)) for (const each of twist(message)) await to.send(each, signal);
  } finally {
    to.close();
    from.close();
  }
}
