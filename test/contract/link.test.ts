/** The carriers of a link: the process itself, a socket, the pipes of a child process, and what two hosts have between them. */
import { Duplex, PassThrough } from "node:stream";
import { afterAll } from "vitest";
import { systemClock } from "../../src/base/clock.js";
import { openCompressed } from "../../src/wire/compressed.js";
import { openMemoryLink } from "../../src/wire/memory-link.js";
import { openStreamLink } from "../../src/wire/stream-link.js";
import { openSshPairs, openTlsPairs, openUnixPairs, type PairSource } from "./carrier-pairs.js";
import { describeLink, type LinkEnds } from "./link.js";
import { openSocketPair } from "./socket-pair.js";

describeLink("memory", async () => openMemoryLink());

describeLink("socket", async () => linkOver(await openSocketPair()));

/** Each way a stream of its own, as with the pipes of a child process. */
describeLink("pipes", async () => {
  const [down, up] = [new PassThrough(), new PassThrough()];
  return linkOver([Duplex.from({ readable: up, writable: down }), Duplex.from({ readable: down, writable: up })]);
});

describeLink("socket, compressed", async () => {
  const [a, b] = await openSocketPair();
  return linkOver([openCompressed(a, systemClock), openCompressed(b, systemClock)]);
});

for (const [name, openPairs] of [
  ["TLS", openTlsPairs],
  ["unix", openUnixPairs],
  ["ssh", openSshPairs],
] as const) {
  let pairs: PairSource | undefined;
  afterAll(() => pairs?.[Symbol.asyncDispose]());
  describeLink(name, async () => {
    pairs ??= await openPairs();
    return linkOver(await pairs.open());
  });
}

function linkOver([a, b]: readonly [Duplex, Duplex]): LinkEnds {
  const [source, replica] = [
    openStreamLink({ stream: a, clock: systemClock, peer: "the replica" }),
    openStreamLink({ stream: b, clock: systemClock, peer: "the source" }),
  ];
  return { source, replica };
}
