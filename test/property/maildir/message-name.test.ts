import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import {
  FLAGS_MASK,
  flagChars,
  formatMessageName,
  LETTERS_MASK,
  parseFlagChars,
  parseMessageName,
  withFlags,
} from "../../../src/maildir/message-name.js";
import { tries } from "../tries.js";

const latin1 = fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte));
const anyNames = fc.string({ unit: fc.oneof(latin1, fc.constantFrom(":", "2", ",", "S", "a", "X")), maxLength: 40 });
const flagSets = fc.integer({ min: 0, max: FLAGS_MASK });
const letterSets = fc.integer({ min: 0, max: LETTERS_MASK });

/** Names as Dovecot writes them: known flags and letters in ASCII order, perhaps a tail. */
const dovecotNames = fc
  .tuple(
    fc.string({
      unit: fc.constantFrom("1", "7", ".", "M", "P", "h", ",", "S", "=", "\xe9", " "),
      minLength: 1,
      maxLength: 30,
    }),
    fc.uniqueArray(fc.constantFrom(..."DFRSTabcxyz"), { maxLength: 11 }),
    fc.constantFrom("", ",extra", ",a,b"),
    fc.boolean(),
  )
  .filter(([base]) => !base.startsWith("."))
  .map(([base, flags, tail, hasInfo]) => (hasInfo ? `${base}:2,${flags.sort().join("")}${tail}` : base));

test.prop([dovecotNames], tries())("formatting what was parsed gives the name back", (text) => {
  const name = parseMessageName(text);
  expect(name).toBeDefined();
  if (name !== undefined) expect(formatMessageName(name)).toBe(text);
});

test.prop([anyNames, flagSets, letterSets], tries(500))(
  "whatever the name, a change of flags keeps base, unknown characters and tail, and can be read back",
  (text, flags, letters) => {
    const name = parseMessageName(text);
    if (name === undefined) return;
    const changed = withFlags(name, { flags, letters });
    expect(changed).toMatchObject({ base: name.base, odd: name.odd, tail: name.tail, hasInfo: true, flags, letters });
    const formatted = formatMessageName(changed);
    if (formatted.length <= 255) expect(parseMessageName(formatted)).toEqual(changed);
    expect(formatted.startsWith(name.base)).toBe(true);
  },
);

test.prop([anyNames], tries(500))("parsing and formatting settles after one round", (text) => {
  const name = parseMessageName(text);
  if (name === undefined) {
    expect(text === "" || /^[.:]|[\r\n\0/]/.test(text)).toBe(true);
    return;
  }
  const once = formatMessageName(name);
  expect(parseMessageName(once)).toEqual(name);
  expect([...once].sort().join("").length).toBeLessThanOrEqual(text.length);
});

test.prop([flagSets], tries())("flags as text and back", (flags) => {
  expect(parseFlagChars(flagChars(flags))).toBe(flags);
});
