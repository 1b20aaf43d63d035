/**
 * What differs travels and nothing else: `mailtwin sync` of a twin after changes at its source, beside `rsync -a --delete`.
 */
import { deflateSync } from "node:zlib";
import { listMessages } from "../dovecot/list-messages.js";
import { moveMany } from "../dovecot/move-many.js";
import { toggleFlagged } from "../dovecot/store-many.js";
import { compareInThreads } from "../equal/compare-in-threads.js";
import { DEFAULT_COMPARE } from "../equal/compare-stores.js";
import { walkStore } from "../equal/walk-store.js";
import { rsyncOver } from "../measure/contenders.js";
import { type Command, runContender, runToEnd } from "../measure/run-contender.js";
import { SCATTERED_CHANGES, scatterChanges } from "./scattered-changes.js";
import type { Ground } from "./verify.js";
import { NAME_OF } from "./verify-looks.js";
import { nothingTaken, type RowOf, rowOf, type Taken } from "./verify-row.js";
import { mailsOf, type VerifyResult } from "./workload.js";

/** Issue 4's table. */
const RESYNC_TO_RSYNC_MAX = 0.5;
const WIRE_BYTES_PER_MAIL_MAX = 100;
/** Beside the compressed bodies of what is new. */
const RESYNC_WIRE_BYTES_MAX = 30_000;

/** Of the mails: so many are flagged, and moved. */
const MANY_SHARE = 0.1;

/** A pair of stores, and how one becomes as the other. */
interface Twin {
  readonly name: string;
  readonly target: string;
  readonly command: Command;
  /** By comparing all of it, whatever the log has; rsync knows no other way. */
  readonly compared: Command;
  /** The same names and files, or what IMAP shows. */
  readonly isExact: boolean;
}

/** All rows. `ground.copy` is rsync's copy from here on; what is not `ground.source` may be changed. */
export async function measureChanges(
  ground: Ground,
  { rounds, many }: { readonly rounds: number; readonly many: boolean },
): Promise<readonly VerifyResult[]> {
  const { fresh, mails } = ground;
  const changing = fresh("changing");
  await runToEnd(["rsync", "-a", `${ground.source}/`, `${changing}/`]);
  const work: Work = { ground, changing, seed: 1 };
  const [here, host] = [await twinAt(work, "here"), await twinAt(work, "host")];
  const over = ground.withRsync ? [host, rsyncTwin(work)] : [host];
  const scattered = `${SCATTERED_CHANGES} scattered changes`;
  const rows = [
    ...(await measureScattered(work, [here, ...over], { work: `resync after ${scattered}`, rounds })),
    ...(await measureScattered(work, [here, ...over].map(comparing), {
      work: `compared whole after ${scattered}`,
      rounds,
    })),
  ];
  await judgeBodies(work, [here], rows);
  if (many) {
    const count = Math.round(mails * MANY_SHARE);
    const sized = { mails, changedMails: count, goals: { wireBytesPerMail: WIRE_BYTES_PER_MAIL_MAX } };
    rows.push(
      ...(await measureOnce(work, over, { ...sized, work: `${count.toLocaleString("en-US")} flag changes` }, () =>
        flagMany(changing, count),
      )),
      ...(await measureOnce(work, over, { ...sized, work: `${mailsOf(count)} moved to another folder` }, () =>
        moveSome(changing, count),
      )),
    );
  }
  await judgeBodies(work, over, rows);
  return rows;
}

async function twinAt({ ground, changing }: Work, way: "here" | "host"): Promise<Twin> {
  const { fresh, calls } = ground;
  const [target, stateHome, state] = [fresh("twin"), fresh("state-home"), fresh("state")];
  const stores = { a: changing, b: target, stateHome };
  ground.say(`  ${NAME_OF[way]}: first copy, not measured`);
  for (let time = 0; time < 2; time++) await runCommand(calls.sync({ ...stores, way }, state));
  const counted = { ...stores, way: way === "here" ? way : "host, counted" } as const;
  return {
    ...{ name: NAME_OF[way], target, isExact: false },
    command: calls.sync(counted, state),
    compared: calls.sync(counted, state, "--resync"),
  };
}

function rsyncTwin({ ground, changing }: Work): Twin {
  const command = rsyncOver(ground.bridge, { source: changing, target: ground.copy }, "--delete");
  return { name: "rsync", target: ground.copy, isExact: true, command, compared: command };
}

function comparing(twin: Twin): Twin {
  return { ...twin, command: twin.compared };
}

interface Work {
  readonly ground: Ground;
  readonly changing: string;
  /** Of the next changes. */
  seed: number;
}

