/** A daemon's source with a sentinel: where that is not there nothing of the store is taken for deleted. */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { DaemonEvent } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons } from "./two-daemons.js";

const isLive = (event: DaemonEvent) => event.msg === "replica-state" && event["state"] === "live";

test("an old copy of the store in its place is not taken for it; it goes on when the right one is there", {
  timeout: 120_000,
}, async () => {
  await using two = openTwoDaemons();
  const inbox = makeMailbox(two.source, "u1/Maildir", { messages: 3 });
  makeMailbox(two.source, "u2/Maildir", { messages: 2, seed: 20 });
  writeFileSync(join(two.source, "store.here"), "");
  two.configure({});
  const config = readFileSync(two.configs.source, "utf8");
  writeFileSync(
    two.configs.source,
    config.replace(/^path = .*$/m, (path) => `${path}\nsentinel = "store.here"`),
  );
  two.start("replica");
  const first = two.start("source");
  await first.waitFor("live", isLive);
  await first.stop();
  const right = join(two.dir, "right");
  renameSync(two.source, right);
  makeMailbox(two.source, "u1/Maildir", { messages: 1 }); // with the GUID of the one that was.
  const source = two.start("source");
  const refused = await source.waitFor("the store to be missed", ({ msg }) => msg === "store-needs-you");
  expect(refused).toMatchObject({ code: "store-missing", message: expect.stringContaining("its sentinel store.here") });
  expect(rawDifferences(right, two.replica)).toEqual([]);
  rmSync(two.source, { recursive: true });
  renameSync(right, two.source);
  addMessage(inbox, { seed: 900 });
  await source.waitFor("live", isLive);
  await expect.poll(() => rawDifferences(two.source, two.replica), { timeout: 30_000 }).toEqual([]);
});
