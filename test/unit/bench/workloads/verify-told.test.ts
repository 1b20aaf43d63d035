/** An answer is right only if it is the whole truth, by its words and by its exit code. */
import { expect, test } from "vitest";
import { wrongInEqual, wrongInOne } from "../../../../bench/workloads/verify-told.js";

const SIDE = { mailboxes: 5, messages: 500 };
const SIZE = { mails: 500, mailboxes: 5 };
const ONE = { guid: "ab", uid: 7 };

function answer(exitCode: number, told: object) {
  return { exitCode, output: `a note\n${JSON.stringify(told)}\n` };
}

test("equal: code 0, and all messages of both sides were looked at", () => {
  const told = { equal: true, a: SIDE, b: SIDE, differences: [] };
  expect(wrongInEqual(answer(0, told), SIZE)).toEqual([]);
  expect(wrongInEqual(answer(1, told), SIZE)).toHaveLength(1);
  expect(wrongInEqual(answer(0, { ...told, equal: false }), SIZE)).toHaveLength(1);
  expect(wrongInEqual(answer(0, { ...told, b: { ...SIDE, messages: 499 } }), SIZE)).toHaveLength(1);
  expect(wrongInEqual(answer(0, { ...told, a: { ...SIDE, mailboxes: 4 } }), SIZE)).toHaveLength(1);
  expect(wrongInEqual({ exitCode: 0, output: "equal: 500 messages\n" }, SIZE)[0]).toContain("equal: 500 messages");
  expect(wrongInEqual({ exitCode: 0, output: '{"equal":tr' }, SIZE)).toHaveLength(1);
});

test("one: code 1, that very message, and nothing beside it", () => {
  const message = { kind: "message", uid: 7 };
  const mailbox = { guid: "ab", findings: [message], further: 0 };
  const told = { equal: false, a: SIDE, b: SIDE, differences: [mailbox] };
  const wrong = (exitCode: number, differences: readonly object[]) =>
    wrongInOne(answer(exitCode, { ...told, differences }), ONE).length;
  expect(wrong(1, [mailbox])).toBe(0);
  expect(wrong(0, [mailbox])).toBe(1);
  expect(wrong(1, [])).toBe(1);
  expect(wrong(1, [mailbox, mailbox])).toBe(1);
  expect(wrong(1, [{ ...mailbox, guid: "cd" }])).toBe(1);
  expect(wrong(1, [{ ...mailbox, further: 1 }])).toBe(1);
  expect(wrong(1, [{ ...mailbox, findings: [message, message] }])).toBe(1);
  expect(wrong(1, [{ ...mailbox, findings: [{ ...message, uid: 8 }] }])).toBe(1);
  expect(wrong(1, [{ ...mailbox, findings: [{ ...message, kind: "body" }] }])).toBe(1);
});
