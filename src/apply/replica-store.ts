/**
 * The store of a replica, as the session sees it: transactions go in, mail comes to stand there, effects come out.
 *
 * Everything is synchronous; the worker (apply-worker.ts) serves these methods to the main thread, tests call them.
 * INVARIANT: `execute` is called in the order of the keys; `prepare` and staging may run ahead of it.
 * INVARIANT: a call that throws or diverges has made nothing visible.
 */
import { assert } from "../base/assert.js";
import type { Clock } from "../base/clock.js";
import { type CrashPoint, noCrashPoint } from "../base/crash-points.js";
import type { Dir, Disk } from "../base/disk.js";
import { displayRaw, ROOT_PATH } from "../base/raw-name.js";
import type { StateReader } from "../log/state-ports.js";
import type { LimboRow } from "../log/state-types.js";
import { isProcessAlive } from "../maildir/dotlock-stale.js";
import { maildirError } from "../maildir/errors.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { StateDigester } from "../txn/digest.js";
import { headOf, restOf } from "../txn/split.js";
import type { Transaction } from "../txn/transaction.js";
import { decodeTransaction } from "../txn/transaction-codec.js";
import { applyMessages } from "./apply-messages.js";
import type * as types from "./apply-types.js";
import { isAstray, locateAnywhere, notePutBack, Whereabouts } from "./astray.js";
import { carriedRows, withMove, withRows } from "./carried.js";
import { ComparePages } from "./compare-pages.js";
import type * as compared from "./compare-types.js";
import { createMailbox } from "./create-mailbox.js";
import type { Divergence } from "./divergence.js";
import { exchangePlaces, occupantRows, returnFor } from "./exchange.js";
import { LocalBodies, lackingAmong } from "./find-body.js";
import { moveForeign, yieldUids } from "./foreign.js";
import { confirmHeld, hashHeld, heldAmong } from "./held-bodies.js";
import { judgeTransaction, missing, needsFromNothing, needsOfBrought, refuseTransaction } from "./judge.js";
import { Limbo, openMade } from "./limbo.js";
import { closeBelow, type Located, openMailbox } from "./locate.js";
import { lostRows } from "./lost-rows.js";
import { type KnownMailbox, MailboxCache } from "./mailbox-cache.js";
import { openStore } from "./mailbox-place.js";
import type { BodyNeed } from "./mailbox-view.js";
import { deleteMailbox, finishRename, type RenameOutcome, renameMailbox, siteOf } from "./move-mailbox.js";
import { guidAt } from "./parking.js";
import { encodeIntent, type Pending, pendingOf } from "./pending.js";
import { LimboPurge } from "./purge-limbo.js";
import { NO_GUID } from "./reading.js";
import { recoverStore } from "./recover.js";
import { refusing, whileStanding } from "./refusing.js";
import { stageLocal } from "./stage.js";
import * as staging from "./staging.js";
import { Emptiness, readStanding } from "./standing.js";
import { Life, type StoreContext } from "./store-context.js";
import { InventoryReader, noteSurvey } from "./survey.js";
import { warmMailboxes } from "./warm.js";

export interface ReplicaStorePorts {
  readonly disk: Disk;
  readonly reader: StateReader;
  readonly digester: StateDigester;
  readonly clock: Pick<Clock, "nowMs" | "monotonicMs">;
  readonly crashPoint?: CrashPoint;
  readonly isAlive?: (pid: number) => boolean;
}

/** The others are not the session's, or take more than a store (apply-worker.ts, at-once.ts). */
type Methods = Omit<types.ApplyMethods, "open" | "applyAtOnce" | "purgeLimbo">;

export class ReplicaStore implements Methods {
  readonly limboPurge: LimboPurge;
  readonly #context: StoreContext;
  readonly #pendingByKey = new Map<number, Pending>();
  readonly #inventory = new InventoryReader();
  readonly #pages: ComparePages;
  readonly #emptiness: Emptiness;

