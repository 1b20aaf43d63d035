/**
 * A body that is not what the log says of it: something has written into its file since it was captured, or does so still. The source looks at
 * it again, so that its log says what stands there now, and the mailbox is compared with that: the transaction that says otherwise is given up.
 *
 * INVARIANT: no bytes go out under a size that is not theirs.
 */
import { displayRaw } from "../base/raw-name.js";
import { formatCount } from "../base/text-format.js";
import type { Change, Transaction } from "../txn/transaction.js";
import { BODY_CHANGED, type Cause } from "./conflict-rules.js";
import type { LoggedFile, SourceSide } from "./source-side.js";

/** `indexes`: whose bodies were asked for; `changed`: the one that was found out. Returns why its mailbox is given up. */
export async function lookAtChanged(
  { source }: { readonly source: Pick<SourceSide, "lookAtFiles"> },
  { mailbox, changes }: Pick<Transaction, "mailbox" | "changes">,
  { indexes, changed }: { readonly indexes: readonly number[]; readonly changed: number },
): Promise<Cause> {
  // All of them: who edits one mail edits others.
  const kept = await source.lookAtFiles(mailbox, filesOf(changes, indexes));
  const [file] = filesOf(changes, [changed]);
  if (file === undefined) return { code: BODY_CHANGED, words: "a message of it was changed at the source" };
  const { uid, base, size } = file;
  const what = `the file of UID ${uid} (${displayRaw(base)}) is not what was captured (${formatCount(size)} bytes)`;
  return kept.includes(uid)
    ? { code: "bodies-differ", words: `${what}, and another replica may have its bytes as they were` }
    : { code: BODY_CHANGED, words: `${what}: it was looked at again, and is sent as it stands` };
}

/** As that transaction has them. */
export function filesOf(changes: readonly Change[], indexes: readonly number[]): readonly LoggedFile[] {
  return indexes.flatMap((index) => {
    const change = changes[index];
    if (change?.kind !== "save" && change?.kind !== "rebind") return [];
    const { uid, base, size } = change.message;
    return [{ uid, base, size }];
  });
}