async function measureScattered(
  work: Work,
  twins: readonly Twin[],
  named: { readonly work: string; readonly rounds: number },
): Promise<readonly VerifyResult[]> {
  const taken = twins.map(nothingTaken);
  const bodiesBytes: number[] = [];
  work.ground.say(`  ${named.work}`);
  for (let round = 0; round < named.rounds; round++) {
    const bodies = scatterChanges(work.changing, work.seed++);
    bodiesBytes.push(bodies.reduce((sum, body) => sum + deflateSync(body).length, 0));
    await runTwins(work, twins, taken);
  }
  const goals = { wallToRsync: RESYNC_TO_RSYNC_MAX, wireBesideBodies: RESYNC_WIRE_BYTES_MAX };
  return rowsOf(twins, taken, { work: named.work, mails: work.ground.mails, bodiesBytes, goals });
}

async function measureOnce(
  work: Work,
  twins: readonly Twin[],
  row: OfTwins,
  change: () => void,
): Promise<readonly VerifyResult[]> {
  const taken = twins.map(nothingTaken);
  work.ground.say(`  ${row.work}`);
  change();
  await runTwins(work, twins, taken);
  return rowsOf(twins, taken, row);
}

type OfTwins = Pick<RowOf, "work" | "mails" | "changedMails" | "bodiesBytes" | "goals">;

/** Goals are mailtwin's; rsync, where it runs, is the last. */
function rowsOf(twins: readonly Twin[], taken: readonly Taken[], row: OfTwins): readonly VerifyResult[] {
  const { goals, ...named } = row;
  const rsync = taken[twins.findIndex(({ name }) => name === "rsync")];
  return taken.map((each, at) => {
    const contender = twins[at]?.name ?? "";
    return each === rsync
      ? rowOf({ ...named, contender, taken: each })
      : rowOf({ ...named, contender, taken: each, rsync, ...(goals === undefined ? {} : { goals }) });
  });
}

/** Each in turn, and then each is compared with what it was to become; bodies are at the end. */
async function runTwins({ ground, changing }: Work, twins: readonly Twin[], taken: readonly Taken[]): Promise<void> {
  const { scratch, say, settle } = ground;
  for (const [at, { name, command }] of twins.entries()) {
    await settle();
    const measured = await runContender(command, { scratch, syncPath: scratch });
    say(`  ${name}: ${(measured.wallMs / 1000).toFixed(2)} s`);
    taken[at]?.measured.push(measured);
  }
  for (const [at, twin] of twins.entries()) taken[at]?.wrong.push(...(await differencesOf(changing, twin, false, say)));
}

/** Whatever the rows of these twins were, they have been wrong when one body is. */
async function judgeBodies({ ground, changing }: Work, twins: readonly Twin[], rows: VerifyResult[]): Promise<void> {
  for (const twin of twins) {
    const wrong = await differencesOf(changing, twin, true, ground.say);
    if (wrong.length === 0) continue;
    for (const [at, row] of rows.entries())
      if (row.contender === twin.name) rows[at] = { ...row, equal: false, differences: [...row.differences, ...wrong] };
  }
}

async function differencesOf(
  changing: string,
  { target, isExact }: Twin,
  bodies: boolean,
  say: (line: string) => void,
): Promise<readonly string[]> {
  const options = { ...DEFAULT_COMPARE, bodies, exact: isExact, sideFiles: isExact };
  const { differences } = await compareInThreads(changing, target, options, say);
  return differences.map(({ words }) => words);
}

async function runCommand({ argv, env = {} }: Command): Promise<void> {
  await runToEnd(["env", ...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...argv]);
}

/** By one STORE, all over the INBOX. */
function flagMany(store: string, count: number): void {
  const messages = inCur(store);
  const every = messages.length / count;
  toggleFlagged(
    store,
    Array.from({ length: count }, (_, at) => messages[Math.floor(at * every)]).filter((it) => it !== undefined),
  );
}

/** The oldest of the INBOX, into the first folder. */
function moveSome(store: string, count: number): void {
  const [folder] = walkStore(store).mailboxes.filter((path) => path !== "");
  if (folder === undefined) throw new RangeError(`${store} has no folder to move to`);
  moveMany(store, `${store}/${folder}`, inCur(store).slice(0, count));
}

/** Throws when there are fewer than are wanted later: the share is far below what the INBOX has. */
function inCur(store: string) {
  return listMessages(store)
    .filter(({ path }) => path.startsWith("cur/"))
    .sort((a, b) => (a.base < b.base ? -1 : 1));
}
