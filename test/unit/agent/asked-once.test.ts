/** What a person has said for one comparison counts in all of it, also where the mailbox has to be looked for at the source first. */
import { expect, test } from "vitest";
import { type ComparisonPorts, compareMailbox } from "../../../src/agent/compare-mailbox.js";
import { comparedParts } from "../../../src/apply/mailbox-look.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import { parseMailboxGuid, parseUidValidity, UID_MAX } from "../../../src/maildir/ids.js";
import { MarkedUids } from "../../../src/txn/marked-uids.js";
import type { Structure } from "../../../src/txn/transaction.js";
import { decodeTransaction } from "../../../src/txn/transaction-codec.js";
import type { Answer, Ask } from "../../../src/wire/messages.js";

const GUID = parseMailboxGuid("1".repeat(32));
const PATH = "u1/Maildir" as RawPath;
const ROW = {
  ...{ id: 1, guid: GUID, path: PATH, uidValidity: 9, uidNext: 5, headerExtra: "", keywords: [], fingerprint: "" },
  messages: 0,
};
const OWNER = { uid: 0, gid: 0, mode: 0o600 };
const never = new AbortController().signal;

/** Numbered anew on the replica. */
function answer(ask: Ask): Answer {
  const standing = { path: PATH, uidValidity: parseUidValidity(7), uidNext: 3 };
  const common = { written: { ...standing, uidValidity: parseUidValidity(9), headerExtra: "" }, standing };
  if (ask.kind === "tell-held") return { kind: "tell-held", ...common, messages: [], reached: UID_MAX };
  if (ask.kind !== "compare") throw new Error(`asked "${ask.kind}"`);
  const { seed, sums } = ask;
  const differing = sums === undefined ? {} : { differing: comparedParts(new MarkedUids(seed), sums) };
  return { kind: "compare", ...common, looked: UID_MAX, ...differing };
}

/** The source finds the mailbox when it looks for the third time; what is asked of a person is answered once. */
function portsOf(asked: string[], offered: (Structure | undefined)[]): ComparisonPorts {
  let looks = 0;
  const once = <T>(name: string, first: T, later: T) => {
    asked.push(name);
    return asked.filter((each) => each === name).length === 1 ? first : later;
  };
  const renumbered = { source: true, nobody: true };
  return {
    reader: {
      ...{ snapshot: (read: () => unknown) => read(), lastLsn: () => 4, digests: () => [], chunk: () => undefined },
      mailboxByGuid: () => ROW,
    },
    clock: { sleep: async () => undefined, nowMs: () => 1, monotonicMs: () => 1 },
    asker: { ask: async (ask: Ask) => answer(ask) },
    mayHave: undefined,
    source: {
      describe: async () => {
        looks += 1;
        return looks < 3 ? { kind: "absent" } : { kind: "described", creation: { kind: "create" }, fileOwner: OWNER };
      },
      ...{ lookAgain: () => undefined, pathOf: () => PATH, uidNextOf: () => 5, whyHeld: async () => undefined },
      raiseNextUid: async () => ({ kind: "none" }),
    },
    line: {
      untilClear: async () => undefined,
      offerBeside: async ({ bytes }: { readonly bytes: Uint8Array }) => {
        offered.push(decodeTransaction(bytes).structure);
      },
    },
    rejections: { isRefused: () => false },
    renumbers: () => once("renumbers", { ...renumbered, replica: true }, { ...renumbered, replica: false }),
    damaged: () => once("damaged", new Set<number>(), new Set<number>()),
    clearing: () => once("clearing", undefined, undefined),
    ...{ onForeign: () => undefined, onNextUid: () => undefined, onReached: () => undefined },
  } as unknown as ComparisonPorts;
}

test("a UIDVALIDITY that was accepted is, though the source has the mailbox at another place for a moment", async () => {
  const [asked, offered]: [string[], (Structure | undefined)[]] = [[], []];
  const compared = await compareMailbox(portsOf(asked, offered), GUID, never);
  expect(compared).toMatchObject({ kind: "equal", lsn: 4 });
  expect(offered).toStrictEqual([{ kind: "reset", before: 7 }]);
  expect(asked).toStrictEqual(["renumbers", "damaged", "clearing"]);
});
