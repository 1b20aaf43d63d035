/**
 * Folders in folders that are renamed while they are looked at one by one: whatever was seen in between, a replica that applies each
 * transaction as it comes refuses none, and ends with each mailbox where the source has it, nothing gone, nothing in its limbo.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fc } from "@fast-check/vitest";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openReplica, type Replica } from "../../unit/apply/replica-fixture.js";
import { CaptureBench } from "../../unit/capture/capture-bench.js";
import { type FakeMailbox, FakeStore } from "../../unit/capture/fake-dovecot.js";
import { expectEqualToDisk } from "../../unit/capture/log-model.js";
import { tries } from "../tries.js";

const FOLDERS = ["a", "a/b", "a/b/c", "z"];
const NAMES = ["a", "b", "c", "z", "q", "t"];

interface Step {
  readonly mailbox: number;
  /** 0 = the top; else below that mailbox. */
  readonly below: number;
  readonly name: number;
  readonly isSwap: boolean;
  /** Which mailboxes are looked at afterwards, in turn. */
  readonly looks: readonly number[];
}

const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  mailbox: fc.nat(3),
  below: fc.nat(4),
  name: fc.nat(NAMES.length - 1),
  isSwap: fc.boolean(),
  looks: fc.array(fc.nat(3), { maxLength: 4 }),
});

/** As Dovecot does it: with the folders in it, and without leaving empty directories. False where it would refuse. */
function renameFolder(store: FakeStore, mailbox: FakeMailbox, path: string): boolean {
  const from = mailbox.path;
  if (path === from || path.startsWith(`${from}/`) || existsSync(join(store.root, path))) return false;
  mkdirSync(dirname(join(store.root, path)), { recursive: true });
  const inside = store.mailboxes.filter((other) => other.path.startsWith(`${from}/`));
  mailbox.rename(path);
  for (const other of inside) other.path = path + other.path.slice(from.length);
  for (let above = dirname(from); above !== "."; above = dirname(above)) {
    if (readdirSync(join(store.root, above)).length > 0) break;
    rmdirSync(join(store.root, above));
  }
  return true;
}

function swap(store: FakeStore, one: FakeMailbox, other: FakeMailbox, look: () => void): void {
  const [here, there] = [one.path, other.path];
  if (here === there || here.startsWith(`${there}/`) || there.startsWith(`${here}/`)) return;
  if (!renameFolder(store, one, "between")) return;
  look();
  if (renameFolder(store, other, here)) look();
  renameFolder(store, one, there);
}

let replica: Replica;
let store: FakeStore;
beforeEach(async () => {
  await begin();
});
afterEach(() => end());

async function begin(): Promise<void> {
  replica = await openReplica({ inMemory: true });
  store = new FakeStore();
}

function end(): void {
  replica.remove();
  store.dispose();
}

/** GUID by path of every mailbox in a store, as its files say. */
function mailboxesIn(root: string, path = ""): Record<string, string> {
  const found: Record<string, string> = {};
  const names = readdirSync(join(root, path), { withFileTypes: true });
  if (names.some(({ name }) => name === "cur"))
    found[path] = /G(\w+)/.exec(readFileSync(join(root, path, "dovecot-uidlist"), "latin1"))?.[1] ?? "none";
  for (const entry of names) {
    if (!entry.isDirectory() || ["cur", "new", "tmp"].includes(entry.name)) continue;
    Object.assign(found, mailboxesIn(root, path === "" ? entry.name : `${path}/${entry.name}`));
  }
  return found;
}

class Follower {
  readonly #bench: CaptureBench;
  #applied = 0;

  constructor(bench: CaptureBench) {
    this.#bench = bench;
  }

  /** What was captured since. */
  follow(): void {
    for (const transaction of this.#bench.model.log.slice(this.#applied)) {
      const outcome = replica.apply(transaction, (base) => this.#bodyOf(base));
      expect(outcome, `${transaction.structure?.kind} ${transaction.path}`).toMatchObject({ kind: "applied" });
      this.#applied += 1;
    }
  }

  #bodyOf(base: string): Uint8Array | undefined {
    for (const mailbox of store.mailboxes) {
      const file = mailbox.files().find((candidate) => candidate.base === base);
      if (file !== undefined) return readFileSync(join(mailbox.dir, file.dir, file.name));
    }
    return undefined;
  }
}

async function play(withMail: number, steps: readonly Step[]): Promise<void> {
  const bench = await CaptureBench.open({}, {}, store);
  for (const [index, path] of FOLDERS.entries()) {
    const mailbox = store.create(path);
    if ((withMail & (1 << index)) !== 0) mailbox.deliver();
  }
  const follower = new Follower(bench);
  bench.sweep();
  follower.follow();
  for (const { mailbox: which, below, name, isSwap, looks } of steps) {
    const mailbox = store.mailboxes[which];
    const parent = store.mailboxes[below - 1];
    if (mailbox === undefined) continue;
    const look = (): void => {
      for (const index of looks) {
        const looked = store.mailboxes[index];
        if (looked === undefined) continue;
        bench.examine(looked, { full: true });
        follower.follow();
      }
    };
    if (isSwap && parent !== undefined) swap(store, mailbox, parent, look);
    else renameFolder(store, mailbox, `${parent === undefined ? "" : `${parent.path}/`}${NAMES[name]}`);
    look();
  }
  bench.sweep();
  follower.follow();
  expectEqualToDisk(bench.model, store);
  expect(mailboxesIn(replica.storeRoot)).toEqual(mailboxesIn(store.root));
  expect(replica.state.limbo).toEqual([]);
  const rows = [...replica.state.mailboxes.values()].map(({ path, guid }) => [path, guid]);
  expect(Object.fromEntries(rows), "what is recorded").toEqual(mailboxesIn(store.root));
}

test("each mailbox ends where the source has it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(15), fc.array(stepArbitrary, { minLength: 1, maxLength: 8 }), play).beforeEach(async () => {
      end();
      await begin();
    }),
    tries(60),
  );
}, 120_000);
