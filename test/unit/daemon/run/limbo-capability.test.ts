/** A build that does not know of limbos is asked for none, since it would end the link: whoever asks is told so. */
import type { Duplex } from "node:stream";
import { afterEach, expect, test } from "vitest";
import { RemoteLimbo } from "../../../../src/agent/remote-limbo.js";
import { askOver, serveSums } from "../../../../src/agent/sums-link.js";
import { systemClock } from "../../../../src/base/clock.js";
import { MetLink } from "../../../../src/daemon/run/met-link.js";
import {
  greetingPassedOn,
  OUR_GREETING,
  OUR_GREETING_HERE,
  openAgreedLink,
} from "../../../../src/daemon/run/open-link.js";
import { WatchedLink } from "../../../../src/daemon/run/watched-link.js";
import { type Greeting, greet, greetingOf } from "../../../../src/wire/greeting.js";
import type { Link } from "../../../../src/wire/link.js";
import { openMemoryLink } from "../../../../src/wire/memory-link.js";
import { openSocketPair } from "../../../contract/socket-pair.js";
import { storeSide } from "../../resync/store-side.js";

const OLD = greetingOf(["deflate"], "mailtwin of before");
const stop = new AbortController();
const streams: Duplex[] = [];

afterEach(() => {
  for (const stream of streams.splice(0)) stream.destroy();
});

/** Of a source and a replica that have greeted each other so. */
async function linksOf(ours: Greeting, theirs: Greeting): Promise<{ source: Link; replica: Link }> {
  const pair = await openSocketPair();
  streams.push(...pair);
  const open = async (stream: Duplex, greeting: Greeting): Promise<Link> => {
    const ports = { stream, clock: systemClock, peer: "the other end" };
    return openAgreedLink(ports, await greet(ports, greeting, stop.signal));
  };
  const [source, replica] = await Promise.all([open(pair[0], ours), open(pair[1], theirs)]);
  return { source, replica };
}

/** What a replica answers that has an empty limbo, and knows of it. */
async function pageOver({ source, replica }: { source: Link; replica: Link }) {
  const empty = async () => ({ rows: [], more: false });
  const limbo = { page: empty, files: async () => ({ files: [], more: false }), parts: async () => [] };
  serveSums(replica, storeSide("/nowhere"), stop.signal, limbo).catch(() => undefined);
  await using asked = askOver(source, "b", systemClock);
  return await new RemoteLimbo(asked.asker).page(undefined, stop.signal);
}

test.each<[string, Greeting, Greeting]>([
  ["of this release, over ssh or TLS", OUR_GREETING, OUR_GREETING],
  ["of this release, here", OUR_GREETING_HERE, OUR_GREETING],
])("two ends %s", async (_what, ours, theirs) => {
  expect(await pageOver(await linksOf(ours, theirs))).toEqual({ rows: [], more: false });
});

test("two ends in one process have said nothing, and know all", async () => {
  expect(await pageOver(openMemoryLink())).toEqual({ rows: [], more: false });
});

test.each<[string, (link: Link) => Link]>([
  ["as it is", (link) => link],
  ["as a daemon holds it", (link) => new WatchedLink(link)],
])("an older replica is not asked, and its link goes on (%s)", async (_what, held) => {
  const { source, replica } = await linksOf(OUR_GREETING, OLD);
  await expect(pageOver({ source: held(source), replica })).rejects.toMatchObject({
    code: "compared-unsupported",
    message: expect.stringMatching(/older release, which cannot tell of it over a link \(undelete on that host can\)/),
  });
});

test("who passes a link on says what the other end can, and not that it unpacks it; the replica's end knows as well", async () => {
  expect(greetingPassedOn({ capabilities: new Set(["deflate", "limbo"]), protocol: 4, software: "" })).toEqual(
    OUR_GREETING_HERE,
  );
  expect(greetingPassedOn({ capabilities: new Set(["deflate"]), protocol: 4, software: "" }).capabilities).toEqual([]);
  const { replica } = await linksOf(OUR_GREETING, OUR_GREETING);
  expect(new MetLink(replica, systemClock).capabilities).toEqual(new Set(["deflate", "limbo"]));
});
