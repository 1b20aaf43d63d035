/**
 * A state database in memory, and the model of a replica: applies every transaction that is committed, and refuses what a
 * replica could not do.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { BaselineReader } from "../../../src/capture/empty-state.js";
import type { CaptureCommit, ChunkWrite, MailboxRow } from "../../../src/log/state-types.js";
import { applyChanges } from "../../../src/txn/apply-changes.js";
import type { MessageState } from "../../../src/txn/message-state.js";
import type { Transaction } from "../../../src/txn/transaction.js";
import { decodeTransaction } from "../../../src/txn/transaction-codec.js";
import type { FakeMailbox, FakeStore } from "./fake-dovecot.js";

export interface ModelMailbox {
  path: string;
  uidValidity: number;
  uidNext: number;
  states: readonly MessageState[];
}

export class LogModel {
  readonly mailboxes = new Map<string, ModelMailbox>();
  readonly log: Transaction[] = [];
  readonly meta = new Map<string, string>();
  /** Where mailboxes were before others took their places, until they say themselves that they moved. */
  readonly #displacedFrom = new Map<ModelMailbox, string>();
  /** Where mailboxes were before they moved along with the directory that they are in, as long as they do not say it. */
  readonly #carriedFrom = new Map<ModelMailbox, string>();
  /** Where mailboxes were carried, but have come back with another one, or were not since something stood there: a log need not know. */
  readonly #notCarriedTo = new Map<ModelMailbox, string>();
  readonly #rows = new Map<number, MailboxRow>();
  readonly #chunks = new Map<number, Map<number, ChunkWrite>>();
  #lastId = 0;

  readonly reader: BaselineReader = {
    chunk: (id, chunk) => this.#chunks.get(id)?.get(chunk)?.bytes,
    looks: (id) => [...(this.#chunks.get(id)?.values() ?? [])].sort((a, b) => a.chunk - b.chunk),
    digests: (id) => [...(this.#chunks.get(id)?.values() ?? [])].sort((a, b) => a.chunk - b.chunk),
    mailboxByGuid: (guid) => [...this.#rows.values()].find((row) => row.guid === guid),
    mailboxes: () => [...this.#rows.values()],
    meta: (key) => this.meta.get(key),
    nextMailboxId: () => this.#lastId + 1,
    [Symbol.dispose]: () => undefined,
  };

  commit(commit: CaptureCommit): Transaction[] {
    const transactions = commit.transactions.map(({ bytes }) => decodeTransaction(bytes));
    for (const transaction of transactions) this.#apply(transaction);
    for (const { key, value } of commit.meta ?? []) this.meta.set(key, value);
    for (const id of commit.removedMailboxIds) {
      this.#rows.delete(id);
      this.#chunks.delete(id);
    }
    for (const row of commit.mailboxes) {
      for (const other of this.#rows.values()) {
        const clash = other.id !== row.id && other.guid === row.guid;
        expect(clash, `two rows with GUID ${row.guid}`).toBe(false);
      }
      this.#rows.set(row.id, row);
      this.#lastId = Math.max(this.#lastId, row.id);
    }
    for (const chunk of commit.chunks) {
      const chunks = this.#chunks.get(chunk.mailboxId) ?? new Map<number, ChunkWrite>();
      this.#chunks.set(chunk.mailboxId, chunks);
      if (chunk.count === 0) chunks.delete(chunk.chunk);
      else chunks.set(chunk.chunk, chunk);
    }
    expect(this.#displacedFrom.size, "a mailbox was displaced and has not moved itself").toBe(0);
    const paths = [...this.mailboxes.values()].map(({ path }) => path);
    expect(new Set(paths).size, "two mailboxes at one path").toBe(paths.length);
    return transactions;
  }

  #apply(transaction: Transaction): void {
    const { mailbox, structure, changes, path, uidNext, uidValidity } = transaction;
    this.log.push(transaction);
    if (structure?.kind === "create") {
      expect(this.mailboxes.has(mailbox), "created twice").toBe(false);
      expect([...this.mailboxes.values()].map((other) => other.path)).not.toContain(path);
      this.mailboxes.set(mailbox, { path, uidValidity, uidNext: 1, states: [] });
    }
    const model = this.mailboxes.get(mailbox);
    expect(model, "a transaction for an unknown mailbox").toBeDefined();
    if (model === undefined) return;
    if (structure?.kind === "delete") {
      this.mailboxes.delete(mailbox);
      return;
    }
    if (structure?.kind === "rename") {
      const homes = [
        this.#displacedFrom.get(model) ?? model.path,
        this.#carriedFrom.get(model),
        this.#notCarriedTo.get(model),
      ];
      expect(homes).toContain(structure.from);
      this.#displacedFrom.delete(model);
      this.#carriedFrom.delete(model);
      this.#notCarriedTo.delete(model);
      this.#move(model, path, structure.displaces);
    }
    if (structure?.kind === "reset") {
      expect(model.uidValidity).toBe(structure.before);
      Object.assign(model, { uidValidity, uidNext: 1, states: [] });
    }
    expect([model.path, model.uidValidity]).toEqual([path, uidValidity]);
    for (const change of changes) {
      const isPlacing = change.kind === "save" || (change.kind === "rebind" && change.message.uid !== change.fromUid);
      if (!isPlacing) continue;
      expect(change.message.uid, "a UID that the replica has passed").toBeGreaterThanOrEqual(model.uidNext);
      model.uidNext = change.message.uid + 1;
    }
    expect(uidNext, "the next UID falls").toBeGreaterThanOrEqual(model.uidNext);
    model.uidNext = uidNext;
    model.states = applyChanges(model.states, changes);
  }

  /** As a replica does it: what lies in the directory of a mailbox moves along, but not when two change places. */
  #move(model: ModelMailbox, path: string, displaces: string | undefined): void {
    const others = [...this.mailboxes.values()].filter((other) => other !== model);
    // Then the directory is there, and the mailbox moves alone.
    const isInhabited = others.some((other) => other.path.startsWith(`${path}/`));
    for (const inside of displaces === undefined ? others : []) {
      if (!inside.path.startsWith(`${model.path}/`) || model.path === path) continue;
      const carried = path + inside.path.slice(model.path.length);
      if (isInhabited) this.#notCarriedTo.set(inside, carried);
      if (isInhabited) continue;
      if (!this.#carriedFrom.has(inside)) this.#carriedFrom.set(inside, inside.path);
      else if (this.#carriedFrom.get(inside) === carried) this.#notCarriedTo.set(inside, inside.path);
      inside.path = carried;
    }
    const standing = [...this.mailboxes].find(([, other]) => other !== model && other.path === path);
    expect(standing?.[0], "another mailbox than the one that is said to stand there").toBe(displaces);
    const other = standing?.[1];
    if (other !== undefined) {
      if (!this.#displacedFrom.has(other)) this.#displacedFrom.set(other, path);
      other.path = model.path;
    }
    model.path = path;
  }
}

/** What a client of that mailbox would see, read by other means than the program's. */
export function statesOnDisk(mailbox: FakeMailbox): MessageState[] {
  const names = mailbox.keywords();
  const recordByBase = new Map(mailbox.records().map((record) => [record.base, record]));
  const states: MessageState[] = [];
  for (const dir of ["new", "cur"]) {
    for (const name of readdirSync(join(mailbox.dir, dir))) {
      const [base = "", info = ""] = name.split(":");
      const record = recordByBase.get(base);
      if (record === undefined || name.startsWith(".")) continue;
      const { size, mtimeMs } = statSync(join(mailbox.dir, dir, name));
      const chars = [...info.replace(/^2,/, "")];
      const flags = chars.reduce((bits, char) => bits | (FLAGS[char] ?? 0), 0);
      const keywords = chars.filter((char) => /[a-z]/.test(char)).map((char) => names[char.charCodeAt(0) - 0x61]);
      states.push({
        ...({ uid: record.uid, base } as Pick<MessageState, "uid" | "base">),
        flags,
        keywords: keywords.filter((word) => word !== undefined).sort(),
        odd: "",
        tail: "",
        size,
        mtimeS: Math.floor(mtimeMs / 1000),
        fields: record.fields,
      });
    }
  }
  return states.sort((a, b) => a.uid - b.uid);
}

const FLAGS: Readonly<Record<string, number>> = { D: 1, F: 2, P: 4, R: 8, S: 16, T: 32 };

/** The model equals what is on disk: mailboxes, paths, UIDVALIDITY, next UID, messages. */
export function expectEqualToDisk(model: LogModel, store: FakeStore): void {
  const onDisk = store.mailboxes.map((mailbox) => ({
    guid: mailbox.guid,
    path: mailbox.path,
    uidValidity: mailbox.validity,
    uidNext: mailbox.nextUid(),
    states: statesOnDisk(mailbox),
  }));
  const modelled = [...model.mailboxes].map(([guid, mailbox]) => ({ guid, ...mailbox }));
  const byGuid = (a: { guid: string }, b: { guid: string }): number => (a.guid < b.guid ? -1 : 1);
  expect(modelled.sort(byGuid)).toEqual(onDisk.sort(byGuid));
}

/** The same bytes of every transaction in the log, for comparisons. */
export function savedUids(model: LogModel, guid: string): number[] {
  return model.log
    .filter((transaction) => transaction.mailbox === guid)
    .flatMap(({ changes }) => changes.flatMap((change) => (change.kind === "save" ? [change.message.uid] : [])));
}

/**
 * What must hold at every moment, not only at the end: a message that stands on disk under a UID that the log has passed
 * is in the log. So nothing was taken for expunged that is there, and no save overtook another.
 */
export function expectNoHole(model: LogModel, store: FakeStore): void {
  for (const mailbox of store.mailboxes) {
    const modelled = model.mailboxes.get(mailbox.guid);
    if (modelled === undefined || modelled.uidValidity !== mailbox.validity) continue;
    const uids = new Set<number>(modelled.states.map(({ uid }) => uid));
    const missing = statesOnDisk(mailbox).filter(({ uid }) => uid < modelled.uidNext && !uids.has(uid));
    expect(missing, "messages that the log passed over").toEqual([]);
  }
}
