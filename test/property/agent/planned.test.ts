/**
 * Whatever happened to either store: what `resync --dry-run` says is what the resync then does to the replica, mailbox by mailbox and message by
 * message, and nothing else. Over real stores; the log brings nothing of it, so that all is the comparison's.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import type { PlannedMailbox, PlannedStep, StepKind } from "../../../src/agent/planned-mailbox.js";
import { systemClock } from "../../../src/base/clock.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import type { MailboxGuid } from "../../../src/maildir/ids.js";
import { until } from "../../live/lab/until.js";
import { addMessage, makeMailbox } from "../../live/twin/small-store.js";
import { REPLICA, RealPair } from "../../unit/agent/real-pair.js";
import { tries } from "../tries.js";

const FOLDERS = ["", "/.A", "/.B", "/.C"].map((name) => `u/Maildir${name}`);
const never = new AbortController().signal;

type Side = "source" | "replica";

/** `folder` and `pick` choose among what is there. */
interface Step {
  readonly kind: "add" | "expunge" | "flag" | "move" | "remove" | "make" | "renumber" | "resync";
  readonly side: Side;
  readonly folder: number;
  readonly pick: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom("add" as const, "expunge" as const, "flag" as const) },
    { weight: 2, arbitrary: fc.constantFrom("move" as const, "remove" as const, "make" as const) },
    { weight: 1, arbitrary: fc.constantFrom("renumber" as const, "resync" as const) },
  ),
  side: fc.constantFrom<Side>("source", "replica"),
  folder: fc.nat({ max: 3 }),
  pick: fc.nat({ max: 5 }),
});

class Play {
  readonly #pair: RealPair;
  #seed = 100;

  constructor(pair: RealPair) {
    this.#pair = pair;
  }

