/** A side of a comparison that is made of values: what it answers is right, and needs no disk. */
import type { RawPath } from "../../../src/base/raw-name.js";
import { parseMailboxGuid, parseUidValidity } from "../../../src/maildir/ids.js";
import { sumOfStore } from "../../../src/resync/store-digest.js";
import type { SummedSide } from "../../../src/resync/sums-types.js";
import type { StateDigester } from "../../../src/txn/digest.js";
import type { MessageState } from "../../../src/txn/message-state.js";
import { partsOf } from "../../../src/wire/spans.js";
import { MAILBOX_SUMS_MAX, MARKS_MAX, type Span, type SummedMailbox } from "../../../src/wire/sums.js";

export interface MemoryMailbox {
  readonly path: RawPath;
  /** A small number stands for it. */
  readonly guid: number;
  readonly states: readonly MessageState[];
  readonly uidValidity?: number;
  readonly uidNext?: number;
  /** It cannot be read, and why. */
  readonly unread?: string;
}

export const guidOf = (number: number) => parseMailboxGuid(number.toString(16).padStart(32, "0"));

/** `questions` counts what was asked, by kind. */
export function memorySide(
  digester: StateDigester,
  mailboxes: readonly MemoryMailbox[],
  questions: Record<string, number> = {},
): SummedSide {
  const rows = mailboxes
    .map((it): SummedMailbox => {
      const { path, guid, states, uidValidity = 1, uidNext = (states.at(-1)?.uid ?? 0) + 1, unread } = it;
      if (unread !== undefined) return { kind: "unread", path, words: unread };
      return {
        ...{ kind: "sum", path, guid: guidOf(guid), uidValidity: parseUidValidity(uidValidity), uidNext },
        ...{ messages: states.length, unnumbered: 0, digest: digester.sumOf(states) },
      };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const statesOf = (path: RawPath) => mailboxes.find((it) => it.path === path)?.states ?? [];
  const within = (path: RawPath, { from, below }: Span) =>
    statesOf(path).filter(({ uid }) => uid >= from && uid < below);
  const count = (kind: string) => {
    questions[kind] = (questions[kind] ?? 0) + 1;
  };
  return {
    async store() {
      count("store");
      return sumOfStore(rows);
    },
    async mailboxes(after) {
      count("mailboxes");
      const rest = rows.filter(({ path }) => after === undefined || path > after);
      return rest.slice(0, MAILBOX_SUMS_MAX);
    },
    async ranges({ path, spans }) {
      count("ranges");
      return spans.flatMap(partsOf).map((part) => {
        const states = within(path, part);
        return { count: states.length, digest: digester.sumOf(states) };
      });
    },
    async marks({ path, spans }) {
      count("marks");
      const states = spans.flatMap((span) => within(path, span)).slice(0, MARKS_MAX);
      return states.map((state) => {
        return { uid: state.uid, mark: Buffer.from(digester.digestOf(state)).readBigUInt64LE(0) };
      });
    },
    async states({ path, uids }) {
      count("states");
      const wanted = new Set<number>(uids);
      return statesOf(path).filter(({ uid }) => wanted.has(uid));
    },
    async hashes({ uids }) {
      count("hashes");
      return uids.map(() => undefined);
    },
  };
}
