/** LSNs are dense and ascend from 1, whatever fails or is trimmed in between. */
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { openStateReader } from "../../../src/log/state-reader.js";
import { openInlineStateWriter } from "../../contract/inline-state-writer.js";
import { entries, guid, mailboxRow, tempDir } from "../../unit/log/state-fixtures.js";
import { tries } from "../tries.js";

type Call =
  | { readonly kind: "append" | "fail"; readonly count: number }
  | { readonly kind: "trim"; readonly lsn: number }
  | { readonly kind: "wait" };

const calls: fc.Arbitrary<Call[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom("append" as const, "fail" as const), count: fc.nat(4) }),
    fc.record({ kind: fc.constant("trim" as const), lsn: fc.nat(20) }),
    fc.record({ kind: fc.constant("wait" as const) }),
  ),
  { maxLength: 25 },
);

describe("the replication log", () => {
  test.prop([calls], tries(40))("numbers its entries without a hole", async (list) => {
    using dir = tempDir();
    const path = join(dir.path, "state.db");
    await using writer = openInlineStateWriter(path);
    using reader = openStateReader(path);
    const appended: Promise<readonly number[]>[] = [];
    const failed: Promise<unknown>[] = [];
    const trimmed: Promise<unknown>[] = [];
    for (const call of list) {
      if (call.kind === "append") appended.push(writer.appendCaptured(entries(call.count)));
      if (call.kind === "fail") {
        // Two mailboxes of one GUID: the commit is refused after its entries were written.
        const mailboxes = [mailboxRow(1), mailboxRow(2, { guid: guid(1) })];
        failed.push(writer.appendCaptured({ ...entries(call.count), mailboxes }).catch(() => "failed"));
      }
      if (call.kind === "trim") trimmed.push(writer.trimLog(call.lsn));
      if (call.kind === "wait") await Promise.all([...appended, ...failed, ...trimmed]);
    }
    const lsns = (await Promise.all(appended)).flat();
    await Promise.all(trimmed);
    expect(lsns).toStrictEqual(lsns.map((_, i) => i + 1));
    expect(await Promise.all(failed)).toStrictEqual(failed.map(() => "failed"));
    expect(reader.lastLsn()).toBe(lsns.length);
    const left = reader.entriesAfter(0, 1_000_000).map(({ lsn }) => lsn);
    expect(left).toStrictEqual(lsns.slice(lsns.length - left.length));
    expect(reader.firstLsn()).toBe(left[0] ?? lsns.length + 1);
  });
});
