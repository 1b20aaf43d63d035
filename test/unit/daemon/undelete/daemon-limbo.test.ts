/** The limbo of a daemon's replica, asked for over the control socket: which replica is meant, and what the daemon is believed. */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { MailtwinError } from "../../../../src/base/errors.js";
import { openDaemonLimbo } from "../../../../src/daemon/undelete/daemon-limbo.js";
import { findFar } from "../../../../src/daemon/undelete/far-limbo.js";
import type { WantedFile } from "../../../../src/daemon/undelete/fetch-limbo.js";
import type { LimboFlags } from "../../../../src/daemon/undelete/find-limbos.js";
import { listFar } from "../../../../src/daemon/undelete/list-far.js";
import { openControlBench } from "../../../contract/control-bench.js";
import { FakeClock } from "../../../fake-clock.js";
import { filledBench } from "../../../live/twin/small-store.js";

const GUID = "0123456789abcdef0123456789abcdef";
const NAME = `2026-11-29/${GUID}.mailbox`;
const ROW = {
  ...{ name: NAME, mailbox: GUID, path: "u1/Maildir/.caf\u00c3\u00a9", uid: 0, base: "", size: 0 },
  ...{ cause: "delete", removedMs: 7, isThere: true },
};
const target = { store: "mail", replica: "c" };
const wanted = (count: number): WantedFile[] =>
  Array.from({ length: count }, (_, at) => ({ name: NAME, file: `cur/${at}\u00ff${"\u0001".repeat(200)}`, size: at }));

test("pages come as they are, and files in questions that the daemon takes", async () => {
  await using control = openControlBench(new FakeClock());
  await control.open({
    limboPage: async () => ({ rows: [ROW as never], more: true }),
    limboFiles: async () => ({ files: [{ file: "cur/1.h:2,S", size: 3 }], more: false }),
  });
  const limbo = openDaemonLimbo(control.place, target);
  expect(await limbo.page({ removedMs: 3, name: "" })).toEqual({ rows: [ROW], more: true });
  expect(await limbo.files(NAME, "")).toEqual({ files: [{ file: "cur/1.h:2,S", size: 3 }], more: false });
  const files = wanted(50);
  for (let at = 0; at < files.length; ) {
    const fetched = await limbo.fetch(files.slice(at));
    expect(fetched.length).toBeGreaterThan(0);
    expect(fetched[0]).toEqual({ why: undefined, sha256: "0".repeat(64), virtualSize: 0 });
    at += fetched.length;
  }
  const asked = control.asked.flatMap((call) => (call as [string, { files: unknown[] }])[1].files);
  expect(asked).toEqual(files);
  expect(control.asked.length).toBeGreaterThan(2);
});

test.each<[string, object]>([
  ["a name with control bytes", { ...ROW, name: `${NAME}\u001b[2J` }],
  ["a path that leads elsewhere", { ...ROW, path: "../../etc" }],
  ["a mailbox that is none", { ...ROW, mailbox: "x" }],
  ["a cause with control bytes", { ...ROW, cause: "\u001b[2J" }],
])("a row with %s is not believed", async (_what, row) => {
  await using control = openControlBench(new FakeClock());
  await control.open({ limboPage: async () => ({ rows: [row as never], more: false }) });
  await expect(openDaemonLimbo(control.place, target).page(undefined)).rejects.toMatchObject({
    code: "control-invalid",
  });
});

test.each<[string, readonly object[]]>([
  ["none", []],
  ["more than were asked for", [{ why: "a" }, { why: "b" }]],
  ["what is no hash", [{ sha256: "x", virtualSize: 1 }]],
])("a daemon that tells of %s is not believed", async (_what, files) => {
  await using control = openControlBench(new FakeClock());
  await control.open({ fetchLimbo: async () => ({ files: files as never }) });
  await expect(openDaemonLimbo(control.place, target).fetch(wanted(1))).rejects.toMatchObject({
    code: "control-invalid",
  });
});

test("words of the other host are shown on one line", async () => {
  await using control = openControlBench(new FakeClock());
  await control.open({ fetchLimbo: async () => ({ files: [{ why: "no\n\u001b[2J" }] }) });
  const [fetched] = await openDaemonLimbo(control.place, target).fetch(wanted(1));
  for (const unsafe of ["\n", "\u001b"]) expect(fetched?.why).not.toContain(unsafe);
});

test("the replica that is named, of the store that has it, and the daemon has to run", async () => {
  using bench = filledBench();
  expect((await bench.sync()).code).toBe(0);
  const [stateDir, config] = [join(bench.dir, "daemon"), join(bench.dir, "mailtwin.toml")];
  cpSync(bench.state, join(stateDir, "stores/mail"), { recursive: true });
  mkdirSync(join(bench.dir, "other"));
  const storeOf = (name: string, path: string, ...replicas: readonly string[]) => [
    `[store.${name}]\npath = "${path}"`,
    ...replicas.map((each) => `[store.${name}.replica.${each}]\npeer = "${each}"`),
  ];
  const peers = ["b", "c"].map((each) => `[peer.${each}]\nmay_read = ["mail", "lists"]`);
  const top = `state_dir = "${stateDir}"\ncontrol = "${join(bench.dir, "run/control")}"\n[listen]\nunix = ["${join(bench.dir, "s")}"]`;
  const stores = [...storeOf("mail", bench.source, "b", "c"), ...storeOf("lists", join(bench.dir, "other"), "c")];
  writeFileSync(config, [top, ...stores, ...peers].join("\n"), { mode: 0o600 });
  const find = (flags: LimboFlags) => findFar(undefined, undefined, { config, ...flags });
  const refused = (flags: LimboFlags): string => {
    try {
      find(flags);
    } catch (error) {
      return `${(error as MailtwinError).code}: ${(error as MailtwinError).message}`;
    }
    return "nothing was refused";
  };
  for (const replica of ["b", "mail/b"])
    expect(find({ replica })).toMatchObject({ store: "mail", from: { kind: "daemon", replica: "b" } });
  expect(find({ replica: "c", store: "mail" })).toMatchObject({ store: "mail", source: bench.source });
  expect(refused({ replica: "c" })).toMatch(/^usage: .*mail, lists each have a replica c: name one with --store/);
  expect(refused({ replica: "x" })).toMatch(/^store-unknown: .*no store of this host has a replica x/);
  expect(refused({ replica: "b", store: "lists" })).toMatch(/^store-unknown: .*no store lists of this host/);
  expect(refused({ replica: "c", store: "lists" })).toMatch(/^log-missing: /);
  expect(refused({ replica: "b", rsh: "x" })).toMatch(/^usage: .*for a DST on another host/);
  expect(refused({ replica: "b", state: "/x" })).toMatch(/^usage: .*--state goes with SRC and DST/);
  expect(refused({ replica: "" })).toMatch(/^usage: .*replica is empty/);
  const listed = listFar(undefined, undefined, { config, replica: "b" }, undefined as never);
  await expect(listed).rejects.toMatchObject({ code: "daemon-not-running" });
}, 60_000);
