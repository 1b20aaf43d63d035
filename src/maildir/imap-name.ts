/**
 * From a mailbox as clients name it ("Work/Projects", "Entwürfe") to the directories that it may be, below its user's Maildir: names
 * are modified UTF-7 on disk, or UTF-8 where Dovecot is set so; in Maildir++ "Work/Projects" is ".Work.Projects".
 *
 * SOURCE: RFC 3501, 5.1.3 (modified UTF-7); the layouts maildir++ and fs of Dovecot (lib-storage/list).
 */
import { rawFromText } from "../base/raw-name.js";

/** "Entwürfe" to "Entw&APw-rfe". */
export function encodeImapName(text: string): string {
  return text
    .replaceAll("&", "&-")
    .replace(/[^\x20-\x7e]+/g, (run) => `&${modifiedBase64(Buffer.from(run, "utf16le").swap16())}-`);
}

function modifiedBase64(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("/", ",").replace(/=+$/, "");
}

/** As bytes-in-strings, the likeliest first, "" for the INBOX. What is written as a path (".Work.Projects") stands for itself. */
export function folderPathsOf(name: string): readonly string[] {
  if (/^inbox$/i.test(name)) return [""];
  const [, belowInbox] = /^inbox[/.](.+)$/is.exec(name) ?? [];
  const names = belowInbox === undefined ? [name] : [name, belowInbox];
  const encoded = names.flatMap((each) => [encodeImapName(each), rawFromText(each)]);
  const paths = encoded.flatMap((each) => (each.startsWith(".") ? [each] : [`.${each.replaceAll("/", ".")}`, each]));
  return [...new Set(paths)];
}
