/**
 * The brake as the capture worker has it: sifts what is about to be sealed, remembers what it holds back, and what a person has let go.
 *
 * What is held stays in the baseline, and so in the log and on every replica: nothing is stored of it, each look at its mailbox finds it
 * again, and where it came back nobody has deleted anything. UIDs are never used twice, so that it may wait for any time.
 *
 * INVARIANT: that the brake is on is durable with the answer that first holds something back (`takeMeta`), and off only by `approve`.
 * INVARIANT: what a person lets go is what was held then, by mailbox and UID; what goes later is judged anew.
 * INVARIANT: only what is gone is held. A message that has another UID in its mailbox, or stands in another one of its user, moved.
 */
import { type RawPath, rawFromText } from "../base/raw-name.js";
import type { MailboxRow } from "../log/state-types.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import { encodeImapName } from "../maildir/imap-name.js";
import { type BrakeLimits, type BrakeState, decideDeletion, type Going, limitOf, RELEASED } from "./brake.js";
import type { HeldNow } from "./brought-back.js";
import type { BackAgain, BrakeReport, HeldMailbox, HeldWhy } from "./capture-types.js";
import { InnerMounts, type LostMount, type MountPorts } from "./inner-mounts.js";
import type { MarkedFinding } from "./settle-findings.js";
import { formatUids, parseUids, UidSet } from "./uid-set.js";

/** Of the table `meta`. */
export const BRAKE_KEY = "deletion-brake";
const APPROVED_KEY = "deletions-approved";
/** So many at once are looked for in other mailboxes before they count. */
const MOVED_MIN = 32;
/** Fewer at once are, too, when so much of the limit is used up: by moves that counted, maybe. */
const NEAR_SHARE = 0.25;
const NAMED_MAX = 50;
const UIDS_NAMED_MAX = 5;

export interface BrakeSources {
  readonly meta: (key: string) => string | undefined;
  /** Messages that the log has. */
  readonly total: () => number;
  /** Which of these messages of that mailbox stand in another one of its user too. */
  readonly standing: (row: MailboxRow, findings: readonly MarkedFinding[]) => ReadonlySet<Uid>;
  readonly mounts: MountPorts;
}

/** What one examination would expunge. */
export interface Sifting {
  readonly row: MailboxRow;
  readonly findings: readonly MarkedFinding[];
  /** Whether the mailbox has that base name under another UID. */
  readonly isRenumbered: (finding: MarkedFinding) => boolean;
  /** The listing that it comes of; undefined: of none. */
  readonly pass: Pass | undefined;
  readonly nowMs: number;
}

type Approved = ReadonlyMap<string, UidSet | "*">;

/** A listing that is worked off in several examinations. */
export interface Pass {
  /** UIDs of it that are held back so far. */
  readonly held: Set<number>;
  /** How many messages it lacks that are gone: about so many, where two listings in a row have to lack them. */
  readonly lost: number;
  /** Findings of it that were sifted. */
  sifted: number;
  /** How often something had been let go when it was sifted first; undefined before that. */
  begunAt?: number;
}

export class DeletionBrake {
  /** What lies in those that are lost is held, too. */
  readonly mounts: InnerMounts;
  readonly #limits: BrakeLimits;
  readonly #sources: BrakeSources;
  readonly #uncounted: ReadonlySet<string>;
  readonly #held = new Map<MailboxGuid, HeldNow>();
  #state: BrakeState;
  /** That before an examination which has no answer yet. */
  #before: BrakeState | undefined;
  /** By GUID; "*" is all of a mailbox. */
  #approved: Approved;
  #meta: { readonly key: string; readonly value: string }[] = [];
  #report: BrakeReport | undefined;
  /** Of which that is. */
  #reported: readonly LostMount[] | undefined;
  #approvals = 0;

