import { describe, expect, test } from "vitest";
import { parseBaseName } from "../../../src/maildir/ids.js";
import {
  FLAG_BITS,
  flagChars,
  formatInfo,
  formatMessageName,
  imapFlagNames,
  letterChars,
  type MessageName,
  messageName,
  parseFlagChars,
  parseMessageName,
  withFlags,
} from "../../../src/maildir/message-name.js";

const { D, F, P, R, S, T } = FLAG_BITS;

function parsed(name: string): MessageName {
  const result = parseMessageName(name);
  if (result === undefined) throw new Error(`not mail: ${name}`);
  return result;
}

describe("parsing", () => {
  test("a name without info has no flags", () => {
    expect(parsed("1.M2P3.host,S=9")).toEqual({
      base: "1.M2P3.host,S=9",
      hasInfo: false,
      foreign: "",
      flags: 0,
      letters: 0,
      odd: "",
      tail: "",
    });
  });

  test("flags, letters, unknown characters and the tail are told apart", () => {
    const name = parsed("x:2,DFPRSTXYaz,extra,S");
    expect(name.flags).toBe(D | F | P | R | S | T);
    expect(name.letters).toBe(1 | (1 << 25));
    expect(name.odd).toBe("XY");
    expect(name.tail).toBe(",extra,S");
  });

  test("flags may come in any order, and come out in ASCII order", () => {
    expect(formatMessageName(parsed("x:2,zSFa"))).toBe("x:2,FSaz");
  });

  test.each(["", ".x", ".x:2,S", ":2,S", "a\nb:2,S", "a:2,S\r", "a/b", "a:2,\0", `${"x".repeat(250)}:2,FRST`])(
    "%j is never mail",
    (name) => {
      expect(parseMessageName(name)).toBeUndefined();
    },
  );

  test("another program's info is kept and means no flags", () => {
    const name = parsed("x:1,S");
    expect(name).toMatchObject({ base: "x", hasInfo: false, foreign: ":1,S", flags: 0 });
    expect(formatMessageName(name)).toBe("x:1,S");
  });

  test("the base ends at the first colon, the flags begin after the last", () => {
    const name = parsed("a:b:2,S");
    expect(name).toMatchObject({ base: "a", foreign: ":b", flags: S });
    expect(formatMessageName(withFlags(name, { flags: S | F }))).toBe("a:b:2,FS");
  });
});

describe("changing flags as Dovecot does", () => {
  test("unknown characters stay in their order, known ones go around them", () => {
    expect(formatMessageName(withFlags(parsed("x:2,SXY"), { flags: R | S }))).toBe("x:2,RSXY");
    expect(formatMessageName(withFlags(parsed("x:2,YX"), { flags: T, letters: 1 }))).toBe("x:2,TYXa");
  });

  test("the tail stays", () => {
    expect(formatMessageName(withFlags(parsed("x:2,S,extra"), { flags: R | S }))).toBe("x:2,RS,extra");
  });

  test("letters and flags change apart from each other", () => {
    const name = parsed("x:2,Sb");
    expect(formatMessageName(withFlags(name, { letters: 5 }))).toBe("x:2,Sac");
    expect(formatMessageName(withFlags(name, { flags: 0 }))).toBe("x:2,b");
  });

  test("a name without info gets one; foreign info is replaced", () => {
    expect(formatMessageName(withFlags(parsed("x"), {}))).toBe("x:2,");
    expect(formatMessageName(withFlags(parsed("x:1,abc"), { flags: S }))).toBe("x:2,S");
    expect(formatMessageName(withFlags(parsed("x:y:1,abc"), { flags: S }))).toBe("x:y:2,S");
  });
});

test("a new message in cur/ always has its info", () => {
  expect(formatMessageName(messageName(parseBaseName("b"), { flags: F | S, letters: 2 }))).toBe("b:2,FSb");
  expect(formatInfo({ flags: 0, letters: 0, odd: "", tail: "" })).toBe(":2,");
});

test("sets of flags and letters as text", () => {
  expect(flagChars(D | T)).toBe("DT");
  expect(parseFlagChars("TDx")).toBe(D | T);
  expect(letterChars(1 | 4)).toBe("ac");
  expect(imapFlagNames(S | P | R)).toEqual(["\\Answered", "\\Seen"]);
});
