/** A reload that is refused for an address or for this host's key changes nothing: neither a listener nor a link, nor anything else. */
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { expect, test } from "vitest";
import { EXPIRED, freePort, openTlsDaemons, replicaText, shownAt, sourceText, type TlsDaemons } from "./tls-daemons.js";

const GOES_ON = "Nothing of the new configuration is in force";

async function occupy(host: string, port: number): Promise<Server & AsyncDisposable> {
  const server = createServer().listen({ host, port });
  await once(server, "listening");
  return Object.assign(server, { [Symbol.asyncDispose]: async () => void (await once(server.close(), "close")) });
}

/** Both run, and are linked by TLS. */
async function link(lab: TlsDaemons, port: number): Promise<void> {
  lab.a.configure(sourceText(lab, port));
  lab.b.configure(replicaText(lab, { listen: [`127.0.0.1:${port}`] }));
  await lab.b.start();
  await lab.a.start();
  await lab.b.process.waitFor("its source", ({ msg }) => msg === "source-connected");
  await lab.a.process.waitFor(
    "its replica to be live",
    ({ msg, state }) => msg === "replica-state" && state === "live",
  );
}

function linkEvents({ a, b }: TlsDaemons): unknown[] {
  const isOfLinks = ({ msg }: { readonly msg: string }) =>
    /^(source-connected|source-gone|replica-state|replica-failed|listening)$/.test(msg);
  return [...a.process.events, ...b.process.events].filter(isOfLinks);
}

test("with an expired certificate is refused, and cuts no link; one with a renewed one neither", {
  timeout: 60_000,
}, async () => {
  await using lab = await openTlsDaemons();
  const { a, b } = lab;
  const port = await freePort();
  await link(lab, port);
  const before = linkEvents(lab);
  const shown = await shownAt(port);

  await b.certificateOf(EXPIRED);
  const check = await b.run("config", "check");
  expect(check).toMatchObject({ code: 78, err: expect.stringContaining("(key-expired)") });
  const refused = await b.run("reload");
  expect(refused).toMatchObject({ code: 78, out: "", err: expect.stringContaining("(key-expired)") });
  expect(refused.err).toContain("b-tls.toml:4:");
  expect(await shownAt(port)).toBe(shown);
  expect((await b.run("status")).out).toContain("(key-expired)");
  expect(linkEvents(lab)).toEqual(before);

  const renewed = await b.certificateOf(0);
  expect(await b.run("reload")).toMatchObject({ code: 0, out: expect.stringMatching(/: it was renewed\n$/) });
  expect(await shownAt(port)).not.toBe(shown);
  expect(renewed.name).toBe(b.key.name);
  expect((await b.run("status")).out).toContain("all is well");
  expect(linkEvents(lab)).toEqual(before);
  await a.process.stop();
  await b.process.stop();
});

test("with an address that is taken puts nothing in force, and says so; tried again, all of it", {
  timeout: 60_000,
}, async () => {
  await using lab = await openTlsDaemons();
  const { a, b } = lab;
  const port = await freePort();
  await link(lab, port);
  const before = linkEvents(lab);
  const taken = await freePort();
  const listen = [`127.0.0.1:${port}`, `127.0.0.1:${taken}`];
  b.configure(`${replicaText(lab, { listen })}[peer.c]\n`);
  {
    await using _other = await occupy("127.0.0.1", taken);
    const refused = await b.run("reload");
    expect(refused).toMatchObject({ code: 69, out: "", err: expect.stringContaining(GOES_ON) });
    expect((await b.run("status")).out).toContain(GOES_ON);
    expect(linkEvents(lab)).toEqual(before);
    expect(b.process.events.filter(({ msg }) => msg === "listening-failed")).toMatchObject([
      { code: "address-in-use" },
    ]);
  }
  const done = await b.run("reload");
  expect(done).toMatchObject({ code: 0, out: "listen is different\npeer c is new\n" });
  await shownAt(taken);
  expect((await b.run("status")).out).toContain("all is well");
  await a.process.stop();
  await b.process.stop();
});

test("takes an address in which the former one stands in the way, and goes back to that if it cannot", {
  timeout: 60_000,
}, async () => {
  await using lab = await openTlsDaemons();
  const { a, b } = lab;
  const port = await freePort();
  await link(lab, port);
  const mark = b.process.events.length;
  b.configure(replicaText(lab, { listen: [`0.0.0.0:${port}`] }));
  {
    await using _other = await occupy("127.0.0.2", port);
    expect(await b.run("reload")).toMatchObject({ code: 69, err: expect.stringContaining(GOES_ON) });
    await b.process.waitFor("its source again", ({ msg }) => msg === "source-connected", mark);
  }
  const again = b.process.events.length;
  expect(await b.run("reload")).toMatchObject({ code: 0, out: "listen is different\n" });
  const listening = b.process.events.slice(again).filter(({ msg }) => msg === "listening");
  expect(listening).toMatchObject([{ address: `tls://0.0.0.0:${port}` }]);
  await b.process.waitFor("its source once more", ({ msg }) => msg === "source-connected", again);
  await a.process.stop();
  await b.process.stop();
});

test("of a host that only dials is refused with an expired certificate; one that runs out earlier is called that", {
  timeout: 60_000,
}, async () => {
  await using lab = await openTlsDaemons();
  const { a } = lab;
  a.configure(sourceText(lab, await freePort()));
  await a.start();
  await a.certificateOf(EXPIRED);
  expect(await a.run("reload")).toMatchObject({ code: 78, out: "", err: expect.stringContaining("(key-expired)") });
  await a.certificateOf(1_000);
  const older = await a.run("reload");
  expect(older).toMatchObject({
    code: 0,
    out: expect.stringMatching(/ is another, which runs out earlier: on 2\S+Z\n$/),
  });
  await a.certificateOf(0);
  expect((await a.run("reload")).out).toMatch(/ is another: it was renewed\n$/);
  await a.process.stop();
});
