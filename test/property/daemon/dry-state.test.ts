/** A dry run's state in memory is what the database would be, had the same commits been recorded there. */
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { DryState } from "../../../src/daemon/dry-state.js";
import type { StateReader } from "../../../src/log/state-ports.js";
import { openStateReader } from "../../../src/log/state-reader.js";
import type { CaptureCommit, ChunkWrite } from "../../../src/log/state-types.js";
import { openInlineStateWriter } from "../../contract/inline-state-writer.js";
import { mailboxRow, NOTHING_CAPTURED, tempDir } from "../../unit/log/state-fixtures.js";
import { tries } from "../tries.js";

const IDS = [1, 2, 3];
const CHUNKS = [0, 1, 5];

const id = fc.constantFrom(...IDS);
const chunkWrite: fc.Arbitrary<ChunkWrite> = fc
  .record({ mailboxId: id, chunk: fc.constantFrom(...CHUNKS), count: fc.nat(3), seed: fc.nat(255) })
  .map(({ mailboxId, chunk, count, seed }) => ({
    ...{ mailboxId, chunk, count, lookA: seed, lookB: count },
    digest: new Uint8Array(16).fill(seed),
    bytes: Uint8Array.of(seed, count),
  }));
const commit: fc.Arbitrary<CaptureCommit> = fc
  .record({
    removed: fc.uniqueArray(id, { maxLength: 1 }),
    rows: fc.uniqueArray(id, { maxLength: 3 }),
    messages: fc.nat(9),
    chunks: fc.uniqueArray(chunkWrite, { maxLength: 4, selector: ({ mailboxId, chunk }) => `${mailboxId}.${chunk}` }),
  })
  .map(({ removed, rows, messages, chunks }) => ({
    ...{ ...NOTHING_CAPTURED, removedMailboxIds: removed, chunks },
    mailboxes: rows.map((row) => mailboxRow(row, { messages })),
  }));

type Told = Pick<StateReader, "mailboxes" | "mailboxByGuid" | "digests" | "chunk">;

function all(reader: Told) {
  const rows = [...reader.mailboxes()].sort((a, b) => a.id - b.id);
  return {
    rows,
    byGuid: rows.map(({ guid }) => reader.mailboxByGuid(guid)),
    digests: IDS.map((mailboxId) => reader.digests(mailboxId)),
    chunks: IDS.flatMap((mailboxId) =>
      CHUNKS.map((chunk) => {
        const bytes = reader.chunk(mailboxId, chunk);
        return bytes === undefined ? undefined : [...bytes];
      }),
    ),
  };
}

const commits = fc.array(commit, { maxLength: 6 });

test.prop([commits, commits], tries(40))(
  "whatever is captured after whatever was recorded",
  async (recorded, captured) => {
    using dir = tempDir();
    const open = async (name: string, appended: readonly CaptureCommit[]): Promise<StateReader> => {
      const path = join(dir.path, name);
      await using writer = openInlineStateWriter(path);
      for (const each of appended) await writer.appendCaptured(each);
      return openStateReader(path);
    };
    using under = await open("under.db", recorded);
    using whole = await open("whole.db", [...recorded, ...captured]);
    const state = new DryState(under);
    for (const each of captured) state.add(each);
    expect(all(state)).toStrictEqual(all(whole));
    expect(state.lastLsn()).toBe(under.lastLsn());
  },
);
