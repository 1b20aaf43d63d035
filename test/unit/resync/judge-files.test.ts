/** Of messages that differ in size or date: whose file was changed, what may be noted anew, and what a comparison mends. */
import { expect, test } from "vitest";
import { ROOT_PATH } from "../../../src/base/raw-name.js";
import { parseBaseName, parseMailboxGuid, parseUid } from "../../../src/maildir/ids.js";
import type { Finding, MailboxDifference } from "../../../src/resync/differences.js";
import { filesToLook, isMendable, isResized, withEdited } from "../../../src/resync/judge-files.js";
import { type MessageState, NO_MARKS } from "../../../src/txn/message-state.js";

const GUID = parseMailboxGuid("0123456789abcdef0123456789abcdef");
const state = (uid: number, parts: Partial<MessageState> = {}): MessageState => ({
  ...{ uid: parseUid(uid), base: parseBaseName(`m${uid}`), ...NO_MARKS, size: 100, mtimeS: 1_000, fields: "" },
  ...parts,
});
const message = (uid: number, a: Partial<MessageState>, b: Partial<MessageState>): Finding => ({
  ...{ kind: "message", uid: parseUid(uid) },
  ...{ a: state(uid, a), b: state(uid, b) },
});
const of = (...findings: readonly Finding[]): MailboxDifference => ({
  guid: GUID,
  path: ROOT_PATH,
  findings,
  further: 0,
});

const HERE = message(1, { size: 120 }, {}); // the log has 100: the file here was changed.
const THERE = message(2, {}, { size: 90 });
const DATED = message(3, { mtimeS: 2_000 }, {});
const BOTH = message(4, { size: 120, mtimeS: 2_000 }, {});
const ONLY_A: Finding = { kind: "message", uid: parseUid(5), a: state(5), b: undefined };
const ONLY_B: Finding = { kind: "message", uid: parseUid(6), a: undefined, b: state(6) };
const OTHER = message(7, { size: 120 }, { base: parseBaseName("another") });
const ALL = [HERE, THERE, DATED, BOTH, ONLY_A, ONLY_B, OTHER] as const;

const judged = withEdited(of(...ALL), () => 100);

test("the file is called changed at the source only where the log says another size of the same message", () => {
  const edited = judged.findings.map((it) => it.kind === "message" && it.isEdited === true);
  expect(edited).toEqual([true, false, false, true, false, false, false]);
  expect(ALL.map(isResized)).toEqual([true, true, false, true, false, false, false]);
  expect(withEdited(of(...ALL), () => undefined)).toEqual(of(...ALL)); // nobody knows.
  expect(withEdited({ ...of(HERE), guid: undefined }, () => 100)).toEqual({ ...of(HERE), guid: undefined });
});

test("what a comparison mends is all but bytes, and files that are not what the log says", () => {
  const body: Finding = { kind: "body", uid: parseUid(9), a: "00", b: "01" };
  expect([...judged.findings, body].map(isMendable)).toEqual([false, true, true, false, true, true, true, false]);
});

test("dates are noted anew unasked, sizes only where the source is trusted", () => {
  expect(filesToLook([judged], false)).toEqual(new Map([[GUID, [{ uid: 3, notes: "date" }]]]));
  const all = [1, 2, 3, 4, 5, 7].map((uid) => ({ uid, notes: "all" }));
  expect(filesToLook([judged], true)).toEqual(new Map([[GUID, all]]));
  expect(filesToLook([of(THERE, ONLY_B)], false)).toEqual(new Map());
});