  constructor(limits: BrakeLimits, sources: BrakeSources) {
    this.#limits = limits;
    this.#sources = sources;
    const { meta, mounts } = sources;
    this.mounts = new InnerMounts({ ...mounts, meta, note: (key, value) => this.#note(key, value) });
    this.#state = parseState(sources.meta(BRAKE_KEY));
    this.#approved = parseApproved(sources.meta(APPROVED_KEY));
    const names = limits.uncounted.flatMap((name) => [encodeImapName(name), rawFromText(name)]);
    this.#uncounted = new Set(names.map((name) => name.toLowerCase()));
  }

  /** The findings that may be sealed: all but deletions that are held back. */
  sift({ row, findings, isRenumbered, pass, nowMs }: Sifting): readonly MarkedFinding[] {
    this.#before = this.#state;
    const expunged = findings.filter(({ before, now }) => before !== undefined && now === undefined);
    const gone = expunged.filter((finding) => !isRenumbered(finding) && !this.#isApproved(row.guid, finding.uid));
    if (pass !== undefined) this.#noteSifted(pass, expunged.length);
    if (gone.length === 0) return findings;
    const deleted = this.#withoutMoved(row, gone);
    const left = pass === undefined ? 0 : Math.max(0, pass.lost - pass.sifted);
    const ahead = Math.floor((left * deleted.length) / expunged.length); // as much of the rest as of this part.
    this.#judge(row, { going: "expunged", messages: deleted.length, ahead, nowMs });
    if (this.#state.engaged === undefined) return findings;
    const uids = new Set<number>(deleted.map(({ uid }) => uid));
    const held = pass?.held ?? new Set(this.#held.get(row.guid)?.uids);
    for (const uid of uids) held.add(uid);
    if (uids.size > 0) this.#hold(row, held);
    return findings.filter(({ uid }) => !uids.has(uid));
  }

  /** A listing was worked off: what it does not hold is not held any more, and what was let go has gone, or came back. */
  endPass({ guid }: Pick<MailboxRow, "guid">, pass: Pass): void {
    if (pass.held.size === 0) this.#letGo(guid);
    if (pass.begunAt === this.#approvals) this.#forgetApproved(guid);
  }

  holds({ guid }: Pick<MailboxRow, "guid">): boolean {
    return this.#held.has(guid);
  }

  /** Whether the log may say that this mailbox is gone. `ahead`: messages of others that went with it. */
  mayDelete(row: MailboxRow, { ahead, nowMs }: { readonly ahead: number; readonly nowMs: number }): boolean {
    const approved = this.#approved.get(row.guid);
    const messages = approved === "*" ? 0 : row.messages - (approved?.size ?? 0);
    if (messages > 0) this.#judge(row, { going: "mailbox", messages, ahead, nowMs });
    const isHeld = messages > 0 && this.#state.engaged !== undefined;
    if (isHeld) this.#hold(row, undefined);
    else {
      this.#letGo(row.guid);
      this.#forgetApproved(row.guid); // a backup that brings it back has the same GUID.
    }
    return !isHeld;
  }

  /** Mailboxes that are gone, and are not to be taken for that. */
  get heldWhole(): readonly MailboxGuid[] {
    return [...this.#held.keys()].filter((guid) => this.isHeldWhole(guid));
  }

  isHeldWhole(guid: MailboxGuid): boolean {
    const held = this.#held.get(guid);
    return held !== undefined && held.uids === undefined;
  }

  /** Why that mailbox, as the log has it, or one of these messages of it, is held; undefined: it is not. */
  whyHeld({ guid, path }: Pick<MailboxRow, "guid" | "path">, uids: readonly Uid[]): HeldWhy | undefined {
    if (this.mounts.standingOf(path) === "lost") return "mount-missing";
    const held = this.#held.get(guid);
    const isHeld = held !== undefined && (held.uids === undefined || uids.some((uid) => held.uids?.has(uid)));
    return isHeld ? "deletions-held" : undefined;
  }

  /** Mailboxes that were found: those of them that were held as gone are not. */
  noteStanding(guids: Iterable<MailboxGuid | undefined>): void {
    if (this.#held.size === 0) return;
    for (const guid of guids) if (guid !== undefined && this.isHeldWhole(guid)) this.#letGo(guid);
  }

  /** Undefined while it is off. */
  get report(): BrakeReport | undefined {
    const { engaged } = this.#state;
    const { lost } = this.mounts;
    const [first] = lost;
    if (engaged === undefined && first === undefined) return undefined;
    if (this.#report !== undefined && this.#reported === lost) return this.#report;
    const byGuid = new Map(this.#held);
    for (const row of rowsOf(lost)) byGuid.set(row.guid, { row, uids: undefined });
    const mailboxes = Array.from(byGuid.values(), describe).sort((a, b) => b.messages - a.messages);
    const held = mailboxes.reduce((sum, { messages }) => sum + messages, 0);
    const why = { sinceMs: first?.sinceMs ?? 0, why: "mount-missing", messages: held, limit: 0 } as const;
    this.#reported = lost;
    this.#report = {
      ...(engaged ?? why),
      ...{ held, mailboxes: mailboxes.length, named: mailboxes.slice(0, NAMED_MAX) },
      mounts: lost.map(({ path }) => path),
    };
    return this.#report;
  }

  /** What is held now may go, and the brake is off until too much goes again. Returns the mailboxes that stand, and out of which it may. */
  approve(): readonly RawPath[] {
    const approved = new Map<string, UidSet | "*">();
    for (const [guid, { uids }] of this.#held) approved.set(guid, uids === undefined ? "*" : new UidSet(uids));
    for (const { guid } of rowsOf(this.mounts.lost)) approved.set(guid, "*");
    this.mounts.accept();
    const paths = Array.from(this.#held.values()).flatMap(({ row, uids }) => (uids === undefined ? [] : [row.path]));
    this.#held.clear();
    this.#approvals += 1;
    this.#setApproved(approved);
    this.#set(RELEASED);
    return paths;
  }

  /** With the rows of the moment in which it was held. */
  get held(): readonly HeldNow[] {
    return [...this.#held.values()];
  }

  /** Of what is held now this may go, being back as other messages; the brake stays on. Returns as `approve`. */
  release(back: readonly BackAgain[]): readonly RawPath[] {
    const approved = new Map(this.#approved);
    const released = back.flatMap(({ guid, uids: text }) => {
      const held = this.#held.get(guid);
      if (held === undefined || (held.uids === undefined) !== (text === "*")) return []; // it has changed meanwhile.
      const uids = held.uids === undefined ? "*" : heldOf(held.uids, parseUids(text));
      const before = approved.get(guid);
      if (uids === "*" || before === "*") approved.set(guid, "*");
      else approved.set(guid, new UidSet([...uids, ...(before?.uids() ?? [])]));
      this.#keep(held, uids);
      return held.uids === undefined ? [] : [held.row.path];
    });
    this.#approvals += 1;
    this.#setApproved(approved);
    return released;
  }

  /** An examination came to nothing: what it has counted is counted when it comes again. That it is on stays. */
  takeBack(): void {
    if (this.#before !== undefined && this.#state.engaged === undefined) this.#set(this.#before);
    this.#before = undefined;
  }

  /** What is to be recorded with the next answer, once. */
  takeMeta(): readonly { readonly key: string; readonly value: string }[] {
    this.#before = undefined;
    return this.#meta.splice(0);
  }

  /** What an older one has passed may go now, which only the next one finds. */
  #noteSifted(pass: Pass, count: number): void {
    pass.begunAt ??= this.#approvals;
    if (pass.begunAt !== this.#approvals) pass.held.clear();
    pass.sifted += count;
  }

  #judge(
    row: MailboxRow,
    deletion: { readonly going: Going; readonly messages: number; readonly ahead: number; readonly nowMs: number },
  ): void {
    if (this.#state.engaged !== undefined || this.#isUncounted(row.path, deletion.going)) return;
    this.#set(decideDeletion(this.#state, { ...deletion, total: this.#sources.total }, this.#limits));
  }

  /** Only where it matters: others' uidlists are read for it. */
  #withoutMoved(row: MailboxRow, gone: readonly MarkedFinding[]): readonly MarkedFinding[] {
    const isMany = gone.length >= MOVED_MIN || this.#state.engaged !== undefined;
    const standing = isMany || this.#isNear(gone.length) ? this.#sources.standing(row, gone) : new Set<Uid>();
    return standing.size === 0 ? gone : gone.filter(({ uid }) => !standing.has(uid));
  }

  #isNear(messages: number): boolean {
    const counted = this.#state.counted.reduce((sum, each) => sum + each.expunged + each.inMailboxes, messages);
    const limit = limitOf(this.#limits, this.#sources.total());
    return counted > Math.min(this.#limits.messages, limit * NEAR_SHARE);
  }

  #isApproved(guid: MailboxGuid, uid: Uid): boolean {
    const approved = this.#approved.get(guid);
    return approved === "*" || approved?.has(uid) === true;
  }

  /** Of a mailbox that goes, only those around it count: a client empties the trash of its folders, not of itself. */
  #isUncounted(path: RawPath, going: Going): boolean {
    const names = path.split("/").flatMap((part) => (part.startsWith(".") ? part.slice(1).split(".") : [part]));
    return (going === "mailbox" ? names.slice(0, -1) : names).some((name) => this.#uncounted.has(name.toLowerCase()));
  }

  #hold(row: MailboxRow, uids: ReadonlySet<number> | undefined): void {
    this.#held.set(row.guid, { row, uids });
    this.#report = undefined;
  }

  /** All but what is released goes on being held. */
  #keep({ row, uids }: HeldNow, released: "*" | readonly number[]): void {
    const gone = new Set(released === "*" ? [] : released);
    const left = new Set([...(uids ?? [])].filter((uid) => !gone.has(uid)));
    if (left.size > 0) this.#hold(row, left);
    else this.#letGo(row.guid);
  }

  #letGo(guid: MailboxGuid): void {
    if (this.#held.delete(guid)) this.#report = undefined;
  }

  #forgetApproved(guid: MailboxGuid): void {
    if (this.#approved.has(guid)) this.#setApproved(new Map([...this.#approved].filter(([other]) => other !== guid)));
  }

  #setApproved(approved: Approved): void {
    this.#approved = approved;
    this.#note(APPROVED_KEY, formatApproved(approved));
  }

  #set(state: BrakeState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#report = undefined;
    this.#note(BRAKE_KEY, JSON.stringify(state));
  }

  #note(key: string, value: string): void {
    this.#meta = [...this.#meta.filter((each) => each.key !== key), { key, value }];
  }
}

/** One that lies in a mount in another one is one. */
function rowsOf(lost: readonly LostMount[]): readonly MailboxRow[] {
  return [...new Map(lost.flatMap(({ rows }) => rows.map((row) => [row.guid, row] as const))).values()];
}

function describe({ row, uids }: HeldNow): HeldMailbox {
  const { path, messages } = row;
  if (uids === undefined) return { path, messages, isWhole: true, uids: [] };
  return { path, messages: uids.size, isWhole: false, uids: firstOf(uids) };
}

function heldOf(uids: ReadonlySet<number>, meant: UidSet): readonly number[] {
  return [...uids].filter((uid) => meant.has(uid));
}

/** A listing finds them ascending; there may be a million. */
function firstOf(uids: ReadonlySet<number>): number[] {
  const first: number[] = [];
  for (const uid of uids) if (first.push(uid) === UIDS_NAMED_MAX) break;
  return first;
}

/** `text`: the value of `BRAKE_KEY`. */
export function isBraked(text: string | undefined): boolean {
  return parseState(text).engaged !== undefined;
}

/** What cannot be read is as if nothing had been noted. */
function parseState(text: string | undefined): BrakeState {
  const state = parseJson(text) as Partial<BrakeState> | undefined;
  return { counted: state?.counted ?? [], engaged: state?.engaged };
}

function parseApproved(text: string | undefined): Approved {
  const byGuid = (parseJson(text) ?? {}) as Readonly<Record<string, string>>;
  return new Map(Object.entries(byGuid).map(([guid, uids]) => [guid, uids === "*" ? uids : parseUids(uids)]));
}

function formatApproved(approved: Approved): string {
  return JSON.stringify(
    Object.fromEntries([...approved].map(([guid, uids]) => [guid, uids === "*" ? uids : formatUids(uids)])),
  );
}

function parseJson(text: string | undefined): unknown {
  return text === undefined || text === "" ? undefined : JSON.parse(text);
}
