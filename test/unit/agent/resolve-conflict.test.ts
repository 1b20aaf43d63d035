/** How long a lock at the source is waited for, while a replica waits for advice. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Asker } from "../../../src/agent/asker.js";
import { FOR_LONG, IN_LINE, LockPatience, type PatienceLimits } from "../../../src/agent/lock-patience.js";
import { type ConflictPorts, type Ruling, ruleOn } from "../../../src/agent/resolve-conflict.js";
import type { SourceSide } from "../../../src/agent/source-side.js";
import { parseBaseName, parseUid, parseUidValidity } from "../../../src/maildir/ids.js";
import { NO_MARKS } from "../../../src/txn/message-state.js";
import type { Transaction } from "../../../src/txn/transaction.js";
import { FakeClock } from "../../fake-clock.js";
import { guid, path } from "./pair.js";

const never = new AbortController().signal;
const uid = parseUid(100);
const message = { uid, base: parseBaseName("b"), ...NO_MARKS, size: 3, mtimeS: 7, fields: "" };
const transaction: Transaction = {
  ...{ mailbox: guid("a"), path: path("a"), uidValidity: parseUidValidity(77), uidNext: 101, headerExtra: "" },
  ...{ fileOwner: { uid: 1, gid: 1, mode: 0o600 }, capturedMs: 1, changes: [{ kind: "save", message }] },
};
const PASSED = { code: "uid-passed", words: "w", path: path("a"), uids: [100], replicaNext: 200 };

let clock: FakeClock;
let waits: number[];

beforeEach(() => {
  [clock, waits] = [new FakeClock(), []];
});

/** The lock at the source stays in other hands. */
function portsFor(limits: PatienceLimits, heals: boolean): ConflictPorts {
  const lockHeld = { path: path("a"), code: "lock-held", message: "m", hint: "" };
  const source = {
    uidsAmong: () => [uid],
    uidNextOf: () => 150,
    renumber: async (_request: unknown, waitMsMax: number) => {
      waits.push(waitMsMax);
      await clock.sleep(waitMsMax, never);
      return lockHeld;
    },
  };
  const asker = { ask: async () => ({ kind: "yielded-uids", uidNext: 200, moved: 0 }) };
  const patience = new LockPatience(clock, limits);
  const ends = { asker: asker as unknown as Asker, source: source as unknown as SourceSide };
  return { ...ends, clock, patience, heals, onConflict: () => undefined };
}

async function rule(ports: ConflictPorts): Promise<Ruling> {
  const ruling = ruleOn(ports, { transaction, divergence: PASSED, refusals: 1, voidBelow: 0 }, never);
  await clock.advance(31_000);
  return ruling;
}

describe("a lock at the source", () => {
  test.each([
    ["in a run that mends, a moment, and then not again", IN_LINE, true, [IN_LINE.eachMsMax, 0]],
    ["in one that does not, long", FOR_LONG, false, [FOR_LONG.eachMsMax, 0]],
  ])("is waited for: %s", async (_what, limits, heals, expected) => {
    const ports = portsFor(limits, heals);
    for (let times = 0; times < 2; times++)
      expect(await rule(ports)).toMatchObject({ kind: "give-up", cause: { code: "lock-held" } });
    expect(waits).toStrictEqual(expected);
  });
});
