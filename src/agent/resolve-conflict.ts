/**
 * Deals with a transaction that a replica refused: makes room on both sides for UIDs that foreign mail took, or says why its
 * mailbox has to be given up.
 *
 * INVARIANT: the source renumbers only after the replica has made room, and the replica tries again only after the log knows
 * the new UIDs: else the next conflict would be judged by UIDs that are no more.
 * INVARIANT: what a replica says of UIDs raises those of the source by a bounded step, and never above half of them.
 */
import type { Clock } from "../base/clock.js";
import { displayRaw, type RawPath } from "../base/raw-name.js";
import type { CaptureProblem } from "../capture/capture-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import type { WireDivergence } from "../wire/messages.js";
import { ABSENT_LOOKS_MAX, ABSENT_PAUSE_MS } from "./absent-bodies.js";
import type { Asker } from "./asker.js";
import {
  type Cause,
  causeOf,
  conflictOf,
  floorOf,
  isInVain,
  isOfLock,
  uidsToLeave,
  whyTooHigh,
  wordsOfConflict,
} from "./conflict-rules.js";
import type { LockPatience } from "./lock-patience.js";
import { makeRoom } from "./make-room.js";
import type { SourceSide, UidQuery } from "./source-side.js";

/** Before the replica tries again. */
const LOCK_PAUSE_MS = 100;

export interface ConflictPorts {
  readonly asker: Asker;
  readonly source: SourceSide;
  readonly clock: Clock;
  /** For locks: the replica waits for what is said meanwhile, and with it all that is behind the transaction. */
  readonly patience: LockPatience;
  /** What is given up is mended in this run: the replica's lock is not waited for beyond what it has waited itself. */
  readonly heals: boolean;
  /** Both sides change UIDs. */
  readonly onConflict: (path: RawPath, words: string) => void;
}

export interface Refused {
  readonly transaction: Transaction;
  readonly divergence: WireDivergence;
  /** How often it was refused, this time included. */
  readonly refusals: number;
  /** What the replica was told before about this transaction; 0 = nothing. */
  readonly voidBelow: number;
}

export type Ruling =
  /** The replica is to try again, without saves below that UID which are not bound there. */
  { readonly kind: "retry"; readonly voidBelow: number } | { readonly kind: "give-up"; readonly cause: Cause };

/** Rejects with what concerns more than this mailbox. */
export async function ruleOn(ports: ConflictPorts, refused: Refused, signal: AbortSignal): Promise<Ruling> {
  const { transaction, divergence, refusals, voidBelow } = refused;
  const { source, asker } = ports;
  const { mailbox: guid, path } = transaction;
  if (isOfLock(divergence.code))
    return (await hasWaited(ports, guid, signal)) ? { kind: "retry", voidBelow } : giveUp(divergence);
  const conflict = conflictOf(transaction, divergence, refusals);
  if (conflict === undefined) return giveUp(divergence);
  const { uids, replicaNext: from } = conflict;
  if (conflict.kind === "uid-passed" && source.uidsAmong({ guid, uids, from, below: from }).length === 0) {
    // An old entry: its messages have other UIDs by now, as an entry further on says. Nothing more has to move.
    return { kind: "retry", voidBelow: from };
  }
  const sourceNext = source.uidNextOf(guid);
  const doing = `giving messages of the mailbox "${displayRaw(path)}" new UIDs`;
  const tooHigh = whyTooHigh(doing, from, sourceNext);
  if (tooHigh !== undefined) return giveUp(tooHigh);
  const floor = floorOf(conflict, sourceNext);
  let room = await makeRoom(asker, { mailbox: guid, uids, from, floor }, signal);
  while (room.kind === "refused" && isOfLock(room.code) && (await hasWaited(ports, guid, signal)))
    room = await makeRoom(asker, { mailbox: guid, uids, from, floor }, signal);
  if (room.kind === "refused") return giveUp(room);
  if (isInVain(conflict, room.moved)) return giveUp(divergence);
  const { uidNext, moved } = room;
  const raised = whyTooHigh(doing, uidNext, sourceNext); // what it refused with may be less than what it says now.
  if (raised !== undefined) return giveUp(raised);
  // Where foreign mail moved up, or came meanwhile, the replica has passed more than it refused.
  const query = { guid, uids: uidsToLeave(transaction, conflict, uidNext), from, below: uidNext };
  const leaving = source.uidsAmong(query);
  ports.onConflict(path, wordsOfConflict(divergence, { moved, left: leaving.length }));
  const problem = await renumber(ports, { guid, uids: leaving, floor: uidNext }, signal);
  if (problem !== undefined) return giveUp(causeOf(problem));
  await untilRenumbered(ports, query, signal);
  return { kind: "retry", voidBelow: uidNext };
}

/** False where it is not worth another try: somebody keeps the lock. */
async function hasWaited(
  { heals, patience, clock }: ConflictPorts,
  guid: MailboxGuid,
  signal: AbortSignal,
): Promise<boolean> {
  if (heals || patience.of(guid) === 0) return false;
  await clock.sleep(LOCK_PAUSE_MS, signal);
  patience.note(guid, LOCK_PAUSE_MS, false);
  return true;
}

/** Waits for Dovecot's lock at the source. */
async function renumber(
  { source, patience, clock }: ConflictPorts,
  request: Parameters<SourceSide["renumber"]>[0],
  signal: AbortSignal,
): Promise<CaptureProblem | undefined> {
  const startMs = clock.monotonicMs();
  const problem = await source.renumber(request, patience.of(request.guid), signal);
  const isHeld = problem !== undefined && isOfLock(problem.code);
  patience.note(request.guid, clock.monotonicMs() - startMs, isHeld);
  return problem;
}

function giveUp({ code, words }: Cause): Ruling {
  return { kind: "give-up", cause: { code, words } };
}

/** Gives up waiting after a while: the replica judges the transaction again anyway. */
async function untilRenumbered({ source, clock }: ConflictPorts, query: UidQuery, signal: AbortSignal): Promise<void> {
  for (let looks = 0; looks < ABSENT_LOOKS_MAX; looks++) {
    const left = source.uidsAmong(query);
    if (left.length === 0 || (await source.whyHeld({ guid: query.guid, uids: left })) !== undefined) return;
    source.lookAgain(query.guid);
    await clock.sleep(ABSENT_PAUSE_MS, signal);
  }
}
