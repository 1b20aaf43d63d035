/** Mailboxes of a million messages in a comparison of two stores: all others are compared while those are. Order alone, no time. */
import { expect, test } from "vitest";
import { Gate } from "../../../src/base/gate.js";
import { openHash } from "../../../src/base/hash.js";
import { isRawPath, type RawPath, ROOT_PATH } from "../../../src/base/raw-name.js";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import { compareStores } from "../../../src/resync/compare-stores.js";
import { sumOfStore } from "../../../src/resync/store-digest.js";
import type { SummedSide } from "../../../src/resync/sums-types.js";
import { StateDigester } from "../../../src/txn/digest.js";
import type { MessageState } from "../../../src/txn/message-state.js";
import type { SummedMailbox } from "../../../src/wire/sums.js";
import { turns } from "../../turns.js";
import { memorySide } from "./memory-side.js";

const digester = new StateDigester(await openHash());
const MILLION = 1_000_000;

const message = (flags: number): MessageState => ({
  ...{ uid: parseUid(1), base: parseBaseName("m1"), flags, keywords: [], odd: "", tail: "" },
  ...{ size: 9, mtimeS: 1, fields: "" },
});

function pathOf(at: number): RawPath {
  const path = `u${at}`;
  return isRawPath(path) ? path : ROOT_PATH;
}

const count = 9;

/** One message in each of nine mailboxes; those of `large` say that they have a million, and are looked at when `gate` is open. */
function sideOf(
  flags: number,
  large: readonly number[],
  { gate, asked }: { gate?: Gate; asked?: RawPath[] },
): SummedSide {
  const mailboxes = Array.from({ length: count }, (_, at) => ({
    ...{ path: pathOf(at), guid: at + 1, states: [message(flags)], uidNext: 2 },
  }));
  const side = memorySide(digester, mailboxes);
  const isLarge = ({ path }: { readonly path: RawPath }) => large.some((at) => pathOf(at) === path);
  const grown = (row: SummedMailbox): SummedMailbox =>
    isLarge(row) && row.kind === "sum" ? { ...row, messages: MILLION } : row;
  let isOpen = gate === undefined;
  const pass = async (of: { readonly path: RawPath }, signal: AbortSignal): Promise<void> => {
    asked?.push(of.path);
    while (isLarge(of) && !isOpen) {
      await gate?.wait(signal);
      isOpen = true;
    }
  };
  const { signal: never } = new AbortController();
  return {
    ...side,
    store: async () => sumOfStore((await side.mailboxes(undefined, never)).map(grown)),
    mailboxes: async (after, signal) => (await side.mailboxes(after, signal)).map(grown),
    ranges: async (of, signal) => {
      await pass(of, signal);
      return side.ranges(of, signal);
    },
    marks: async (of, signal) => {
      await pass(of, signal);
      return side.marks(of, signal);
    },
  };
}

test.each([
  ["one", [0]],
  ["more than there are lanes", [0, 1, 2, 3, 4]],
])("%s: all small ones end while the first of them is compared", async (_, large) => {
  const stop = new AbortController();
  const gate = new Gate();
  const asked: RawPath[] = [];
  const sides = { a: sideOf(0, large, {}), b: sideOf(2, large, { gate, asked }) };
  let hasEnded = false;
  const run = compareStores(sides, stop.signal).then((compared) => {
    hasEnded = true;
    return compared;
  });
  run.catch(() => undefined);
  await turns(200);
  const small = Array.from({ length: count }, (_, at) => at).filter((at) => !large.includes(at));
  expect(new Set(asked)).toEqual(new Set([...small, ...large.slice(0, 4)].map(pathOf))); // as many large ones as there are lanes, at the end.
  const firstOf = (at: number) => asked.indexOf(pathOf(at));
  for (const at of large.slice(1, 4)) expect(firstOf(at)).toBeGreaterThan(Math.max(...small.map(firstOf)));
  expect(hasEnded).toBe(false);
  stop.abort(new Error("the test has seen enough"));
  await expect(run).rejects.toThrow("the test has seen enough");
});
