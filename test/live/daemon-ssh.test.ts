/** Links over a real sshd: the key of a user may run `mailtwin serve --stdio` and nothing else, which pins who comes and what it may have. */
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Sshd, startSshd, whyNoSshd } from "../unit/wire/sshd.js";
import { describeLive } from "./lab/available.js";
import { deliverAll } from "./lab/lmtp.js";
import { runTwin, type TwinRun } from "./lab/mailtwin.js";
import { CLI } from "./sites/daemon-process.js";
import { openSites, type Sites } from "./sites/lab.js";
import { mailFor } from "./sites/mail.js";
import { expectRefusal } from "./twin/small-store.js";

const USERS = ["u1", "u2"];

describeLive("a link over ssh", () => {
  let lab: Sites;
  let sshd: Sshd | undefined;

  beforeAll(async () => {
    if (whyNoSshd() !== undefined) return;
    // sshd is in the network of this machine.
    lab = await openSites({ names: ["a", "b"], users: USERS, network: "loopback" });
    sshd = await startSshd();
    const socket = join(lab.site("b").dir, "link.sock");
    lab.configureReplica("b", "a", { listen: { unix: [socket] }, peer: { a: { may_write: ["mail"] } } });
    const { user, host, port } = sshd.address;
    const replica = { b: { to: `ssh://${user}@${host}:${port}` } };
    lab.site("a").configure({ store: lab.store("a", { replica }) });
    await deliverAll(lab.site("a").dovecot, mailFor(USERS, { seed: 1, count: 10 }));
    await lab.site("b").start();
  });

  beforeEach((context) => {
    const why = whyNoSshd();
    if (why !== undefined) context.skip(why);
    lab.tellWhenFailed();
  });

  afterAll(async () => {
    await sshd?.[Symbol.asyncDispose]();
    if (sshd !== undefined) await lab[Symbol.asyncDispose]();
  });

  function force(peer: string): void {
    sshd?.force(`${process.execPath} ${CLI} serve --stdio --config ${lab.site("b").configPath} --peer ${peer}`);
  }

  /** A directory with an `ssh` that knows this sshd, for the environment of a daemon. */
  function environment(): Readonly<Record<string, string>> {
    const path = join(lab.site("a").dir, "ssh");
    const own = process.env["PATH"] ?? "";
    writeFileSync(path, `#!/bin/sh\nPATH='${own}'\nexec ${sshd?.program.join(" ")} "$@"\n`);
    chmodSync(path, 0o755);
    return { PATH: `${lab.site("a").dir}:${own}` };
  }

  async function syncTo(path: string): Promise<TwinRun> {
    const [{ address, program }, { dir, dovecot }] = [must(sshd), lab.site("a")];
    const there = `env XDG_STATE_HOME=${lab.site("b").dir}/there ${process.execPath} ${CLI}`;
    const flags = ["-e", `${program.join(" ")} -p ${address.port}`, "--remote-mailtwin", there, "--json"];
    const env = { XDG_STATE_HOME: join(dir, "here") };
    return runTwin(["sync", dovecot.store, `${address.user}@${address.host}:${path}`, ...flags], { env });
  }

  test("of a peer without the right is refused, in words on both sides, and so is a directory of its choice", async () => {
    const [a, b] = [lab.site("a"), lab.site("b")];
    force("somebody");
    await a.start(environment());
    const atA = await a.daemon.waitFor("word of the refusal", ({ msg }) => msg === "replica-needs-you");
    expect(atA).toMatchObject({ code: "no-right", message: expect.stringContaining('the store "mail"') });
    const atB = await b.daemon.waitFor("word of the refusal", ({ msg }) => msg === "link-refused");
    expect(atB).toMatchObject({ code: "no-right", message: expect.stringContaining('"somebody"') });
    await a.daemon.stop();

    const elsewhere = join(b.dir, "elsewhere");
    const run = await syncTo(elsewhere);
    expectRefusal(run, "no-right", 77, "it asks for a directory");
    expect(existsSync(elsewhere)).toBe(false);
    expect(existsSync(join(b.stateDir, "stores"))).toBe(false);
  });

  test("of the peer that the key pins: the store is equal, also after the daemon over there was killed", async () => {
    const [a, b] = [lab.site("a"), lab.site("b")];
    force("a");
    await a.start(environment());
    await a.untilReplica("b", "live");
    await deliverAll(a.dovecot, mailFor(USERS, { seed: 100, count: 20 }));
    await lab.settle("a", "b");
    await b.daemon.kill9();
    await deliverAll(a.dovecot, mailFor(USERS, { seed: 200, count: 20 }));
    await b.start();
    await lab.settle("a", "b");
    for (const site of [a, b]) await site.daemon.stop();
  });
});

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("it is not there");
  return value;
}
