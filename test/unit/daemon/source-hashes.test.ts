/** Hashes of messages at the source, whatever their size. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { BodyReader } from "../../../src/capture/body-reader.js";
import { BODY_PART_BYTES_MAX, type BodyMethods } from "../../../src/capture/body-types.js";
import { hashMessages } from "../../../src/daemon/source-hashes.js";
import { parseBaseName, parseMailboxGuid, parseUid } from "../../../src/maildir/ids.js";
import { inlineWorker } from "../../worker-client.js";
import { openFakeStore } from "../capture/fake-dovecot.js";
import { rawPath } from "../log/state-fixtures.js";

const never = new AbortController().signal;

test("small ones in several calls, a large one in parts, and nothing for what is gone", async () => {
  const store = openFakeStore();
  const inbox = store.create("alice");
  const texts = ["small", "s".repeat(700_000), "t".repeat(700_000), "l".repeat(BODY_PART_BYTES_MAX + 17), ""];
  const bases = texts.map((body) => inbox.deliver({ info: ":2,", body }));
  const reader = new BodyReader({ disk: openNodeDisk(), storeRoot: store.root });
  const bodies = inlineWorker<BodyMethods>({
    open: () => undefined,
    readMany: (request) => reader.readMany(request),
    openLarge: (request) => reader.openLarge(request),
    readPart: (request) => reader.readPart(request),
    closeLarge: (request) => reader.closeLarge(request),
  });
  const messages = [...bases, "gone"].map((base, i) => {
    return { uid: parseUid(i + 1), base: parseBaseName(base), size: texts[i]?.length ?? 1 };
  });
  const mailbox = { guid: parseMailboxGuid(inbox.guid), path: rawPath("alice") };
  const hashes = await hashMessages(bodies, mailbox, messages, never);
  const expected = bases.map((base, i) => [
    base,
    createHash("sha256")
      .update(texts[i] ?? "")
      .digest("hex"),
  ]);
  expect([...hashes].map(([base, hash]) => [base, Buffer.from(hash).toString("hex")]).sort()).toStrictEqual(
    expected.sort(),
  );
  const count = (method: string) => bodies.calls.filter((call) => call.method === method).length;
  expect([count("readMany") > 1, count("readPart"), count("closeLarge")]).toStrictEqual([true, 2, 1]);
});