  async do({ kind, side, folder, pick }: Step): Promise<void> {
    const store = this.#pair.bench[side];
    const [path, dir] = [FOLDERS[folder] ?? "", join(store, FOLDERS[folder] ?? "")];
    const uidlist = join(dir, "dovecot-uidlist");
    this.#seed += 20;
    if (kind === "resync") {
      await this.#pair.capture();
      await resync(this.#pair);
    } else if (kind === "make" && !existsSync(dir)) makeMailbox(store, path, { messages: 2, seed: this.#seed }); // also on the replica alone.
    if (!existsSync(uidlist)) return;
    const cur = join(dir, "cur");
    const names = readdirSync(cur).sort();
    const name = names[pick % Math.max(1, names.length)];
    const to = join(store, FOLDERS[1 + (pick % 3)] ?? "");
    if (kind === "add") addMessage(dir, { seed: this.#seed, bytes: 60 });
    else if (kind === "expunge" && name !== undefined) rmSync(join(cur, name));
    else if (kind === "flag" && name !== undefined)
      renameSync(join(cur, name), join(cur, `${name.split(":", 1)[0]}:2,${["", "F", "S", "FS"][pick % 4]}`));
    else if (kind === "move" && folder > 0 && !existsSync(to)) renameSync(dir, to);
    else if (kind === "remove" && folder > 0) rmSync(dir, { recursive: true });
    else if (kind === "renumber" && side === "source") {
      const text = readFileSync(uidlist, "latin1").replace(/V(\d+)/, (_, old: string) => `V${Number(old) + 1}`);
      writeFileSync(`${uidlist}.new`, text, "latin1");
      renameSync(`${uidlist}.new`, uidlist);
    }
  }
}

interface Message {
  readonly uid: number;
  readonly flags: string;
}

interface Mailbox {
  readonly path: string;
  readonly uidValidity: number;
  /** By base name; of records that have a file. */
  readonly messages: ReadonlyMap<string, Message>;
}

function mailboxesIn(store: string): ReadonlyMap<string, Mailbox> {
  const all = new Map<string, Mailbox>();
  for (const path of FOLDERS) {
    const dir = join(store, path);
    if (!existsSync(join(dir, "dovecot-uidlist"))) continue;
    const [header = "", ...records] = readFileSync(join(dir, "dovecot-uidlist"), "latin1").trimEnd().split("\n");
    const files = new Map(
      ["new", "cur"]
        .flatMap((part) => readdirSync(join(dir, part)).map((name) => name.split(":2,")))
        .map(([base = "", flags = ""]) => [base, flags]),
    );
    const messages = new Map<string, Message>();
    for (const record of records) {
      const base = record.slice(record.indexOf(" :") + 2);
      const flags = files.get(base);
      if (flags !== undefined) messages.set(base, { uid: Number.parseInt(record, 10), flags });
    }
    const guid = / G([0-9a-f]{32})/.exec(header)?.[1] ?? "";
    all.set(guid, { path, uidValidity: Number(/ V(\d+)/.exec(header)?.[1]), messages });
  }
  return all;
}

const sorted = <T>(values: Iterable<T>): readonly T[] => [...values].sort();

/** What became of one mailbox of the replica. */
function doneTo(before: Mailbox | undefined, after: Mailbox | undefined) {
  const had = before?.messages ?? new Map<string, Message>();
  const has = after?.messages ?? new Map<string, Message>();
  const both = [...had].flatMap(([base, one]) => {
    const other = has.get(base);
    return other === undefined ? [] : [{ base, one, other }];
  });
  return {
    made: before === undefined && after !== undefined,
    deleted: before !== undefined && after === undefined,
    renamedFrom: before !== undefined && after !== undefined && before.path !== after.path ? before.path : undefined,
    removed: sorted([...had.keys()].filter((base) => !has.has(base))),
    come: [...has.keys()].filter((base) => !had.has(base)).length,
    flagged: sorted(both.filter(({ one, other }) => one.flags !== other.flags).map(({ base }) => base)),
    moved: sorted(both.filter(({ one, other }) => one.uid !== other.uid).map(({ base }) => base)),
  };
}

type Done = ReturnType<typeof doneTo>;

const stepsOf = <K extends StepKind>(planned: PlannedMailbox, kind: K) =>
  planned.groups
    .flatMap(({ first }) => first)
    .filter((it): it is Extract<PlannedStep, { kind: K }> => it.kind === kind);

/** The same, as the plan has it. `before`: as the replica was. */
function saidOf(planned: PlannedMailbox, before: Mailbox | undefined): Done {
  const has = (kind: StepKind) => stepsOf(planned, kind).length > 0;
  const deleted = has("delete");
  const rebound = stepsOf(planned, "rebind");
  const makesWay = stepsOf(planned, "new-uid").flatMap(({ found }) => found ?? []);
  return {
    made: has("make"),
    deleted,
    renamedFrom: stepsOf(planned, "rename")[0]?.from,
    removed: sorted(deleted ? (before?.messages.keys() ?? []) : stepsOf(planned, "remove").map(({ base }) => base)),
    come: stepsOf(planned, "add").length + stepsOf(planned, "new-uid").length,
    flagged: sorted(stepsOf(planned, "marks").map(({ base }): string => base)),
    moved: sorted([
      ...rebound.filter(({ uid, fromUid }) => uid !== fromUid).map(({ after }): string => after.base),
      ...makesWay,
    ]),
  };
}

/** Whatever the source has of any mailbox from here on, the log does not bring it. */
async function holdAll(pair: RealPair): Promise<void> {
  const rows = [...pair.sourceReader.mailboxes(), ...pair.replicaReader.mailboxes()];
  const paths = new Map<MailboxGuid, RawPath>(rows.map(({ guid, path }) => [guid, path]));
  let lsn = 0;
  for (const [mailbox, path] of paths) {
    lsn -= 2;
    const times = { attempts: 1, firstMs: 1, lastMs: 1 };
    await pair.sourceWriter.putRejection({
      ...{ replica: REPLICA, lsn, mailbox, path, code: "resync-asked", message: "x", ...times },
    });
  }
}

async function planOf(pair: RealPair, lsn: number): Promise<readonly PlannedMailbox[]> {
  const run = pair.start({ compares: false, heals: false, asksStanding: false });
  await run.untilAcked(lsn);
  await pair.sourceWriter.setCursor(REPLICA, lsn); // in the agent's own time it comes a moment later.
  const planned: PlannedMailbox[] = [];
  expect(await run.agent.plan("all", (each) => planned.push(each), never)).toBe(true);
  await run.end();
  return planned;
}

/** A comparison of all, and what follows from it at the source. */
async function resync(pair: RealPair): Promise<void> {
  const stop = new AbortController();
  const capturing = pair.captureOn(stop.signal); // what cannot have its UID gets another one at the source.
  const run = pair.start();
  await run.untilAcked(pair.sourceReader.lastLsn());
  await run.agent.resync("all");
  const isOver = () => {
    run.agent.wake(); // as whoever captures does.
    const rows = pair.sourceReader.rejections();
    return run.compared.length > 0 && !run.agent.isMending && rows.every(({ code }) => code !== "resync-asked");
  };
  await until("all to be compared", isOver, { detail: () => JSON.stringify(pair.sourceReader.rejections()) });
  stop.abort();
  await capturing;
  await run.untilAcked(await pair.capture());
  await run.end();
}

test.prop([fc.array(step, { minLength: 2, maxLength: 16 })], tries(12))(
  "what is planned is what is done",
  async (steps) => {
    await using pair = await RealPair.open(systemClock);
    for (const [at, path] of FOLDERS.slice(0, 3).entries())
      makeMailbox(pair.bench.source, path, { messages: 3, seed: 10 * at });
    await pair.ship();
    const play = new Play(pair);
    for (const each of steps) await play.do(each);
    const lsn = await pair.capture();
    await holdAll(pair);

    const before = mailboxesIn(pair.bench.replica);
    const planned = await planOf(pair, lsn);
    expect(mailboxesIn(pair.bench.replica)).toEqual(before);
    await resync(pair);
    const after = mailboxesIn(pair.bench.replica);

    const toldOf = new Map<string, PlannedMailbox>(planned.map((each) => [each.mailbox, each]));
    for (const guid of new Set([...before.keys(), ...after.keys(), ...toldOf.keys()])) {
      const plan = toldOf.get(guid);
      const done = doneTo(before.get(guid), after.get(guid));
      if (plan === undefined) {
        expect(before.get(guid), `${guid} is the replica's own`).toEqual(after.get(guid));
        continue;
      }
      const isRefused = plan.failure !== undefined || stepsOf(plan, "occupied").length > 0;
      const [renumbered] = stepsOf(plan, "renumber");
      if (isRefused) expect(done.removed, plan.path).toEqual([]);
      else if (renumbered !== undefined) expect(after.get(guid)?.uidValidity, plan.path).toBe(renumbered.after);
      else
        expect({ path: plan.path, ...done }, JSON.stringify(plan.groups)).toEqual({
          path: plan.path,
          ...saidOf(plan, before.get(guid)),
        });
    }
  },
  60_000,
);
