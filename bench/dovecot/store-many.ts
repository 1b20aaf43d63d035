/**
 * One STORE of many messages, as Dovecot does it on files: the lock is taken once, and each file gets its new name.
 */
import { renameSync } from "node:fs";
import { nodePath } from "../../src/base/raw-name.js";
import type { StoredMessage } from "./list-messages.js";
import { underUidlistLock } from "./uidlist-lock.js";
import { growIndexLog } from "./uidlist-tail.js";

/** Turns \Flagged on where it is off and off where it is on. The messages are in cur/; returns them as they are now. */
export function toggleFlagged(mailbox: string, messages: readonly StoredMessage[]): readonly StoredMessage[] {
  growIndexLog(mailbox);
  return underUidlistLock(mailbox, () => {
    const changed = messages.map((message) => {
      const info = withFlagToggled(message.info);
      const path = `cur/${message.base}:${info}`;
      renameSync(nodePath(`${mailbox}/${message.path}`), nodePath(`${mailbox}/${path}`));
      return { ...message, path, info };
    });
    growIndexLog(mailbox);
    return changed;
  });
}

/** `2,S` to `2,FS` and back; letters stay sorted. Pure. */
export function withFlagToggled(info: string): string {
  const letters = info.replace(/^2,/, "");
  const wanted = letters.includes("F") ? letters.replaceAll("F", "") : `F${letters}`;
  return `2,${[...wanted].sort().join("")}`;
}
