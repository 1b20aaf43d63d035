/**
 * Grants one wish of the replica for bodies, whatever happens to them at the source meanwhile: those that are not found are
 * looked for again until they are sent, or the log says that they are gone.
 */
import type { Clock } from "../base/clock.js";
import { systemHintOf } from "../base/errors.js";
import type { Transaction } from "../txn/transaction.js";
import { ABSENT_LOOKS_MAX, settleAbsent, WORDS_OF_HELD } from "./absent-bodies.js";
import { type BodySenderPorts, sendBodies, sendGone } from "./body-sender.js";
import { filesOf, lookAtChanged } from "./changed-bodies.js";
import { type Cause, causeOf } from "./conflict-rules.js";
import type { MayHave } from "./offer-line.js";
import type { SourceSide } from "./source-side.js";

export interface WishPorts extends BodySenderPorts {
  readonly clock: Clock;
  readonly source: SourceSide;
  readonly mayHave?: MayHave;
  readonly onBodyBytes: (bytes: number) => void;
}

export interface GrantedWish {
  readonly id: number;
  readonly transaction: Transaction;
  readonly indexes: readonly number[];
}

const NOT_FOUND = "body-not-found";

/** Returns why the bodies of that transaction cannot be had; rejects with what concerns more than its mailbox. */
export async function grantWish(
  ports: WishPorts,
  { id, transaction, indexes }: GrantedWish,
  signal: AbortSignal,
): Promise<Cause | undefined> {
  let wanted = indexes;
  for (let looks = 0; looks < ABSENT_LOOKS_MAX; looks++) {
    const path = ports.source.pathOf(transaction.mailbox);
    if (ports.mayHave?.(path ?? transaction.path) === false)
      return { code: "replica-without-right", words: "the mailbox was moved to where the replica has no right to it" };
    const outcome = await sendBodies(ports, { id, transaction, path, indexes: wanted }, signal);
    if (outcome.kind === "unreadable") return unreadable(causeOf(outcome.problem));
    if (outcome.kind === "changed") return lookAtChanged(ports, transaction, { indexes, changed: outcome.index });
    ports.onBodyBytes(outcome.bytes);
    // The body went with the date that was announced; the log has the other one come after it.
    if (outcome.isRedated === true)
      await ports.source.lookAtFiles(transaction.mailbox, filesOf(transaction.changes, wanted));
    if (outcome.absent.length === 0) return undefined;
    const { gone, again, held } = await settleAbsent(ports, transaction, outcome.absent, signal);
    if (gone.length > 0) await sendGone(ports, id, gone, signal);
    if (again.length === 0) return undefined;
    if (held !== undefined) return { code: NOT_FOUND, words: WORDS_OF_HELD[held] };
    wanted = again;
  }
  const words = "a message of it stands in the uidlist of the source, but its file cannot be found there";
  return { code: NOT_FOUND, words };
}

/** A system error tells what was opened, and not on which side. */
function unreadable({ code, words }: Cause): Cause {
  return systemHintOf(code) === undefined
    ? { code, words }
    : { code, words: `reading a message at the source: ${words}` };
}
