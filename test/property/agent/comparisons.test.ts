/**
 * Whatever happens to either store, to the log and to the link: once it is quiet, a run that compares makes the replica equal, and keeps what only the
 * replica has. Over real stores.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import type { FakeClock } from "../../fake-clock.js";
import { addMessage, makeMailbox } from "../../live/twin/small-store.js";
import { turns } from "../../turns.js";
import { RealPair } from "../../unit/agent/real-pair.js";
import { tries } from "../tries.js";

const FOLDERS = ["", "/.A", "/.B", "/.C"].map((name) => `u/Maildir${name}`);

type Side = "source" | "replica";

/** `folder` and `pick` choose among those that are there. */
type Step =
  | {
      readonly kind: "add" | "expunge" | "flag" | "move" | "remove";
      readonly side: Side;
      readonly folder: number;
      readonly pick: number;
    }
  | { readonly kind: "make" | "renumber"; readonly folder: number }
  | { readonly kind: "capture" | "trim" | "reopen" | "ship" }
  | { readonly kind: "cut"; readonly at: number };

const nat = (max: number) => fc.nat({ max });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom("add" as const, "expunge" as const, "flag" as const, "move" as const, "remove" as const),
      side: fc.oneof({ weight: 3, arbitrary: fc.constant<Side>("source") }, fc.constant<Side>("replica")),
      folder: nat(3),
      pick: nat(5),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("make" as const, "renumber" as const), folder: nat(3) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("capture" as const, "trim" as const, "reopen" as const, "ship" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cut" as const), at: fc.integer({ min: 1, max: 30 }) }) },
);

class Play {
  readonly #pair: RealPair;
  #seed = 100;
  /** Base names that only the replica has. */
  readonly foreign = new Set<string>();
  hadForeign = false;

  constructor(pair: RealPair) {
    this.#pair = pair;
  }

  async do(next: Step): Promise<void> {
    const { bench } = this.#pair;
    switch (next.kind) {
      case "capture":
        await this.#pair.capture();
        return;
      case "trim":
        await this.#pair.capture();
        await this.#pair.trimAll();
        return;
      case "reopen":
        this.#pair.reopenReplica();
        return;
      case "ship":
        await this.settle(3);
        return;
      case "cut":
        await this.#cut(next.at);
        return;
      case "make": {
        const path = FOLDERS[next.folder] ?? "";
        this.#seed += 20;
        if (!existsSync(join(bench.source, path))) makeMailbox(bench.source, path, { messages: 3, seed: this.#seed });
        return;
      }
      case "renumber": {
        const uidlist = join(bench.source, FOLDERS[next.folder] ?? "", "dovecot-uidlist");
        if (!existsSync(uidlist)) return;
        const text = readFileSync(uidlist, "latin1").replace(/V(\d+)/, (_, old: string) => `V${Number(old) + 1}`);
        writeFileSync(`${uidlist}.new`, text, "latin1");
        renameSync(`${uidlist}.new`, uidlist);
        return;
      }
      default:
        this.#change(next, bench[next.side]);
    }
  }

  #change({ kind, side, folder, pick }: Extract<Step, { readonly side: Side }>, store: string): void {
    const dir = join(store, FOLDERS[folder] ?? "");
    if (!existsSync(join(dir, "dovecot-uidlist"))) return;
    const cur = join(dir, "cur");
    const names = readdirSync(cur).sort();
    const name = names[pick % Math.max(1, names.length)];
    this.#seed += 1;
    if (kind === "add") {
      const base = addMessage(dir, { seed: this.#seed, bytes: 60 });
      if (side === "replica") this.foreign.add(base);
      if (side === "replica") this.hadForeign = true;
    } else if (kind === "expunge" && name !== undefined) {
      rmSync(join(cur, name));
      this.foreign.delete(name.split(":", 1)[0] ?? "");
    } else if (kind === "flag" && name !== undefined) {
      renameSync(join(cur, name), join(cur, `${name.split(":", 1)[0]}:2,${["", "F", "S", "FS"][pick % 4]}`));
    } else if (kind === "move" && folder > 0) {
      const to = join(store, FOLDERS[1 + (pick % 3)] ?? "");
      if (!existsSync(to)) renameSync(dir, to);
    } else if (kind === "remove" && folder > 0) {
      for (const each of names) if (side === "replica") this.foreign.delete(each.split(":", 1)[0] ?? "");
      rmSync(dir, { recursive: true });
    }
  }

  async #cut(at: number): Promise<void> {
    const run = this.#pair.start();
    run.onSend = () => {
      if (run.sent.length === at) void run.cut();
    };
    const lsn = await this.#pair.capture();
    await Promise.race([run.untilAcked(lsn).catch(() => undefined), turns(400)]);
    await run.cut();
    this.#pair.reopenReplica();
  }

  /** Runs until all is applied and nothing is refused, or for so many rounds. */
  async settle(rounds: number, mustCompare = false): Promise<void> {
    const run = this.#pair.start({ mustCompare });
    for (let round = 0; round < rounds; round++) {
      const lsn = await this.#pair.capture();
      run.agent.wake();
      const capturing = new AbortController();
      const captured = this.#pair.captureOn(capturing.signal);
      for (let i = 0; i < 40 && run.agent.ackedLsn < lsn; i++) {
        await turns(20);
        await (this.#pair.clock as FakeClock).advance(60);
      }
      await (this.#pair.clock as FakeClock).advance(20_000);
      capturing.abort();
      await captured;
    }
    await run.end();
  }
}

const FOR_A_PERSON = /that the source never had|that holds mail stands at/;

/** What has no right to be: where the replica has mail of its own, its UIDs count, and what holds it is not removed unasked. */
function faultsOf(pair: RealPair, { foreign, hadForeign }: Play): readonly string[] {
  const rejections = pair.sourceReader.rejections();
  const rightly = rejections.filter(({ message }) => hadForeign && FOR_A_PERSON.test(message));
  const isExcused = (words: string): boolean => {
    if (hadForeign && words.includes("the next UID is")) return true;
    if (rightly.length > 0 && words.endsWith("is a mailbox in B only")) return true;
    return [...foreign].some((base) => words.includes(base)) || rightly.some(({ path }) => words.startsWith(path));
  };
  const others = rejections.filter((row) => !rightly.includes(row));
  return [...others.map(({ message }) => message), ...pair.differences.filter((words) => !isExcused(words))];
}

test.prop([fc.array(step, { minLength: 1, maxLength: 14 }), fc.constantFrom(0, 130, 2 ** 23)], tries(8))(
  "a run that compares makes the replica equal, whatever happened before, and in which parts it asks for bodies",
  async (steps, partBytesMax) => {
    await using pair = await RealPair.open();
    pair.limits = { partBytesMax };
    makeMailbox(pair.bench.source, FOLDERS[0] ?? "", { messages: 3 });
    makeMailbox(pair.bench.source, FOLDERS[1] ?? "", { messages: 3, seed: 10 });
    await pair.ship();
    const play = new Play(pair);
    for (const each of steps) await play.do(each);
    pair.reopenReplica();
    await play.settle(6, true);
    expect(faultsOf(pair, play)).toStrictEqual([]);
  },
  60_000,
);
