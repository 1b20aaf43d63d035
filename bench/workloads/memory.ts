/**
 * Resident memory of each of two daemons, in stages: a first contact, a restart, mails that arrive, one very large mail. The kernel counts the
 * peak of each stage anew.
 */

import { expungeMessage } from "../dovecot/change.js";
import { deliver } from "../dovecot/deliver.js";
import { listMessages } from "../dovecot/list-messages.js";
import { compareInThreads } from "../equal/compare-in-threads.js";
import { DEFAULT_COMPARE } from "../equal/compare-stores.js";
import { pause } from "../measure/clock.js";
import { atRate } from "../measure/pace.js";
import { watchArrivals } from "./arrivals.js";
import { restartDaemonPair, startDaemonPair } from "./daemon-pair.js";
import { composeBodies } from "./deliveries.js";
import { prepareTwin } from "./live-twin.js";
import { memoryOf, type TwinProcess } from "./twin-process.js";
import { type MemoryResult, type Result, verdictOf, type Workload, type WorkloadContext } from "./workload.js";

const INBOX_SIZES = [1000, 500_000];
const QUICK_INBOX_SIZES = [500];
const ARRIVALS = { perSecond: 100, seconds: 10 };
const QUICK_ARRIVALS = { perSecond: 50, seconds: 1 };
const LARGE_BYTES = 64 * 2 ** 20;
const QUICK_LARGE_BYTES = 8 * 2 ** 20;
const LIVE_MS_MAX = 900_000;
const ARRIVAL_MS_MAX = 60_000;
/** After the last arrival: what is left to be acknowledged and written. */
const SETTLE_MS = 1000;
const SEED = 80;

export const memory: Workload = {
  name: "memory",
  title: "resident memory of two daemons over TLS, by mails that are there and by the size of one",
  run: async (context) => {
    if (!context.contenders.includes("mailtwin")) return [];
    const results: Result[] = [];
    for (const mails of context.mails ?? (context.quick ? QUICK_INBOX_SIZES : INBOX_SIZES))
      results.push(...(await runSize(context, mails)));
    return results;
  },
};

type Unjudged = Omit<MemoryResult, "equal" | "differences">;

async function runSize(context: WorkloadContext, nominalMails: number): Promise<readonly Result[]> {
  const { say, quick } = context;
  const rate = quick ? QUICK_ARRIVALS : ARRIVALS;
  const count = rate.perSecond * rate.seconds;
  const { copying, mails } = await prepareTwin(context, nominalMails, count + 1);
  const { source, target } = copying;
  const bodies = composeBodies(count, SEED + mails - nominalMails);
  const large = composeLarge(quick ? QUICK_LARGE_BYTES : LARGE_BYTES, SEED);
  const rows: Unjudged[] = [];
  const note = (twin: TwinProcess, stage: string, lost: number | undefined): void => {
    rows.push({ kind: "memory", mails, stage, lost, memory: memoryOf(twin) });
    twin.forgetPeaks();
  };
  const tell = (twin: TwinProcess): void => {
    for (const problem of twin.problems()) say(`  mailtwin reported: ${JSON.stringify(problem)}`);
  };
  {
    await using twin = await startDaemonPair(context.mailtwin, copying, LIVE_MS_MAX);
    note(twin, "first contact of two equal stores", undefined);
    tell(twin);
    await twin.stop();
  }
  {
    await using twin = await restartDaemonPair(context.mailtwin, copying, LIVE_MS_MAX);
    await using arrivals = await watchArrivals([target]);
    note(twin, "restarted", undefined);
    const arrived = async (stage: string, bases: readonly string[]): Promise<void> => {
      const seen = await arrivals.waitFor(bases, ARRIVAL_MS_MAX);
      await pause(SETTLE_MS);
      note(twin, stage, bases.filter((base) => !seen.has(base)).length);
    };
    const bases: string[] = [];
    await atRate(rate, (at) => void bases.push(deliver(source, bodies[at] ?? large, { sync: false }).base));
    await arrived(`${rate.perSecond} arrivals/s for ${rate.seconds} s`, bases);
    const largeBase = deliver(source, large, { sync: false }).base;
    await arrived(`one mail of ${Math.round(large.length / 2 ** 20)} MiB`, [largeBase]);
    await expungeOn(source, target, largeBase); // a twin that lasts does not keep it.
    tell(twin);
    await twin.stop();
  }
  const verdict = verdictOf(await compareInThreads(source, target, DEFAULT_COMPARE, say));
  return rows.map((row) => ({ ...row, ...verdict }));
}

/** Returns when it is gone on both sides. */
async function expungeOn(source: string, target: string, base: string): Promise<void> {
  const find = (mailbox: string) => listMessages(mailbox).find((message) => message.base === base);
  const message = find(source);
  if (message !== undefined) expungeMessage(source, message);
  for (let waitedMs = 0; find(target) !== undefined; waitedMs += SETTLE_MS) {
    if (waitedMs > ARRIVAL_MS_MAX) throw new Error("the expunge of the large mail did not arrive");
    await pause(SETTLE_MS);
  }
}

/** One attachment of lines that no two positions share, so that nothing of it can be left out. */
function composeLarge(bytes: number, seed: number): Buffer {
  const head = `From: <a@example.net>\nTo: <b@example.net>\nSubject: large\nMessage-ID: <large.${seed}@example.net>\n\n`;
  const whole = Buffer.alloc(bytes, 0x0a);
  let at = whole.write(head, "latin1");
  for (let line = seed; at + 64 < bytes; line++)
    at += whole.write(`${`${line.toString(36)}x`.repeat(12).slice(0, 63)}\n`, at, "latin1");
  return whole;
}
