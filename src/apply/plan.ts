/**
 * The decision of the room: what has to be written so that a mailbox is as a transaction says. Pure.
 *
 * Order of the steps is the safety argument: keywords before names that use their letters (R16), files before their
 * records (both in one hold of the lock, R5), the uidlist last. What is already so gives no step.
 * INVARIANT: after the plan max(N, last UID + 1) is at least the transaction's `uidNext`, by a rewrite if need be, so
 * that both sides would give the same next UID.
 */
import { unreachable } from "../base/assert.js";
import { displayRaw } from "../base/raw-name.js";
import { formatRecord, type UidlistRecord } from "../maildir/uidlist-write.js";
import type { Transaction } from "../txn/transaction.js";
import type { ApplyNote } from "./apply-types.js";
import { type Divergence, divergence } from "./divergence.js";
import { Draft, type DraftMessage } from "./draft.js";
import { fitName } from "./fit-name.js";
import { type FoldContext, foldChange } from "./fold-changes.js";
import { type BodyTrust, NO_TRUST } from "./held-bodies.js";
import type { ApplyStep, BaselineChange, BodyNeed, LimboSubject, MailboxView, PresentFile } from "./mailbox-view.js";
import { sameNameMarks } from "./marks.js";

export interface ApplyPlan {
  readonly steps: readonly ApplyStep[];
  /** Bodies that `place` steps take from the staged ones. */
  readonly needs: readonly BodyNeed[];
  /** Of these, files that are here and would do if they were known to be the source's, by index. */
  readonly held: ReadonlyMap<number, PresentFile>;
  readonly baseline: BaselineChange;
  /** The replica's next UID afterwards. */
  readonly uidNext: number;
  readonly notes: readonly ApplyNote[];
}

export type PlanOutcome =
  | { readonly kind: "plan"; readonly plan: ApplyPlan }
  | { readonly kind: "diverged"; readonly divergence: Divergence };

export interface PlanInput {
  readonly view: MailboxView;
  readonly txn: Transaction;
  /** Indexes of changes whose body the source does not have any more. */
  readonly gone: ReadonlySet<number>;
  /** Saves with a lower UID that is not bound here are left out. */
  readonly voidBelow: number;
  /** Default: bodies are believed by base name and size. */
  readonly trust?: BodyTrust;
}

/** The rewrite is cheap enough when what is appended is not small beside what is there (amortised: linear). */
const REWRITE_RATIO = 4;

export function planApply({ view, txn, gone, voidBelow, trust = NO_TRUST }: PlanInput): PlanOutcome {
  const refusal = refuseIdentity(view, txn);
  if (refusal !== undefined) return { kind: "diverged", divergence: refusal };
  const draft = new Draft(view);
  const notes: ApplyNote[] = [];
  const context: FoldContext = {
    txn,
    draft,
    gone,
    voidBelow,
    notes,
    trust,
    held: new Map(),
    saveIndexByBase: savesByBase(txn),
  };
  if (view.adoption === "reset") clearForReset(context);
  for (const [index, change] of txn.changes.entries()) {
    const diverged = foldChange(context, change, index);
    if (diverged !== undefined) return { kind: "diverged", divergence: diverged };
  }
  for (const name of draft.keywords.refused) {
    notes.push({ kind: "keywords-full", words: `keyword ${displayRaw(name)} is left out: all 26 letters are taken` });
  }
  notes.push(...notesOfSeconds(draft));
  const files = planFiles(draft, notes);
  const list = planUidlist(draft, txn);
  if (view.adoption === undefined && list.uidNext > txn.uidNext) {
    const words = `the next UID here is ${list.uidNext}, at the source ${txn.uidNext}: the replica has given out some itself`;
    notes.push({ kind: "next-uid-ahead", words });
  }
  const steps = [...files, ...list.steps];
  const put = [...draft.put.values()];
  const drop = [...draft.dropped.values()].filter((uid) => !draft.put.has(uid));
  return {
    kind: "plan",
    plan: {
      steps,
      needs: needsOf(draft, txn),
      held: context.held,
      baseline: { put, drop },
      uidNext: list.uidNext,
      notes,
    },
  };
}

