/**
 * The changes of one transaction in a mailbox that exists: one hold of the lock, from reading to the new uidlist.
 */
import { assert } from "../base/assert.js";
import type { Dir } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import type { LimboRow } from "../log/state-types.js";
import type { Dotlock } from "../maildir/dotlock.js";
import { readKeywords } from "../maildir/keywords.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { type DirectoryMark, encodeMark, markOf } from "../maildir/whose-tree.js";
import type { Transaction } from "../txn/transaction.js";
import type { AppliedEffect, ApplyNote, ExecuteOutcome } from "./apply-types.js";
import { findDeadRecords } from "./dead-records.js";
import { type Divergence, divergence } from "./divergence.js";
import { executeSteps } from "./execute.js";
import { listPlaces } from "./find-files.js";
import { gatherView } from "./gather.js";
import { trustOf } from "./held-bodies.js";
import { damageOf } from "./locate.js";
import type { KnownMailbox } from "./mailbox-cache.js";
import { MailboxDirs } from "./mailbox-place.js";
import type { Adoption, ApplyStep, BodyNeed } from "./mailbox-view.js";
import type { Pending } from "./pending.js";
import { type ApplyPlan, planApply } from "./plan.js";
import { openStageDir } from "./stage-place.js";
import { type StoreContext, underLock } from "./store-context.js";
import { accountForOwn } from "./strays.js";
import { UndoLog, undoing } from "./undo-log.js";

export interface MessagesInput {
  readonly pending: Pending;
  readonly known: KnownMailbox;
  readonly dir: Dir;
  /** The mailbox may be another one, which is empty and takes this one's identity. */
  readonly mayTakeOver: boolean;
}

type Inside =
  | {
      readonly kind: "done";
      readonly plan: ApplyPlan;
      readonly rows: readonly LimboRow[];
      readonly notes: readonly ApplyNote[];
    }
  | { readonly kind: "lacking"; readonly wants: readonly BodyNeed[] }
  | { readonly kind: "diverged"; readonly divergence: Divergence };

export function applyMessages(context: StoreContext, input: MessagesInput): ExecuteOutcome {
  const { pending, known, dir } = input;
  const held = underLock(context, { known, dir }, (lock) => applyUnderLock(context, input, lock));
  if (held.kind === "busy") return held;
  const { value, lockedMs } = held;
  if (value.kind !== "done") return value;
  // Outside of the lock: chunks and digests take longer than the renames did.
  const directory = markOf(input.dir.statSelf());
  const effect = effectOf(context, { pending, known, plan: value.plan, rows: value.rows, directory });
  return { kind: "applied", effect, notes: value.notes, lockedMs };
}

function applyUnderLock(context: StoreContext, input: MessagesInput, lock: Dotlock): Inside {
  const { pending, known, dir } = input;
  const { txn, gone, voidBelow } = pending;
  using dirs = new MailboxDirs(dir);
  const read = known.uidlist.read(dir);
  const damage = damageOf(read, txn);
  if (damage !== undefined) return { kind: "diverged", divergence: damage };
  const uidlist = "uidlist" in read ? read.uidlist : undefined;
  const verdict = decideAdoption(txn, uidlist, () => input.mayTakeOver && isEmptyOfMail(dirs));
  if (verdict.kind === "diverged") return verdict;
  const adoption = verdict.adoption;
  const keywords = readKeywords(dir);
  const nowMs = context.clock.nowMs();
  const gathered = gatherView({ txn, known, dirs, uidlist, keywords, adoption, before: pending.sighting, nowMs });
  const isOurs = adoption === undefined && uidlist !== undefined;
  const view = isOurs ? { ...gathered.view, deadUids: findDeadRecords(known, dirs, uidlist) } : gathered.view;
  const planned = planApply({ view, txn, gone, voidBelow, trust: trustOf(pending, view.appliedByUid) });
  if (planned.kind === "diverged") return planned;
  const wants = planned.plan.needs.filter(({ index }) => !pending.staged.has(index));
  if (wants.length > 0) return { kind: "lacking", wants };
  if (adoption === "take-over") {
    takeIdentity(context, { txn, dirs, uidlist, lock });
    return noteTakenOver(applyUnderLock(context, input, lock));
  }
  const rows = runPlan(context, { plan: planned.plan, pending, dirs, uidlist, lock });
  if (gathered.times !== undefined) accountForOwn(known, dirs, gathered.times);
  if (adoption !== undefined) known.unrecorded = undefined;
  return { kind: "done", plan: planned.plan, rows, notes: planned.plan.notes };
}

/**
 * Before any mail comes: what a crash leaves is then the source's mailbox, still empty, and not another's with mail in it that
 * Dovecot would number. Where its UIDVALIDITY happens to be the same, the UIDs that it has given stay given (N never falls): a
 * message that has one of them does not fit, and the source is asked to give it another.
 */
function takeIdentity(
  { life, clock }: StoreContext,
  {
    txn,
    dirs,
    uidlist,
    lock,
  }: {
    readonly txn: Transaction;
    readonly dirs: MailboxDirs;
    readonly uidlist: Uidlist | undefined;
    readonly lock: Dotlock;
  },
): void {
  const { uidValidity, mailbox: guid, headerExtra: extra } = txn;
  const uidNext = uidlist?.header.uidValidity === uidValidity ? uidlist.nextUid : 1;
  const header = { uidNext, extra, reset: { uidValidity, guid } };
  const steps: readonly ApplyStep[] = [
    { kind: "nudge" },
    { kind: "rewrite-uidlist", header, drop: new Set(), replace: new Map(), add: [] },
  ];
  undoing(life, (undo) =>
    executeSteps(steps, {
      ...{ dirs, lock, uidlist, undo, staged: new Map(), stagedIn: [] },
      openLimbo: () => unreachedLimbo(),
      reach: () => undefined,
      nowMs: () => clock.nowMs(),
    }),
  );
  life.reach("apply.identity-taken");
}

