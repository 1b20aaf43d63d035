/** Which messages the log knows, as the database says that has both, whatever is committed between two reads. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readUids } from "../../../src/capture/read-uids.js";
import { openStateReader } from "../../../src/log/state-reader.js";
import type { MailboxRow } from "../../../src/log/state-types.js";
import { parseUid, type Uid } from "../../../src/maildir/ids.js";
import { openInlineStateWriter } from "../../contract/inline-state-writer.js";
import { guid, mailboxRow, newBaseline, record, tempDir } from "../log/state-fixtures.js";

type Query = Omit<Parameters<typeof readUids>[1], "guid">;

const uidsOf = (...uids: readonly number[]): readonly Uid[] => uids.map(parseUid);

function commitOf(id: number, uids: readonly number[], more: Partial<MailboxRow> = {}) {
  const edit = newBaseline(mailboxRow(id, more)).edit({
    put: uids.map((uid) => record(uid, { keywords: [`k${uid}`] })),
    drop: [],
  });
  return { mailboxes: [edit.row], removedMailboxIds: [], chunks: edit.chunks, transactions: [] };
}

describe("readUids", () => {
  const NOTHING: Query = { uids: [], from: parseUid(1), below: 1 };

  test("finds single UIDs and a range, over several chunks, ascending and each once", async () => {
    using dir = tempDir();
    const path = join(dir.path, "source.db");
    await using writer = openInlineStateWriter(path);
    using reader = openStateReader(path);
    await writer.appendCaptured(commitOf(1, [1, 2, 127, 128, 300, 1000]));
    const of = (more: Partial<Query>) => readUids(reader, { ...NOTHING, guid: guid(1), ...more });
    expect(of({ uids: uidsOf(1000, 3, 2, 128) })).toStrictEqual([2, 128, 1000]);
    expect(of({ from: parseUid(2), below: 300 })).toStrictEqual([2, 127, 128]);
    expect(of({ uids: uidsOf(300, 127), from: parseUid(127), below: 129 })).toStrictEqual([127, 128, 300]);
    expect(of({ from: parseUid(300), below: 300 })).toStrictEqual([]);
    expect(
      readUids(reader, { ...NOTHING, guid: guid(2), uids: uidsOf(1), from: parseUid(1), below: 10 }),
    ).toStrictEqual([]);
  });

  test("a range tells of 10,000 at most", async () => {
    using dir = tempDir();
    const path = join(dir.path, "source.db");
    await using writer = openInlineStateWriter(path);
    using reader = openStateReader(path);
    const edit = newBaseline(mailboxRow(1)).edit({
      put: Array.from({ length: 10_100 }, (_, index) => record(index + 1)),
      drop: [],
    });
    await writer.appendCaptured({
      mailboxes: [edit.row],
      removedMailboxIds: [],
      chunks: edit.chunks,
      transactions: [],
    });
    const found = readUids(reader, { guid: guid(1), uids: [], from: parseUid(50), below: 20_000 });
    expect([found.length, found[0], found.at(-1)]).toStrictEqual([10_000, 50, 10_049]);
  });

  test("a commit between two reads brings a keyword, or another mailbox with that GUID", async () => {
    using dir = tempDir();
    const path = join(dir.path, "source.db");
    await using writer = openInlineStateWriter(path);
    using reader = openStateReader(path);
    await writer.appendCaptured(commitOf(1, [1]));
    const commits = [commitOf(1, [1, 2]), { ...commitOf(2, [3], { guid: guid(1) }), removedMailboxIds: [1] }];
    for (const [commit, uids] of [
      [commits[0], [1, 2]],
      [commits[1], [3]],
    ] as const) {
      const stale = reader.mailboxByGuid(guid(1));
      if (commit !== undefined) await writer.appendCaptured(commit);
      let isFirst = true;
      const racing = {
        chunk: reader.chunk.bind(reader),
        looks: reader.looks.bind(reader),
        mailboxByGuid(id: MailboxRow["guid"]) {
          const row = isFirst ? stale : reader.mailboxByGuid(id);
          isFirst = false;
          return row;
        },
      };
      expect(readUids(racing, { ...NOTHING, guid: guid(1), uids: uidsOf(1, 2, 3) })).toStrictEqual(uids);
    }
  });
});
