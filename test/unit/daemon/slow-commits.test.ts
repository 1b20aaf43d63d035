/**
 * What is in the log is sent, and its bodies are found, though the thread that wrote it has not said so yet: other threads see a commit
 * as soon as it is made, and whoever waits for word of it goes on later, much later on a busy machine. Meanwhile anything may have the
 * log looked at: here what the destination refuses.
 */
import { appendFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { startTwin } from "../../live/lab/mailtwin.js";
import { until } from "../../live/lab/until.js";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import { addMessage, type Bench, makeMailbox, openBench } from "../../live/twin/small-store.js";

const ENV = { NODE_OPTIONS: `--import ${fileURLToPath(new URL("slow-commits.mjs", import.meta.url))}` };
const INBOX = "u1/Maildir";
const FOLDERS = Array.from({ length: 6 }, (_, index) => `${INBOX}/.F${index}`);
const REFUSED = Array.from({ length: 6 }, (_, index) => `u2/Maildir/.R${index}`);

/** An INBOX, and mailboxes whose next mail the destination refuses. */
async function refusingBench(): Promise<Bench> {
  const bench = openBench();
  for (const [index, path] of [INBOX, ...REFUSED].entries())
    makeMailbox(bench.source, path, { messages: 2, seed: 10 * index });
  expect((await bench.sync()).code).toBe(0);
  for (const path of REFUSED) appendFileSync(join(bench.replica, path, "dovecot-uidlist"), "no record\n");
  return bench;
}

const differences = ({ source, replica }: Bench) => rawDifferences(join(source, INBOX), join(replica, INBOX));

test("a live run sends mailboxes that come and move meanwhile, and their mail", async () => {
  using bench = await refusingBench();
  await using twin = await startTwin({ ...bench, env: ENV });
  for (const [index, path] of FOLDERS.entries()) {
    addMessage(join(bench.source, REFUSED[index] ?? ""), { seed: 200 + index });
    const made = makeMailbox(bench.dir, "made", { messages: 3, seed: 300 + 10 * index });
    renameSync(made, join(bench.source, path));
  }
  await until("both to be equal", () => differences(bench).length === 0, { deadlineMs: 12_000 });
  expect((await twin.stop()).code).toBe(1);
});