function unreachedLimbo(): never {
  throw new TypeError("nothing goes to the limbo when an identity is taken");
}

function noteTakenOver(inside: Inside): Inside {
  if (inside.kind !== "done") return inside;
  const note: ApplyNote = {
    kind: "empty-mailbox-taken-over",
    words: "the mailbox that stood here had another identity, or none, and has the source's now",
  };
  return { ...inside, notes: [...inside.notes, note] };
}

export type AdoptionVerdict =
  | { readonly kind: "go-on"; readonly adoption: Adoption | undefined }
  | { readonly kind: "diverged"; readonly divergence: Divergence };

/** Whether the mailbox is the transaction's, or becomes it. `mayTakeOver` is asked only if it is another one, and one is to be created. */
export function decideAdoption(
  txn: Transaction,
  uidlist: Uidlist | undefined,
  mayTakeOver: () => boolean,
): AdoptionVerdict {
  const { mailbox, path, structure } = txn;
  const guid = uidlist?.header.guid;
  // The same GUID under another UIDVALIDITY: a copy that was numbered anew and has given way at first contact.
  const isOther = guid !== mailbox || uidlist?.header.uidValidity !== txn.uidValidity;
  if (structure?.kind === "create" && isOther && mayTakeOver()) return { kind: "go-on", adoption: "take-over" };
  if (guid !== mailbox) {
    const occupant = guid === undefined ? {} : { occupant: guid };
    return { kind: "diverged", divergence: divergence({ kind: "mailbox-occupied", mailbox, path, ...occupant }) };
  }
  const isBefore = structure?.kind === "reset" && uidlist?.header.uidValidity === structure.before;
  return { kind: "go-on", adoption: isBefore && structure.before !== txn.uidValidity ? "reset" : undefined };
}

/** Whether nothing in it is mail: records without files do not count. */
export function isEmptyOfMail(dirs: MailboxDirs): boolean {
  return listPlaces(dirs, () => true).size === 0;
}

interface RunInput {
  readonly plan: ApplyPlan;
  readonly pending: Pending;
  readonly dirs: MailboxDirs;
  readonly uidlist: Uidlist | undefined;
  readonly lock: Dotlock | undefined;
}

/** Carries the plan out, or takes back what it had done of it. */
export function runPlan(context: StoreContext, { plan, pending, dirs, uidlist, lock }: RunInput): LimboRow[] {
  const { txn, staged } = pending;
  const owner = { mailbox: txn.mailbox, path: txn.path };
  const { limbo, life, clock, cache } = context;
  using undo = new UndoLog();
  const stageDir = openStageDir(context, txn.mailbox);
  if (stageDir !== undefined) undo.hold(stageDir);
  const stagedIn = plan.needs.length === 0 ? [] : stageDir === undefined ? [dirs.tmp] : [dirs.tmp, stageDir];
  try {
    const rows = executeSteps(plan.steps, {
      dirs,
      lock,
      uidlist,
      staged,
      stagedIn,
      openLimbo: () => limbo.open(owner, undo),
      undo,
      reach: life.reach,
      nowMs: () => clock.nowMs(),
    });
    undo.keep();
    return rows;
  } catch (error) {
    if (!life.hasEnded) {
      cache.forget(txn.mailbox);
      undo.undo(error);
      if (errnoOf(error) === "ENOENT") forgetTaken(staged, stagedIn);
    }
    throw error;
  }
}

/** What its owner has taken out of tmp/ is staged no more: found lacking at the next attempt, which would else fail like this one. */
function forgetTaken(staged: Pending["staged"], dirs: readonly Dir[]): void {
  for (const [index, { name }] of staged)
    if (dirs.length > 0 && dirs.every((dir) => dir.stat(name) === undefined)) staged.delete(index);
}

export interface EffectInput {
  readonly pending: Pending;
  readonly known: KnownMailbox;
  readonly plan: ApplyPlan;
  readonly rows: readonly LimboRow[];
  /** The mailbox's: by it the mailbox is known again where somebody renames it. */
  readonly directory: DirectoryMark;
}

/** Moves the remembered baseline, and returns the rows that make it durable. */
export function effectOf(
  { cache, limbo }: StoreContext,
  { pending, known, plan, rows, directory }: EffectInput,
): AppliedEffect {
  const { txn, staged } = pending;
  const baseline = cache.baselineFor(known, txn);
  const put = plan.baseline.put.map(({ record, index }) => {
    if (index === undefined) return record;
    const body = staged.get(index);
    assert(body !== undefined, "a placed body was staged");
    return { ...record, ino: body.ino };
  });
  const edit = baseline.edit({ put, drop: plan.baseline.drop });
  const { path, uidValidity, uidNext, headerExtra } = txn;
  const row = { ...edit.row, path, uidValidity, uidNext, headerExtra, fingerprint: encodeMark(directory) };
  baseline.adopt(edit.chunks, row);
  limbo.remember(rows);
  for (const { index } of plan.needs) staged.delete(index); // they are mail now.
  return { mailboxes: [row], removedMailboxIds: [], chunks: edit.chunks, limbo: rows };
}
