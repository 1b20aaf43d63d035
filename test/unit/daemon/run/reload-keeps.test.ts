/** What `status` knows of a replica over a reload that changes its settings, and that it is dropped where it is another replica. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { statusSchema } from "../../../../src/daemon/control/status-schema.js";
import { until } from "../../../live/lab/until.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { mailtwin } from "../mailtwin.js";
import { openTwoDaemons } from "./two-daemons.js";

test("on the replica's host the last link and change outlast another right of its source", {
  timeout: 120_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, "alice/Maildir", { messages: 3, seed: 1 });
  const replica = two.start("replica");
  const source = two.start("source");
  await source.waitFor("it to be live", ({ msg, state }) => msg === "replica-state" && state === "live");
  await source.stop();
  await replica.waitFor("its source to be gone", ({ msg }) => msg === "source-gone");
  const ask = (what: string, ...more: string[]) =>
    mailtwin([what, ...more, "--config", two.configs.replica], { cwd: two.dir });
  const known = async () => {
    const [store] = statusSchema.parse(JSON.parse((await ask("status", "--json")).out)).stores;
    return store?.role === "replica" ? store : undefined;
  };
  const before = await known();
  const times = { lastLinkMs: expect.any(Number), lastChangeMs: expect.any(Number) };
  expect(before).toMatchObject({ ...times, troubles: [] });
  two.configure({ sourcePeer: 'users = ["alice"]' });
  expect(await ask("reload")).toMatchObject({ code: 0, out: "peer a is different\n" });
  const after = await known();
  expect([after?.lastLinkMs, after?.lastChangeMs]).toStrictEqual([before?.lastLinkMs, before?.lastChangeMs]);
  expect(after?.troubles).toMatchObject([
    { code: "source-awaited", sinceMs: before?.lastLinkMs, words: expect.stringContaining("since a reload changed") },
  ]);
  await replica.stop();
});

test("last success and sums outlast another alarm, mode, and right; not another store there", {
  timeout: 120_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, "alice/Maildir", { messages: 3, seed: 1 });
  const replica = two.start("replica");
  const source = two.start("source");
  await source.waitFor("it to be live", ({ msg, state }) => msg === "replica-state" && state === "live");
  addMessage(join(two.source, "alice/Maildir"), { seed: 41 });
  const ask = (what: string, ...more: string[]) =>
    mailtwin([what, ...more, "--config", two.configs.source], { cwd: two.dir });
  const known = async () => {
    const { stores } = statusSchema.parse(JSON.parse((await ask("status", "--json")).out));
    const [store] = stores;
    const [b] = store?.role === "source" ? store.replicas : [];
    return { bytesSent: b?.bytesSent, transactionsSent: b?.transactionsSent, lastSuccessMs: b?.lastSuccessMs };
  };
  await until("all to be sent", async () => ((await known()).transactionsSent ?? 0) > 1);
  await replica.stop();
  await source.waitFor("the loss of the link", ({ msg }) => msg === "replica-failed");
  const before = await known();
  expect(before).toStrictEqual({
    ...{ bytesSent: expect.toSatisfy((bytes: number) => bytes > 0), transactionsSent: expect.any(Number) },
    lastSuccessMs: expect.any(Number),
  });

  for (const parts of [
    { link: 'unreachable_alarm = "2h"' },
    { link: 'mode = "on-demand"' },
    { replicaPeer: 'users = ["alice", "bob"]' },
  ]) {
    const since = source.events.length;
    two.configure(parts);
    expect(await ask("reload")).toMatchObject({ code: 0, out: expect.stringContaining(" is different") });
    await source.waitFor("its runner to begin anew", ({ msg }) => msg === "replica-state", since);
    expect(await known()).toStrictEqual(before);
  }

  const since = source.events.length;
  writeFileSync(
    two.configs.source,
    readFileSync(two.configs.source, "utf8").replace(/\npeer = "b"\n/, '$&store = "other"\n'),
  );
  expect(await ask("reload")).toMatchObject({ code: 0, out: "replica mail/b is different\n" });
  await source.waitFor("its runner to begin anew", ({ msg }) => msg === "replica-state", since);
  expect(await known()).toStrictEqual({ bytesSent: 0, transactionsSent: 0, lastSuccessMs: undefined });
  await source.stop();
});