function refuseIdentity(view: MailboxView, txn: Transaction): Divergence | undefined {
  if (view.adoption !== undefined) return undefined;
  const { mailbox, path } = txn;
  if (view.guid !== mailbox || view.uidValidity === undefined)
    return divergence({ kind: "mailbox-missing", mailbox, path });
  if (view.uidValidity === txn.uidValidity) return undefined;
  const { uidValidity: source } = txn;
  return divergence({ kind: "uidvalidity-differs", mailbox, path, source, replica: view.uidValidity });
}

function savesByBase(txn: Transaction): Map<string, number> {
  const indexByBase = new Map<string, number>();
  for (const [index, change] of txn.changes.entries()) {
    if (change.kind === "save" || change.kind === "rebind") indexByBase.set(change.message.base, index);
  }
  return indexByBase;
}

/**
 * Every UID is void. Messages that this transaction binds anew stay; the rest goes to the limbo, where the saves that
 * follow find it: a file left here without a record would get a UID from Dovecot.
 */
function clearForReset({ draft, saveIndexByBase }: FoldContext): void {
  for (const { uid, base, size } of draft.view.appliedByUid.values()) {
    draft.disown(uid);
    if (saveIndexByBase.has(base)) continue;
    const message = draft.message(base);
    if (message.body === "file") message.limbo = { uid, base, size, cause: "reset" };
    message.body = "none";
  }
}

/** A second name of a base name is no message of its own: Dovecot would make one of it, under a UID that the source has not. */
function notesOfSeconds(draft: Draft): ApplyNote[] {
  return [...draft.messages].flatMap(({ base, seconds }) =>
    seconds.map(({ dir, name }): ApplyNote => {
      const words = `${dir}/${displayRaw(name)} was moved to the limbo: a second file of the message ${displayRaw(base)}`;
      return { kind: "second-file", words };
    }),
  );
}

/** Marks that do not fit into a name are noted. */
function planFiles(draft: Draft, notes: ApplyNote[]): ApplyStep[] {
  const limbo: ApplyStep[] = [];
  const place: ApplyStep[] = [];
  const rename: ApplyStep[] = [];
  const expunge: ApplyStep[] = [];
  for (const message of draft.messages) {
    const { file, body } = message;
    for (const second of message.seconds) limbo.push({ kind: "limbo", file: second, subject: subjectOfSecond(second) });
    if (file !== undefined && body !== "file" && message.limbo !== undefined) {
      (typeof body === "number" ? limbo : expunge).push({ kind: "limbo", file, subject: message.limbo });
    }
    if (typeof body === "number") place.push({ kind: "place", index: body, ...placeOf(message, notes) });
    else if (body === "file" && file !== undefined) rename.push(...planPresent(draft, message, notes));
  }
  const table = draft.keywords.grownTable;
  const keywords: ApplyStep[] = table === undefined ? [] : [{ kind: "write-keywords", table }];
  return [...keywords, ...limbo, ...place, ...rename, ...expunge];
}

/** Without a UID: it never had one here that was its own, and is not looked for as anybody's body. */
function subjectOfSecond({ name, size }: PresentFile): LimboSubject {
  return { uid: 0, base: name.split(":", 1)[0] ?? name, size, cause: "foreign" };
}

