/** What USR1 has logged: the status, with its level and that of each thing, as `mailtwin status --json` says them. */
import { expect, test } from "vitest";
import { statusSchema } from "../../../../src/daemon/control/status-schema.js";
import { makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons } from "./two-daemons.js";

test("the level is in the line that USR1 logs", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, "alice/Maildir", { messages: 1, seed: 1 });
  const source = two.start("source"); // and nobody is where it dials.
  const asked = async () => {
    const since = source.events.length;
    source.signal("SIGUSR1");
    return (await source.waitFor("the status", ({ msg }) => msg === "status-asked", since))["status"];
  };
  await source.waitFor("the failure", ({ msg }) => msg === "replica-failed");
  const healing = await asked();
  statusSchema.parse(healing);
  expect(healing).toMatchObject({
    level: "healing",
    stores: [{ name: "mail", level: "healing", replicas: [{ name: "b", level: "healing" }] }],
  });
  const replica = two.start("replica");
  await source.waitFor("it to be live", ({ msg, state }) => msg === "replica-state" && state === "live");
  expect(await asked()).toMatchObject({ level: "ok", stores: [{ level: "ok", replicas: [{ level: "ok" }] }] });
  await source.stop();
  await replica.stop();
});
