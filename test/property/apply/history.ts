/**
 * A small source: a mailbox as plain values, changed at random. What it says must stand on the replica's disk.
 */
import { readFileSync } from "node:fs";
import { fc } from "@fast-check/vitest";
import { expect } from "vitest";
import { isBaseName, parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import { diffMessages } from "../../../src/txn/diff.js";
import type { MessageState } from "../../../src/txn/message-state.js";
import type { Transaction } from "../../../src/txn/transaction.js";
import { CREATE, GUID, type Replica, transaction } from "../../unit/apply/replica-fixture.js";

/** What happens between two transactions: numbers are taken modulo what there is. */
export interface Turn {
  readonly saves: readonly { readonly flags: number; readonly keywords: readonly string[]; readonly bytes: number }[];
  readonly expunges: readonly number[];
  readonly marks: readonly { readonly of: number; readonly flags: number; readonly keywords: readonly string[] }[];
  /** Another UID. */
  readonly renumbered: readonly number[];
  /** Another base name; the old one becomes the GUID, so it can have no blank. */
  readonly renamed: readonly number[];
}

const KEYWORDS = ["$Forwarded", "$Junk", "later", "work"] as const;
const keywords = fc.subarray([...KEYWORDS]);
const flags = fc.integer({ min: 0, max: 63 });
const which = fc.array(fc.nat({ max: 1000 }), { maxLength: 2 });

export const turns = fc.array(
  fc.record<Turn>({
    saves: fc.array(fc.record({ flags, keywords, bytes: fc.nat({ max: 300 }) }), { maxLength: 5 }),
    expunges: which,
    marks: fc.array(fc.record({ of: fc.nat({ max: 1000 }), flags, keywords }), { maxLength: 4 }),
    renumbered: which,
    renamed: which,
  }),
  { minLength: 1, maxLength: 6 },
);

export interface Source {
  readonly messages: readonly MessageState[];
  readonly uidNext: number;
  readonly saved: number;
  /** By GUID (a base name at the time of saving). */
  readonly bodies: ReadonlyMap<string, Uint8Array>;
}

export const NEW_SOURCE: Source = { messages: [], uidNext: 1, saved: 0, bodies: new Map() };

/** Base names with all that Maildir allows: blanks, UTF-8 bytes, sizes. */
function baseOfNumber(number: number): string {
  return (
    [`17000${number}.M1P2.host,S=9,W=11`, `plain${number}`, `with space ${number}`, `\xc3\xbc${number}`][number % 4] ??
    ""
  );
}

export function nextSource(source: Source, turn: Turn): Source {
  let { uidNext, saved } = source;
  const bodies = new Map(source.bodies);
  let messages = [...source.messages];
  const pick = (at: number): MessageState | undefined => messages[at % Math.max(1, messages.length)];
  const gone = new Set(turn.expunges.map((at) => pick(at)?.uid));
  messages = messages.filter(({ uid }) => !gone.has(uid));
  const replace = (old: MessageState, now: MessageState): void => {
    messages = [...messages.filter(({ uid }) => uid !== old.uid), now].sort((a, b) => a.uid - b.uid);
  };
  for (const { of, flags: bits, keywords: names } of turn.marks) {
    const old = pick(of);
    if (old !== undefined) replace(old, { ...old, flags: bits, keywords: names });
  }
  for (const at of turn.renamed) {
    const old = pick(at);
    const base = old === undefined ? undefined : `${old.base}x`;
    if (old === undefined || !isBaseName(base) || /G| /.test(old.fields + old.base)) continue;
    replace(old, { ...old, base, fields: `G${old.base}` });
    bodies.set(base, bodies.get(old.base) ?? Buffer.alloc(0));
  }
  for (const at of turn.renumbered) {
    const old = pick(at);
    if (old !== undefined) replace(old, { ...old, uid: parseUid(uidNext++) });
  }
  for (const { flags: bits, keywords: names, bytes } of turn.saves) {
    const base = parseBaseName(baseOfNumber(saved++));
    bodies.set(base, Buffer.alloc(bytes, `${base} `, "latin1"));
    const rest = { odd: "", tail: "", fields: saved % 3 === 0 ? "S9 W11" : "" };
    const uid = parseUid(uidNext++);
    messages.push({ uid, base, flags: bits, keywords: names, size: bytes, mtimeS: 1_500_000_000 + saved, ...rest });
  }
  return { messages, uidNext, saved, bodies };
}

export function transactionBetween(before: Source, after: Source): Transaction {
  const structure = before === NEW_SOURCE ? CREATE : undefined;
  return transaction(diffMessages(before.messages, after.messages), { structure, uidNext: after.uidNext });
}

/** The disk says what the source says: UIDs, names, marks, dates, fields, bytes, and the next UID. */
export function expectEqual(replica: Replica, source: Source): void {
  expect(inventoryOf(replica)).toEqual({ messages: source.messages, uidNext: source.uidNext });
  const pathByBase = new Map(replica.rawNames("box").map((name) => [name.split(":", 1)[0] ?? "", name]));
  expect(pathByBase.size).toBe(source.messages.length);
  for (const { base } of source.messages) {
    const path = Buffer.from(`${replica.storeRoot}/box/cur/${pathByBase.get(base)}`, "latin1");
    expect(readFileSync(path).equals(source.bodies.get(base) ?? Buffer.alloc(0)), base).toBe(true);
  }
}

export function inventoryOf(replica: Replica): unknown {
  const path = transaction([]).path;
  const found = replica.store.inventory({ path, afterUid: 0, messagesMax: 1000 });
  if (found.kind === "absent") return { messages: [], uidNext: 1 };
  if (found.kind === "diverged") throw new Error(found.divergence.words);
  expect(found.unnumbered).toBe(0);
  expect(found.guid).toBe(GUID);
  return { messages: found.messages, uidNext: found.uidNext };
}

/** What was committed says the same as the disk. */
export function expectBaseline(replica: Replica, source: Source): void {
  expect(replica.appliedStates()).toEqual(source.messages);
}
