/** A listener that is given another key, or another certificate of the same, while it listens. */
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { systemClock, unixMs } from "../../../src/base/clock.js";
import { dialTls } from "../../../src/wire/tls-carrier.js";
import { listenTls, refuseToShow, type TlsArrival } from "../../../src/wire/tls-listener.js";
import { addressOf } from "./address-of.js";
import { makeSiteKey, renewedOf } from "./site-keys.js";

const coded = (code: string, words: string): Error =>
  expect.objectContaining({ code, message: expect.stringContaining(words) }) as Error;

test("shows another key when it is told to, and ends what came by the former; for a renewed one it ends nothing", async () => {
  const [site, peer, other] = await Promise.all([makeSiteKey(), makeSiteKey(), makeSiteKey()]);
  const arrivals: TlsArrival[] = [];
  const ports = {
    ...{ key: site, clock: systemClock, peerNameOf: () => "peer", onRefused: () => undefined },
    onArrival: (arrival: TlsArrival) => void arrivals.push(arrival),
  };
  await using listener = await listenTls({ host: "127.0.0.1", port: 0 }, ports);
  const address = addressOf(listener.address);
  if (address.kind !== "tls") throw new Error("a TLS listener has such an address");
  const dial = (peerKey = site.name): Promise<Duplex> =>
    dialTls({ address, key: peer, peerKey, clock: systemClock }, new AbortController().signal);

  const first = await dial();
  listener.setKey(await renewedOf(site));
  const second = await dial();
  for (const { stream } of arrivals) stream.write("still here");
  for (const stream of [first, second]) expect(String((await once(stream, "data"))[0])).toBe("still here");

  const gone = Promise.all([first, second].map((stream) => once(stream, "close")));
  listener.setKey(other);
  await gone;
  await expect(dial()).rejects.toThrow(coded("peer-key-differs", other.name));
  const third = await dial(other.name);
  expect(arrivals).toHaveLength(3);
  third.destroy();
});

test("what has expired, or what TLS does not take, is refused before it is shown", async () => {
  const [site, stranger] = await Promise.all([makeSiteKey(), makeSiteKey()]);
  expect(() => refuseToShow(site, systemClock)).not.toThrow();
  const mixed = { ...site, privateKey: stranger.privateKey };
  expect(() => refuseToShow(mixed, systemClock)).toThrow(coded("key-unusable", site.name));
  const expired = await makeSiteKey(unixMs(systemClock.nowMs() - 4000 * 86_400_000));
  expect(() => refuseToShow(expired, systemClock)).toThrow(coded("key-expired", "this site"));
});
