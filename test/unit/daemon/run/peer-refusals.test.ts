/** Who was refused as it dialled in stands in the status of the host that refuses, until it is let in. */
import { describe, expect, test } from "vitest";
import { type Config, makeConfig } from "../../../../src/daemon/config/config.js";
import { configSchema } from "../../../../src/daemon/config/schema.js";
import { PeerRefusals } from "../../../../src/daemon/run/peer-refusals.js";
import { routeOf } from "../../../../src/daemon/run/route.js";
import { wireError } from "../../../../src/wire/errors.js";
import type { KeyName } from "../../../../src/wire/key-name.js";
import { NO_SOURCE, type Opening } from "../../../../src/wire/opening.js";
import { FakeClock } from "../../../fake-clock.js";
import { makeSiteKey } from "../../wire/site-keys.js";
import { freePort, openTlsDaemons, replicaText, sourceText, type TlsDaemon } from "./tls-daemons.js";

const MINUTE_MS = 60_000;
const KEY = (letter: string) => `sha256:${letter.repeat(42)}A=` as KeyName;

function configOf(peers: Record<string, unknown>): Config {
  const store = { mail: { path: "/mail", source: { peer: "a" } }, two: { path: "/two", source: { peer: "a" } } };
  return makeConfig(configSchema.parse({ peer: peers, store }), { stateDir: "/state", control: "/control" });
}

const WITHOUT_RIGHT = configOf({ a: { key: KEY("A") }, c: { key: KEY("C") } });
const WITH_RIGHT = configOf({ a: { key: KEY("A"), may_write: ["mail"] }, c: { key: KEY("C") } });
const PROOF = { peer: "a", key: KEY("A") };

const asks = (store: string, peer = ""): Opening => ({
  ...{ role: "source", peer, ...NO_SOURCE },
  target: { kind: "store", store },
});

function refuse(
  refusals: PeerRefusals,
  opening: Opening,
  proof: typeof PROOF | undefined,
  config = WITHOUT_RIGHT,
): void {
  try {
    routeOf(config, opening, proof);
  } catch (error) {
    refusals.noteAsked(error, opening, proof, config);
    return;
  }
  throw new Error("it is let in");
}

describe("a known peer that is refused", () => {
  test("needs a person, since it was refused first, and until it is let in, or for some minutes", async () => {
    const clock = new FakeClock();
    const refusals = new PeerRefusals(clock);
    const firstMs = clock.nowMs();
    refuse(refusals, asks("mail"), PROOF);
    await clock.advance(MINUTE_MS);
    refuse(refusals, asks("mail"), PROOF);
    refuse(refusals, asks("two"), PROOF);
    expect(refusals.troubles).toMatchObject([
      { code: "no-right", level: "needs-you", sinceMs: firstMs, words: expect.stringContaining('store "mail"') },
      { code: "no-right", level: "needs-you", words: expect.stringContaining('store "two"') },
    ]);
    refusals.letIn(asks("mail"), PROOF);
    expect(refusals.troubles).toMatchObject([{ words: expect.stringContaining('store "two"') }]);
    await clock.advance(5 * MINUTE_MS);
    expect(refusals.troubles).toHaveLength(1);
    await clock.advance(1);
    expect(refusals.troubles).toEqual([]);
  });

  test("is judged anew by another configuration", () => {
    const refusals = new PeerRefusals(new FakeClock());
    for (const store of ["mail", "two"]) refuse(refusals, asks(store), PROOF);
    refusals.judgeAnew(WITHOUT_RIGHT);
    expect(refusals.troubles).toHaveLength(2);
    refusals.judgeAnew(WITH_RIGHT);
    expect(refusals.troubles).toMatchObject([{ words: expect.stringContaining('store "two"') }]);
    refusals.judgeAnew(configOf({ c: { key: KEY("C") }, a: { key: KEY("B"), may_write: ["two"] } }));
    expect(refusals.troubles).toHaveLength(1); // what was shown is its key no longer.
  });

  test("by its certificate: until it shows another one, or its key is another", () => {
    const refusals = new PeerRefusals(new FakeClock());
    const expire = () => refusals.noteShown(wireError("key-expired", "accepting a"), { key: KEY("A"), peerName: "a" });
    expire();
    expire();
    expect(refusals.troubles).toMatchObject([{ code: "key-expired", level: "needs-you" }]);
    refuse(refusals, asks("mail"), PROOF); // it comes so far only by one that is valid.
    expect(refusals.troubles).toMatchObject([{ code: "no-right" }]);
    refusals.letIn(asks("mail"), PROOF);
    expire();
    refusals.letIn(asks("mail"), PROOF);
    expect(refusals.troubles).toEqual([]);
    expire();
    refusals.judgeAnew(WITH_RIGHT);
    expect(refusals.troubles).toHaveLength(1);
    refusals.judgeAnew(configOf({ a: { key: KEY("B") }, c: { key: KEY("C") } }));
    expect(refusals.troubles).toEqual([]);
  });

  test("makes a bounded number of troubles; one that says it is somebody else none", () => {
    const refusals = new PeerRefusals(new FakeClock());
    for (let i = 0; i < 1_000; i++) refuse(refusals, asks(`made up ${i}`), PROOF);
    expect(refusals.troubles).toHaveLength(8);
    for (let i = 0; i < 1_000; i++) refuse(refusals, asks("mail", `nobody ${i}`), undefined);
    expect(refusals.troubles).toHaveLength(8);
    refuse(refusals, asks("mail", "c"), undefined); // over a socket whose directory says who may come.
    expect(refusals.troubles).toHaveLength(9);
  });
});

