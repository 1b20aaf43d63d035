/**
 * MOVE of many messages as Dovecot does it on files: all are linked into the target's tmp/, get their names and records under the
 * target's lock, and then go from the source under its own.
 */
import { existsSync, linkSync, readFileSync, renameSync, unlinkSync } from "node:fs";
import { nodePath } from "../../src/base/raw-name.js";
import { readUidlist } from "../equal/read-uidlist.js";
import type { StoredMessage } from "./list-messages.js";
import { underUidlistLock } from "./uidlist-lock.js";
import { appendRecords, growIndexLog } from "./uidlist-tail.js";

/**
 * The messages are in cur/ and keep their base names, with which their GUIDs go. Throws when the target knows one of them, or when
 * keyword letters mean something else there: nothing is moved then.
 */
export function moveMany(source: string, target: string, messages: readonly StoredMessage[]): void {
  const records = recordsOf(source);
  const known = recordsOf(target);
  const taken = messages.find(({ base }) => known.has(base));
  if (taken !== undefined) throw new Error(`moving to ${target}: ${taken.base} has been there before`);
  if (keywordFile(source) !== keywordFile(target)) throw new Error(`moving to ${target}: its keywords are others`);
  const staged = messages.map((message) => {
    const path = `${target}/tmp/${message.base.split(",")[0]}.${process.pid}`;
    linkSync(nodePath(`${source}/${message.path}`), nodePath(path));
    return { message, path };
  });
  underUidlistLock(target, () => {
    for (const { message, path } of staged) renameSync(nodePath(path), nodePath(`${target}/${message.path}`));
    appendRecords(
      target,
      messages.map(({ base }) => {
        const fields = records
          .get(base)
          ?.fields.split(" ")
          .find((field) => field.startsWith("G"));
        return fields === undefined ? { base } : { base, fields };
      }),
      { sync: false },
    );
    growIndexLog(target);
  });
  underUidlistLock(source, () => {
    for (const { path } of messages) unlinkSync(nodePath(`${source}/${path}`));
    growIndexLog(source);
  });
}

function recordsOf(mailbox: string) {
  return readUidlist(readFileSync(nodePath(`${mailbox}/dovecot-uidlist`))).recordByBase;
}

function keywordFile(mailbox: string): string {
  const path = nodePath(`${mailbox}/dovecot-keywords`);
  return existsSync(path) ? readFileSync(path, "latin1") : "";
}
