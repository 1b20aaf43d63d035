/**
 * `mailtwin verify` of two stores: with nothing kept, with everything kept, and with one flag that differs.
 */
import { readFileSync, renameSync } from "node:fs";
import { nodePath } from "../../src/base/raw-name.js";
import { listMessages } from "../dovecot/list-messages.js";
import { withFlagToggled } from "../dovecot/store-many.js";
import { readUidlist } from "../equal/read-uidlist.js";
import { rsyncOver } from "../measure/contenders.js";
import { runContender } from "../measure/run-contender.js";
import type { Way } from "./mailtwin-calls.js";
import type { Ground } from "./verify.js";
import { nothingTaken, rowOf, type Taken } from "./verify-row.js";
import { wrongInEqual, wrongInOne } from "./verify-told.js";
import type { VerifyResult } from "./workload.js";

/** What is aimed at. */
const FIRST_LOOK_TO_RSYNC_MAX = 2;
const EQUAL_MS_MAX = 300;
const EQUAL_TO_SMALLEST_MAX = 1.3;
const EQUAL_WIRE_BYTES_MAX = 1000;
const ONE_FLAG_WIRE_BYTES_MAX = 20_000;

const FLAG_ROUNDS_MAX = 3;
/** A prime: the flags of a few rounds lie far apart. */
const STRIDE = 7919;

/** All rows. `copy` is as it was afterwards. */
export async function measureLooks(ground: Ground, rounds: number): Promise<readonly VerifyResult[]> {
  const looks = { here: emptyLooks(), host: emptyLooks(), counted: emptyLooks() };
  const rsync = nothingTaken();
  await look(ground, "here", emptyLooks()); // the caches are warm for everybody.
  for (let round = 0; round < rounds; round++) {
    ground.say(`  looks, round ${round + 1}`);
    await look(ground, "here", looks.here);
    if (ground.withRsync) rsync.measured.push(await runRsync(ground));
    await look(ground, "host", looks.host);
  }
  const stateHome = await look(ground, "host, counted", looks.counted);
  const rowFor = (way: "here" | "host", work: "first" | "equal"): VerifyResult =>
    rowOf({
      ...{ mails: ground.mails, contender: NAME_OF[way], taken: looks[way][work], rsync },
      counted: way === "host" ? looks.counted[work] : undefined,
      ...(work === "first"
        ? { work: "verify, first look", goals: { wallToRsync: FIRST_LOOK_TO_RSYNC_MAX } }
        : { work: "verify, equal", goals: EQUAL_GOALS }),
    });
  const beside = { work: "nothing to copy", mails: ground.mails, contender: "rsync", taken: rsync };
  return [
    ...[rowFor("here", "first"), rowFor("host", "first"), ...(ground.withRsync ? [rowOf(beside)] : [])],
    ...[rowFor("here", "equal"), rowFor("host", "equal")],
    await measureOneFlag(ground, stateHome, Math.min(rounds, FLAG_ROUNDS_MAX)),
  ];
}

const EQUAL_GOALS = {
  wallMs: EQUAL_MS_MAX,
  wallToSmallest: EQUAL_TO_SMALLEST_MAX,
  wireBytes: EQUAL_WIRE_BYTES_MAX,
};

export const NAME_OF = { here: "mailtwin A B", host: "mailtwin A HOST:B" } as const;

interface Looks {
  readonly first: Taken;
  readonly equal: Taken;
}

function emptyLooks(): Looks {
  return { first: nothingTaken(), equal: nothingTaken() };
}

/** Twice, with nothing kept before; returns where what the first kept is. */
async function look(ground: Ground, way: Way, into: Looks): Promise<string> {
  const { source: a, copy: b, calls, scratch } = ground;
  const stateHome = ground.fresh("state-home");
  for (const taken of [into.first, into.equal]) {
    await ground.settle();
    const measured = await runContender(calls.verify({ a, b, way, stateHome }), { scratch });
    taken.measured.push(measured);
    taken.wrong.push(...wrongInEqual(measured, ground));
  }
  return stateHome;
}

async function runRsync({ source, copy, bridge, scratch, settle }: Ground) {
  await settle();
  return runContender(rsyncOver(bridge, { source, target: copy }), { scratch });
}

/** Each round another message of the copy's INBOX, over the counter; its name is the old one again afterwards. */
async function measureOneFlag(ground: Ground, stateHome: string, rounds: number): Promise<VerifyResult> {
  const { source: a, copy: b, calls, scratch, mails } = ground;
  const { recordByBase, guid } = readUidlist(readFileSync(nodePath(`${b}/dovecot-uidlist`)));
  const messages = listMessages(b)
    .filter(({ path }) => path.startsWith("cur/"))
    .sort((one, other) => (one.base < other.base ? -1 : 1));
  const taken = nothingTaken();
  for (let round = 0; round < rounds; round++) {
    const message = messages[((messages.length / 2 + round * STRIDE) % messages.length) | 0];
    if (message === undefined) throw new RangeError(`${b} has no mail to flag`);
    const [before, after] = [message.path, `cur/${message.base}:${withFlagToggled(message.info)}`].map((path) =>
      nodePath(`${b}/${path}`),
    ) as [Buffer, Buffer];
    renameSync(before, after);
    try {
      const command = calls.verify({ a, b, way: "host, counted", stateHome });
      const measured = await runContender(command, { scratch });
      taken.measured.push(measured);
      taken.wrong.push(...wrongInOne(measured, { guid, uid: recordByBase.get(message.base)?.uid }));
    } finally {
      renameSync(after, before);
    }
  }
  const goals = { wireBytes: ONE_FLAG_WIRE_BYTES_MAX };
  return rowOf({ work: "verify, one flag differs", mails, contender: NAME_OF.host, taken, goals });
}
