/** Of which mailboxes two walks say nothing. */
import { expect, test } from "vitest";
import { uncertainAfter } from "../../../src/capture/two-walks.js";
import { rawPath } from "../log/state-fixtures.js";
import { found, row } from "./fake-capture.js";

const [A, B, C] = [1, 2, 3].map((id) => row(id, { path: rawPath(`u${id}/Maildir`) })) as [Row, Row, Row];
type Row = ReturnType<typeof row>;
const at = (mailbox: Row, path: string) => found(mailbox, { path: rawPath(path) });
const FOLDER = row(4, { path: rawPath("u3/Maildir/.F") });

test("what both walks missed is gone, unless its user's other mailboxes moved meanwhile", () => {
  const walks = { first: [B, C].map((it) => found(it)), second: [B, C].map((it) => found(it)), isTree: true };
  const known = [A, B, C, FOLDER];
  expect(uncertainAfter(walks, known)).toEqual([]);
  const stirred = { ...walks, second: [found(B), at(C, "u3/Maildir/.X")] };
  expect(uncertainAfter(stirred, known)).toEqual([FOLDER.guid]);
  expect(uncertainAfter({ ...stirred, isTree: false }, known)).toEqual([A.guid, FOLDER.guid]);
});

test("what the first walk found may stand there, wherever that was", () => {
  const walks = { first: [found(B), at(A, "u2/Maildir/.A")], second: [found(B)], isTree: true };
  expect(uncertainAfter(walks, [A, B])).toEqual([A.guid]);
});

test("what the second walk found is not asked for", () => {
  expect(uncertainAfter({ first: [at(A, "u1/x")], second: [found(A)], isTree: true }, [A])).toEqual([]);
});
