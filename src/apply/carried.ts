/**
 * A directory that moves as a whole takes along the mailboxes inside. What is remembered of those says from then on where
 * they are: each has a transaction of its own, but that may lead elsewhere, or have been logged before.
 */
import type { Dir } from "../base/disk.js";
import { isRawPath, type RawPath } from "../base/raw-name.js";
import type { MailboxRow } from "../log/state-types.js";
import type { Transaction } from "../txn/transaction.js";
import type { AppliedEffect, ApplyNote, ExecuteOutcome } from "./apply-types.js";
import { guidAt, isAlone } from "./parking.js";
import type { StoreContext } from "./store-context.js";

/**
 * After a rename: the rows of mailboxes that stand below its target now and were recorded below `homes`, as they are to be
 * recorded. The rows are those of the database, so that an effect which was not recorded is found again.
 */
export function carriedRows(
  { cache, reader }: Pick<StoreContext, "cache" | "reader">,
  root: Dir,
  { path, structure }: Transaction,
  homes: readonly (RawPath | undefined)[],
): MailboxRow[] {
  if (structure?.kind !== "rename" || structure.displaces !== undefined || path === "" || isAlone(root, path))
    return [];
  const tops = [...new Set(homes)].filter((home) => home !== undefined && home !== "" && home !== path);
  return [...reader.mailboxes()].flatMap(({ guid, path: recorded }) => {
    for (const top of tops) {
      const now = `${path}${recorded.slice(top?.length)}`;
      if (!recorded.startsWith(`${top}/`) || !isRawPath(now) || guidAt(root, now) !== guid) continue;
      const { baseline } = cache.get(guid);
      if (baseline === undefined) continue;
      const row = { ...baseline.row, path: now };
      baseline.adopt([], row);
      return [row];
    }
    return [];
  });
}

/** With rows of other mailboxes beside its own. */
export function withRows(
  outcome: Extract<ExecuteOutcome, { kind: "applied" }>,
  rows: readonly MailboxRow[],
): ExecuteOutcome {
  return { ...outcome, effect: { ...outcome.effect, mailboxes: [...outcome.effect.mailboxes, ...rows] } };
}

/** With what made room for it, and what is to be told of its way. */
export function withMove(
  outcome: Extract<ExecuteOutcome, { kind: "applied" }>,
  limbo: AppliedEffect["limbo"],
  notes: readonly ApplyNote[],
): ExecuteOutcome {
  const effect = { ...outcome.effect, limbo: [...outcome.effect.limbo, ...limbo] };
  return { ...outcome, effect, notes: [...notes, ...outcome.notes] };
}
