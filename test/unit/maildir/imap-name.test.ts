/** Names of mailboxes as clients have them, and as they stand on disk. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { encodeImapName, folderPathsOf } from "../../../src/maildir/imap-name.js";

describe("modified UTF-7", () => {
  test.each([
    ["", ""],
    ["INBOX", "INBOX"],
    ["Entwürfe", "Entw&APw-rfe"],
    ["a&b", "a&-b"],
    ["ü&ü", "&APw-&-&APw-"],
    // RFC 3501, 5.1.3.
    ["~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"],
    ["Jyväskylä", "Jyv&AOQ-skyl&AOQ-"],
    ["😀", "&2D3eAA-"],
    ["tab\there", "tab&AAk-here"],
  ])("%s is %s", (text, name) => expect(encodeImapName(text)).toBe(name));

  test.prop([fc.string({ unit: "binary", maxLength: 40 })])("is printable ASCII, and can be read back", (text) => {
    const name = encodeImapName(text);
    expect(name).toMatch(/^[\x20-\x7e]*$/);
    expect(decode(name)).toBe(text);
  });
});

/** By the book, and slowly. */
function decode(name: string): string {
  return name.replace(/&([^-]*)-/g, (_, encoded: string) =>
    encoded === "" ? "&" : Buffer.from(encoded.replaceAll(",", "/"), "base64").swap16().toString("utf16le"),
  );
}

test("the INBOX is the Maildir itself; a folder has a place in each layout", () => {
  expect(folderPathsOf("iNbOx")).toEqual([""]);
  expect(folderPathsOf("Work/Projects")).toEqual([".Work.Projects", "Work/Projects"]);
  expect(folderPathsOf(".Work.Projects")).toEqual([".Work.Projects"]);
  expect(folderPathsOf("ü")).toEqual([".&APw-", "&APw-", ".\xc3\xbc", "\xc3\xbc"]);
});