/** A file that stays. In `new/` it stays there as long as it has no marks: Dovecot moves it when somebody looks. */
function planPresent(draft: Draft, message: DraftMessage, notes: ApplyNote[]): ApplyStep[] {
  const { file } = message;
  if (file === undefined) return [];
  const steps: ApplyStep[] = [];
  const wantsTime = message.mtimeS !== undefined && message.mtimeS !== file.mtimeS;
  const marksDiffer = !sameNameMarks(message.marks, message.marksNow);
  const baseDiffers = message.base !== draft.view.fileByBase.get(message.base)?.name.split(":", 1)[0];
  const target = marksDiffer || baseDiffers ? placeOf(message, notes) : file;
  if (target.name !== file.name) steps.push({ kind: "rename", file, dir: target.dir, name: target.name });
  if (wantsTime && message.mtimeS !== undefined) {
    const dir = target.name === file.name ? file.dir : target.dir;
    steps.push({ kind: "set-time", name: target.name, dir, mtimeS: message.mtimeS });
  }
  return steps;
}

function placeOf(message: DraftMessage, notes: ApplyNote[]): { readonly dir: "cur" | "new"; readonly name: string } {
  const { dir, name, note } = fitName(message);
  if (note !== undefined) notes.push(note);
  return { dir, name };
}

function needsOf(draft: Draft, txn: Transaction): BodyNeed[] {
  const needs: BodyNeed[] = [];
  for (const { body } of draft.messages) {
    const change = typeof body === "number" ? txn.changes[body] : undefined;
    if (change === undefined) continue;
    switch (change.kind) {
      case "save":
      case "rebind": {
        const { uid, base, size } = change.message;
        needs.push({ index: body as number, uid, base, size });
        break;
      }
      case "marks":
      case "expunge":
        break;
      default:
        unreachable(change);
    }
  }
  return needs;
}

function planUidlist(draft: Draft, txn: Transaction): { readonly steps: ApplyStep[]; readonly uidNext: number } {
  const { view } = draft;
  const add: UidlistRecord[] = [];
  const replace = new Map<number, UidlistRecord>();
  const drop = new Set<number>();
  for (const [uid, record] of draft.records) {
    const old = view.adoption === undefined ? view.recordByUid.get(uid) : undefined;
    if (record === undefined) {
      if (old !== undefined) drop.add(uid);
    } else if (old === undefined) add.push(record);
    else if (old.base !== record.base || old.fields !== record.fields) replace.set(uid, record);
  }
  add.sort((a, b) => a.uid - b.uid);
  const lastUid = Math.max(view.lastUid, add.at(-1)?.uid ?? 0);
  const nextByRecords = view.adoption === undefined ? Math.max(view.uidNext, lastUid + 1) : 0;
  const uidNext = Math.max(nextByRecords, txn.uidNext);
  const isMostlyDead = draft.deadUids.size * REWRITE_RATIO >= view.recordCount && draft.deadUids.size > 0;
  // A key that only this Dovecot writes (P) is its own affair; to take it away would be to rewrite for ever.
  const extra = txn.headerExtra === "" && view.adoption === undefined ? view.headerExtra : txn.headerExtra;
  const mustRewrite =
    view.adoption !== undefined ||
    view.hasTornLine ||
    drop.size > 0 ||
    replace.size > 0 ||
    uidNext > nextByRecords ||
    view.headerExtra !== extra ||
    isMostlyDead;
  if (!mustRewrite && bytesOf(add) * REWRITE_RATIO < view.uidlistBytes) {
    return { steps: add.length === 0 ? [] : [{ kind: "append-records", add }], uidNext };
  }
  for (const uid of draft.deadUids) {
    drop.add(uid);
    replace.delete(uid); // it got another name first.
  }
  const { uidValidity, mailbox: guid } = txn;
  const reset = view.adoption === undefined ? undefined : { uidValidity, guid };
  const header = { uidNext, extra, reset };
  // Only a record may have moved: an idle session looks when the directory changes.
  const nudge: ApplyStep[] = drop.size > 0 || replace.size > 0 || reset !== undefined ? [{ kind: "nudge" }] : [];
  return { steps: [...nudge, { kind: "rewrite-uidlist", header, drop, replace, add }], uidNext };
}

function bytesOf(records: readonly UidlistRecord[]): number {
  return records.reduce((sum, record) => sum + formatRecord(record).length, 0);
}