  /** Throws: destination-missing, scratch-missing. */
  constructor(ports: ReplicaStorePorts, options: types.ApplyOptions) {
    const { disk, reader, digester, clock, crashPoint = noCrashPoint, isAlive = isProcessAlive } = ports;
    const limbo = new Limbo({ disk, scratchRoot: options.scratchRoot, clock, reader });
    const cache = new MailboxCache({ reader, digester });
    const whereabouts = new Whereabouts(options.storeRoot, clock, () => reader.mailboxes());
    this.#context = { disk, options, clock, reader, cache, limbo, whereabouts, life: new Life(crashPoint), isAlive };
    this.limboPurge = new LimboPurge(this.#context);
    this.#pages = new ComparePages(this.#context);
    this.#emptiness = new Emptiness(this.#context);
    openStore(disk, options.storeRoot).close();
    openMade(disk, options.scratchRoot, []).close();
  }

  recover(): types.RecoverOutcome {
    return recoverStore(this.#context);
  }

  warm(): void {
    this.#inStore((root) => warmMailboxes(this.#context, root));
  }

  prepare(request: types.PrepareRequest): types.PrepareOutcome {
    const { key, voidBelow, verifies = false, bodiesAnew = false } = request;
    const { apartAbove = Number.POSITIVE_INFINITY, along = [], cutAbove = Number.POSITIVE_INFINITY } = request;
    const txn = restOf(decodeTransaction(request.bytes), request.from ?? 0);
    if ((request.mailbox ?? txn.mailbox) !== txn.mailbox) return { kind: "misnamed" };
    let pending = this.#pendingFor(key, txn, { voidBelow, verifies, bodiesAnew });
    const refused = refuseTransaction(txn);
    if (refused !== undefined) return { kind: "diverged", divergence: refused };
    const intent = encodeIntent({ key, mailbox: txn.mailbox, path: txn.path });
    if (txn.structure?.kind === "delete") return { kind: "ready", intent, wants: [], taken: 0 };
    return this.#refusing(pending, (root) => {
      const needs = this.#needsOf(root, pending, along);
      if ("words" in needs) return { kind: "diverged", divergence: needs };
      const bodies = new LocalBodies(this.#context, root, txn);
      const missing = needs.filter(({ index }) => !pending.staged.has(index) && !pending.held.has(index));
      const staged = staging.withStagingDir(this.#context, root, pending, (tmp) => {
        const stage = (need: BodyNeed) => bodies.offer(need, (body) => stageLocal(body, tmp(), pending, need.index));
        const { lacking, cut } = lackingAmong(missing, cutAbove, (need) => bodiesAnew || !stage(need));
        if (cut !== undefined) pending = this.#pendingFor(key, headOf(txn, cut), { voidBelow, verifies, bodiesAnew });
        return { ...staging.stageAlong(tmp, pending, lacking, along), ...(cut === undefined ? {} : { cut }) };
      });
      if (staged.kind === "diverged") return staged;
      return {
        ...{ ...staged, intent, kind: "ready" as const },
        ...(verifies ? { held: heldAmong(pending, needs) } : {}),
        ...(staged.wants.length > apartAbove ? { ticket: staging.ticketFor(this.#context, root, pending) } : {}),
      };
    });
  }

  stageMany({ key, bodies, sync = false }: types.StageRequest): types.StageOutcome {
    const pending = this.#pendingOf(key);
    const outcome = this.#refusing(pending, (root) => staging.stageBodies(this.#context, root, pending, bodies));
    if (sync && outcome.kind === "staged") this.syncStaged({ key });
    return outcome;
  }

  stagePart(part: types.BodyPart): types.StageOutcome {
    const pending = this.#pendingOf(part.key);
    return this.#refusing(pending, (root) => staging.stageBodyPart(this.#context, root, pending, part));
  }

  adoptStaged({ key, bodies }: { readonly key: number; readonly bodies: readonly types.AdoptedBody[] }): void {
    staging.adoptStaged(this.#pendingOf(key), bodies);
  }

  hashHeld({ key, indexes }: types.IndexesRequest): readonly types.HeldHash[] {
    const pending = this.#pendingOf(key);
    const hashes = this.#refusing(pending, (root) => hashHeld(this.#context, root, pending, indexes));
    if (!("kind" in hashes)) return hashes;
    for (const index of indexes) pending.held.delete(index); // they cannot be reached: their bytes have to come.
    return [];
  }

  confirmHeld({ key, indexes }: types.IndexesRequest): void {
    confirmHeld(this.#pendingOf(key), indexes);
  }

  gone({ key, index }: { readonly key: number; readonly index: number }): void {
    this.#pendingOf(key).gone.add(index);
  }

  syncStaged({ key }: types.KeyRequest): void {
    const pending = this.#pendingOf(key);
    const synced = this.#refusing(pending, (root) => staging.syncStaged(this.#context, root, pending));
    if (synced !== undefined) pending.staged.clear(); // out of reach: found lacking when the transaction is executed.
  }

  execute({ key }: types.KeyRequest): types.ExecuteOutcome {
    const pending = this.#pendingOf(key);
    const refused = refuseTransaction(pending.txn);
    if (refused !== undefined) return { kind: "diverged", divergence: refused };
    this.#pages.letGoIfIdle();
    const outcome = this.#refusing(pending, (root) => {
      const lost = this.#lostIn(root, pending.txn);
      const executed = whileStanding(() => this.#believing(pending, () => this.#executeIn(root, pending)));
      return executed.kind === "applied" ? this.#settled(executed, pending.txn, lost) : executed;
    });
    if (outcome.kind === "applied") this.drop({ key });
    return outcome;
  }

  drop({ key }: types.KeyRequest): boolean {
    const pending = this.#pendingByKey.get(key);
    if (pending === undefined) return true;
    this.#pendingByKey.delete(key);
    // Where they cannot be reached they are left, for the next recovery.
    if (staging.hasStaged(pending))
      this.#refusing(pending, (root) => staging.removeStaged(this.#context, root, pending));
    return this.#context.cache.doubtAbout(pending.txn.mailbox)?.intents.length !== 0;
  }

  mailboxes({ strangers }: { readonly strangers: readonly MailboxGuid[] }): readonly types.SurveyedMailbox[] {
    return noteSurvey(this.#context, strangers);
  }

  inventory(request: types.InventoryRequest): types.InventoryOutcome {
    return this.#inStore((root) => this.#inventory.read(root, request));
  }

  compare(request: compared.CompareRequest): compared.CompareOutcome {
    return this.#inStore((root) => this.#pages.compare(root, request));
  }

  tellHeld(request: compared.TellRequest): compared.TellOutcome {
    return this.#inStore((root) => this.#pages.tell(root, request));
  }

  endLooks(): void {
    this.#pages.letGo();
  }

  standing(request: compared.StandingRequest): compared.StandingOutcome {
    return this.#inStore((root) => readStanding(this.#context, root, request));
  }

  emptied(): boolean {
    return this.#inStore((root) => this.#emptiness.isEmptied(root));
  }

  intentOfForeign({ path }: Pick<types.ForeignRequest, "path">): Uint8Array {
    return this.#inStore((root) => encodeIntent({ key: 0, mailbox: guidAt(root, path) ?? NO_GUID, path }));
  }

  foreign(request: types.ForeignRequest): types.ForeignOutcome {
    return this.#inStore((root) => moveForeign(this.#context, root, request));
  }

  yieldUids(request: types.YieldRequest): types.YieldOutcome {
    const { mailbox } = request;
    const { cache, whereabouts } = this.#context;
    return this.#inStore((root) => {
      const path = cache.rowOf(mailbox)?.path ?? whereabouts.of(root, mailbox, undefined) ?? ROOT_PATH; // for the words.
      return refusing({ mailbox, path }, () => yieldUids(this.#context, root, request));
    });
  }

  forget({ mailbox }: types.ForgetRequest): void {
    this.#context.cache.forget(mailbox);
  }

  /** Looked for once, before anything is done: while the baseline still knows what was removed. */
  #lostIn(root: Dir, { mailbox, path }: Transaction): readonly LimboRow[] {
    const { cache } = this.#context;
    const doubt = cache.doubtAbout(mailbox);
    if (doubt === undefined) return [];
    const lost = doubt.lost ?? lostRows(this.#context, root, { mailbox, path: cache.rowOf(mailbox)?.path ?? path });
    doubt.lost = lost;
    return lost;
  }

  /** The effect also records what an attempt that broke off came not to record, and takes back what told of it. */
  #settled(outcome: Applied, { mailbox }: Transaction, lost: readonly LimboRow[]): Applied {
    const { cache, limbo } = this.#context;
    const settles = cache.doubtAbout(mailbox)?.intents ?? [];
    cache.settle(mailbox);
    const { effect } = outcome;
    const names = new Set(effect.limbo.map(({ name }) => name)); // an empty directory for a mailbox may have served again.
    const others = lost.filter(({ name }) => !names.has(name));
    limbo.remember(others);
    return { ...outcome, effect: { ...effect, settles, limbo: [...effect.limbo, ...others] } };
  }

  /** After a failure nothing that is remembered of the mailbox is believed. */
  #believing<T>({ txn }: Pending, run: () => T): T {
    try {
      return run();
    } catch (error) {
      this.#context.cache.forget(txn.mailbox);
      throw error;
    }
  }

  /** What the system refuses in one mailbox is that mailbox's divergence; what concerns the whole store is thrown. */
  #refusing<T>({ txn }: Pending, use: (root: Dir) => T): T | Extract<types.StageOutcome, { kind: "diverged" }> {
    return refusing(txn, () => this.#inStore(use));
  }

  #inStore<T>(use: (root: Dir) => T): T {
    const root = openStore(this.#context.disk, this.#context.options.storeRoot);
    try {
      return use(root);
    } finally {
      root.close();
    }
  }

  /** Bodies that were staged for it before stay. */
  #pendingFor(key: number, txn: Transaction, how: Pick<Pending, "voidBelow" | "verifies" | "bodiesAnew">): Pending {
    const pending = pendingOf({ key, txn, ...how }, this.#pendingByKey.get(key));
    this.#pendingByKey.set(key, pending);
    return pending;
  }

  #pendingOf(key: number): Pending {
    const pending = this.#pendingByKey.get(key);
    assert(pending !== undefined, `transaction ${key} was not prepared`);
    return pending;
  }

  /** Which bodies it takes, or why it does not fit. What an earlier transaction will change is not judged yet. */
  #needsOf(root: Dir, pending: Pending, along: readonly types.BodyParts[]): readonly BodyNeed[] | Divergence {
    const brought = needsOfBrought(pending.txn, along);
    if (brought !== undefined) return brought;
    const judged = judgeTransaction(this.#context, root, pending);
    if (!("words" in judged) || !this.#isAheadOfOthers(pending)) return judged;
    const needs = needsFromNothing(pending.txn, pending.gone, 0);
    return "words" in needs ? judged : needs;
  }

  #isAheadOfOthers({ key, txn }: Pending): boolean {
    return [...this.#pendingByKey.values()].some((other) => other.key < key && other.txn.mailbox === txn.mailbox);
  }

  #executeIn(root: Dir, pending: Pending): types.ExecuteOutcome {
    const { txn } = pending;
    const exchanged = exchangePlaces(this.#context, root, txn);
    if (exchanged.kind !== "settled") return exchanged;
    const known = this.#context.cache.get(txn.mailbox);
    const locate = () => locateAnywhere(this.#context.whereabouts, root, known, txn);
    let located = locate();
    if (located.kind === "absent") {
      if (!returnFor(this.#context, root, txn)) return { kind: "diverged", divergence: missing(txn) };
      located = locate();
    }
    if (located.kind === "diverged") return located;
    if (located.kind === "absent") return this.#executeAbsent(root, pending, known);
    try {
      const homes = [known.baseline?.row.path, txn.structure?.kind === "rename" ? txn.structure.from : undefined];
      const outcome = this.#executeFound(root, pending, { known, found: located });
      if (outcome.kind !== "applied") return outcome;
      const others = [carriedRows, occupantRows].flatMap((rowsOf) => rowsOf(this.#context, root, txn, homes));
      const displaced = new Set(exchanged.rows.map(({ guid }) => guid)); // it may be among the others, too.
      return withRows(outcome, [...exchanged.rows, ...others.filter(({ guid }) => !displaced.has(guid))]);
    } finally {
      closeBelow(root, located.dir);
    }
  }

  #executeAbsent(root: Dir, pending: Pending, known: KnownMailbox): types.ExecuteOutcome {
    const { txn } = pending;
    if (txn.structure?.kind === "delete") return deleteMailbox(this.#context, root, { known, found: undefined, txn });
    // Made in an emptied store it would stand for all that was there: the source looks at all before it sends one that is missing.
    const isMade = txn.structure?.kind === "create" && !this.#emptiness.isEmptied(root);
    if (!isMade) return { kind: "diverged", divergence: missing(txn) };
    const opened = openMailbox(root, txn);
    if (opened.kind === "diverged") return opened;
    if (opened.kind === "absent") return createMailbox(this.#context, { root, pending, known, standing: undefined });
    const standing = opened.dir;
    try {
      const isMailbox = siteOf(root, txn.path) === "mailbox";
      const mayTakeOver = !this.#isWritten(guidAt(root, txn.path)); // an empty one of ours is to move, not to become another.
      if (isMailbox) return applyMessages(this.#context, { pending, known, dir: standing, mayTakeOver });
      return createMailbox(this.#context, { root, pending, known, standing });
    } finally {
      closeBelow(root, standing);
    }
  }

  #isWritten(mailbox: MailboxGuid | undefined): boolean {
    return mailbox !== undefined && this.#context.cache.rowOf(mailbox) !== undefined;
  }

  #executeFound(
    root: Dir,
    pending: Pending,
    { known, found }: { readonly known: KnownMailbox; readonly found: Extract<Located, { kind: "found" }> },
  ): types.ExecuteOutcome {
    const { txn } = pending;
    if (txn.structure?.kind === "delete") return deleteMailbox(this.#context, root, { known, found, txn });
    const astray = isAstray(known, found.path, txn);
    const mayMove = astray || txn.structure?.kind === "rename" || txn.structure?.kind === "create";
    if (!found.hasCur && txn.structure?.kind === "create" && found.path === txn.path) {
      return createMailbox(this.#context, { root, pending, known, standing: found.dir });
    }
    if (!mayMove || found.path === txn.path) {
      if (!found.hasCur) return { kind: "diverged", divergence: missing(txn) };
      const finished = this.#finishRename(root, known, txn);
      if (finished.kind !== "moved") return finished;
      return applyMessages(this.#context, { pending, known, dir: found.dir, mayTakeOver: true });
    }
    const moved = renameMailbox(this.#context, root, { known, found, txn });
    if (moved.kind !== "moved") return moved;
    const isTold = !astray || known.baseline === undefined; // at first contact, as a conflict.
    const notes = isTold ? [] : [notePutBack(found.path, txn.path)];
    const opened = openMailbox(root, txn);
    if (opened.kind !== "opened") throw maildirError("mailbox-vanished", `moving ${displayRaw(txn.path)}: it moved on`);
    try {
      const outcome = applyMessages(this.#context, { pending, known, dir: opened.dir, mayTakeOver: false });
      if (outcome.kind === "applied") return withMove(outcome, moved.limbo, notes);
      this.#context.cache.doubt(txn.mailbox); // what made room for it is in the limbo.
      return outcome;
    } finally {
      closeBelow(root, opened.dir);
    }
  }

  #finishRename(root: Dir, known: KnownMailbox, { structure, path }: Transaction): RenameOutcome {
    if (structure?.kind !== "rename" || structure.from === path) return { kind: "moved", limbo: [] };
    return finishRename(this.#context, root, { known, from: structure.from });
  }
}

type Applied = Extract<types.ExecuteOutcome, { kind: "applied" }>;
