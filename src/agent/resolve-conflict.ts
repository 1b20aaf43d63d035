/**
 * Deals with a transaction that a replica refused: makes room on both sides for UIDs that foreign mail took, or says why its
 * mailbox has to be given up.
 *
 * INVARIANT: the source renumbers only after the replica has made room, and the replica tries again only after the log knows
 * the new UIDs: else the next conflict would be judged by UIDs that are no more.
 */
import type { Clock } from "../base/clock.js";
import type { RawPath } from "../base/raw-name.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import type { WireDivergence } from "../wire/messages.js";
import { ABSENT_LOOKS_MAX, ABSENT_PAUSE_MS } from "./absent-bodies.js";
import type { Asker } from "./asker.js";
import { type Cause, causeOf, conflictOf, floorOf, isInVain, wordsOfConflict } from "./conflict-rules.js";
import { makeRoom } from "./make-room.js";
import type { SourceSide } from "./source-side.js";

export interface ConflictPorts {
  readonly asker: Asker;
  readonly source: SourceSide;
  readonly clock: Clock;
  /** Both sides change UIDs. */
  readonly onConflict: (path: RawPath, words: string) => void;
}

export interface Refused {
  readonly transaction: Transaction;
  readonly divergence: WireDivergence;
  /** How often it was refused, this time included. */
  readonly refusals: number;
}

export type Ruling =
  /** The replica is to try again, without saves below that UID which are not bound there. */
  { readonly kind: "retry"; readonly voidBelow: number } | { readonly kind: "give-up"; readonly cause: Cause };

/** Rejects with what concerns more than this mailbox. */
export async function ruleOn(ports: ConflictPorts, refused: Refused, signal: AbortSignal): Promise<Ruling> {
  const { transaction, divergence, refusals } = refused;
  const { source, asker } = ports;
  const { mailbox, path } = transaction;
  const conflict = conflictOf(divergence, refusals);
  if (conflict === undefined) return giveUp(divergence);
  const { from, replicaNext } = conflict;
  if (conflict.kind === "uid-passed" && (await source.uidsIn(mailbox, from, replicaNext)).length === 0) {
    // An old entry: its messages have other UIDs by now, as an entry further on says. Nothing more has to move.
    return { kind: "retry", voidBelow: replicaNext };
  }
  const floor = floorOf(conflict, source.uidNextOf(mailbox));
  const room = await makeRoom(asker, { mailbox, from, floor }, signal);
  if (room.kind === "refused") return giveUp(room);
  if (isInVain(conflict, room.moved)) return giveUp(divergence);
  const { uidNext, moved } = room;
  ports.onConflict(path, wordsOfConflict(conflict, divergence, moved));
  const problem = await source.renumber({ guid: mailbox, from, below: uidNext, floor: uidNext }, signal);
  if (problem !== undefined) return giveUp(causeOf(problem));
  await untilRenumbered(ports, { mailbox, from, below: uidNext }, signal);
  return { kind: "retry", voidBelow: uidNext };
}

function giveUp({ code, words }: Cause): Ruling {
  return { kind: "give-up", cause: { code, words } };
}

/** Gives up waiting after a while: the replica judges the transaction again anyway. */
async function untilRenumbered(
  { source, clock }: ConflictPorts,
  { mailbox, from, below }: { readonly mailbox: MailboxGuid; readonly from: Uid; readonly below: number },
  signal: AbortSignal,
): Promise<void> {
  for (let looks = 0; looks < ABSENT_LOOKS_MAX; looks++) {
    if ((await source.uidsIn(mailbox, from, below)).length === 0) return;
    source.lookAgain(mailbox);
    await clock.sleep(ABSENT_PAUSE_MS, signal);
  }
}