describe("a peer that crowds the door", () => {
  const error = wireError("link-crowded", 'accepting a: more than 9 conversations of "a"');

  test("heals for a minute, then needs a person, and is over when it has not done it for some", async () => {
    const clock = new FakeClock();
    const refusals = new PeerRefusals(clock);
    const sinceMs = clock.nowMs();
    const hint = expect.stringMatching(/^No other peer is held up\. .* on the host of "a"/);
    const trouble = { code: "link-crowded", words: error.message, hint, sinceMs };
    expect(refusals.noteCrowd(error, "a")).toEqual({ ...trouble, level: "healing" });
    await clock.advance(MINUTE_MS - 1);
    for (let i = 0; i < 1_000; i++) expect(refusals.noteCrowd(error, "a")).toBeUndefined();
    expect(refusals.troubles).toEqual([{ ...trouble, level: "healing" }]);
    await clock.advance(1);
    expect(refusals.noteCrowd(error, "a")).toEqual({ ...trouble, level: "needs-you" });
    expect(refusals.noteCrowd(error, "a")).toBeUndefined();
    expect(refusals.troubles).toEqual([{ ...trouble, level: "needs-you" }]);
    await clock.advance(5 * MINUTE_MS + 1);
    expect(refusals.troubles).toEqual([]);
    expect(refusals.noteCrowd(error, "a")).toMatchObject({ level: "healing" });
  });

  test("is told beside its refusals, of which it may have filled the room, until no peer has its name", () => {
    const refusals = new PeerRefusals(new FakeClock());
    for (let i = 0; i < 20; i++) refuse(refusals, asks(`made up ${i}`), PROOF);
    refusals.noteCrowd(error, "a");
    expect(refusals.troubles).toHaveLength(9);
    refusals.judgeAnew(WITHOUT_RIGHT);
    expect(refusals.troubles).toHaveLength(9);
    refusals.judgeAnew(configOf({ c: { key: KEY("C") } }));
    expect(refusals.troubles).toEqual([]);
  });
});

test("of strangers the keys of the last three are kept, for some minutes, or until they are known", async () => {
  const clock = new FakeClock();
  const refusals = new PeerRefusals(clock);
  const come = (letter: string) =>
    refusals.noteShown(wireError("peer-unknown", "accepting"), { key: KEY(letter), peerName: undefined });
  for (const letter of ["X", "A", "Y", "X", "Z"]) come(letter);
  expect(refusals.strangers).toEqual([KEY("Z"), KEY("X"), KEY("Y")]);
  come("A");
  refusals.judgeAnew(WITH_RIGHT);
  expect(refusals.strangers).toEqual([KEY("Z"), KEY("X")]);
  await clock.advance(5 * MINUTE_MS + 1);
  expect(refusals.strangers).toEqual([]);
  expect(refusals.troubles).toEqual([]);
});

/** Asks again and again: what is waited for in vain ends with the time of the test. */
async function untilStatus(daemon: TlsDaemon, fits: (status: string) => boolean): Promise<string> {
  for (;;) {
    const { out } = await daemon.run("status");
    if (fits(out)) return out;
    if (!daemon.process.isRunning) throw new Error(`the daemon has ended; ${daemon.process.tail()}`);
  }
}

test("the status of the host that refuses says so: of an unknown key, of a peer without a right, and no more when it is let in", {
  timeout: 60_000,
}, async () => {
  await using lab = await openTlsDaemons();
  const { a, b } = lab;
  const port = await freePort();
  const listen = [`127.0.0.1:${port}`];
  const former = await makeSiteKey();
  a.configure(sourceText(lab, port));
  b.configure(replicaText(lab, { listen, key: former.name }));
  await b.start();
  await a.start();
  const stranger = await untilStatus(b, (status) => status.includes(a.key.name));
  expect(stranger).toMatch(/^healing/m);
  expect(stranger).toMatch(/waiting for a: .* whose key no peer has \(peer-unknown\): sha256:/);

  b.configure(replicaText(lab, { listen, store: "other" }));
  expect(await b.run("reload")).toMatchObject({ code: 0 });
  await a.run("fetch-now");
  const refused = await untilStatus(b, (status) => status.includes("may_write"));
  expect(refused).toContain("needs you");
  expect(refused).toContain('serving "a": it may not send to the store "mail"');
  expect(refused).not.toContain("no peer has");
  expect((await b.run("status", "--check")).code).toBe(1);

  b.configure(replicaText(lab, { listen }));
  expect(await b.run("reload")).toMatchObject({ code: 0 });
  expect((await b.run("status")).out).not.toContain("may_write");
  await a.run("fetch-now");
  await untilStatus(b, (status) => status.includes("all is well"));
  await a.process.stop();
  await b.process.stop();
});
