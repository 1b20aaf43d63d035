/**
 * Two Dovecot sites and the twin between them: what nearly every live test starts from.
 *
 * `settle` is the measure of success everywhere: equal as files (which is quick to ask) and equal through IMAP, nothing left
 * over on the replica's disk, every file there the mail owner's (where users have owners of their own: owned as at the source),
 * and not one warning in either Dovecot's log.
 * Subscriptions belong to the user, not to a mailbox, and are not carried: they are left out of the comparison.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { type DovecotSite, type SiteOptions, startDovecot } from "../lab/dovecot.js";
import { listStore, storeLeaks } from "../lab/files.js";
import { runTwin, spawnTwin, startTwin, type Twin, type TwinRun } from "../lab/mailtwin.js";
import { until } from "../lab/until.js";
import type { FolderView, StoreView } from "../lab/view.js";
import { type WaitOptions, waitEqual } from "../lab/wait-equal.js";
import { ownershipDifferences } from "./ownership.js";
import { rawDifferences } from "./raw-compare.js";

export interface PairOptions extends Pick<SiteOptions, "users" | "layout" | "ownerOf" | "homeOf" | "extraConfig"> {
  /** Lines of the replica's log that are what Dovecot has to say of what the test does. Default: none. */
  readonly expected?: RegExp;
}

export interface TwinSettings {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Another script than the built command line. */
  readonly cli?: string;
}

export type Views = ReadonlyMap<string, StoreView>;

const EQUAL_MS_MAX = 60_000;
const SHOWN_MS_MAX = 8_000;
const CLEAN_MS_MAX = 5_000;
const FILES_POLL_MS = 20;

/** Starts both sites; the replica's store is empty. Nobody logs in there before it is seeded. */
export async function openPair(options: PairOptions): Promise<Pair> {
  const [source, replica] = await Promise.all([
    startDovecot({ ...options, name: "A" }),
    startDovecot({ ...options, name: "B", homes: false }),
  ]);
  return new Pair(source, replica, { hasOwners: options.ownerOf !== undefined, expected: options.expected });
}

export class Pair implements AsyncDisposable {
  readonly source: DovecotSite;
  readonly replica: DovecotSite;
  /** The state directory; away with the replica's site. */
  readonly state: string;
  /** Lines that have failed a test already. */
  readonly #complaints = new Set<string>();
  #isExplained: (line: string) => boolean = () => false;
  readonly #hasOwners: boolean;
  readonly #expected: RegExp | undefined;

  constructor(
    source: DovecotSite,
    replica: DovecotSite,
    { hasOwners, expected }: { readonly hasOwners: boolean; readonly expected: RegExp | undefined },
  ) {
    this.source = source;
    this.replica = replica;
    this.#hasOwners = hasOwners;
    this.#expected = expected;
    this.state = join(replica.dir, "twin-state");
  }

  /** A watching twin that is live. */
  async start(settings: TwinSettings = {}): Promise<Twin> {
    return await startTwin({ ...this.#stores(), ...settings });
  }

  /** A watching twin that is not waited for. */
  spawn(settings: TwinSettings = {}): Twin {
    return spawnTwin({ ...this.#stores(), ...settings });
  }

  /** One `mailtwin sync` to its end. */
  async sync(...args: readonly string[]): Promise<TwinRun> {
    const { source, replica, state } = this.#stores();
    return await runTwin(["sync", source, replica, "--json", "--state", state, ...args]);
  }

  /**
   * Waits until the replica shows the same through IMAP, then expects it to be clean. Returns the replica's views by user.
   * The deadline (default 30 s) is the twin's, for the files; Dovecot gets a few seconds to show them.
   */
  async settle(users: string | readonly string[] = this.source.users, options: WaitOptions = {}): Promise<Views> {
    await this.#untilFilesEqual(typeof users === "string" ? [users] : users, options.deadlineMs ?? EQUAL_MS_MAX);
    const shown = { ignoreSubscriptions: true, ...options, deadlineMs: SHOWN_MS_MAX };
    let views: Views;
    try {
      views = await waitEqual(this.source, this.replica, users, shown);
    } catch (error) {
      if (!(error instanceof Error) || !isAboutGuidsOnly(error)) throw error;
      await this.#refreshFolderIndex(users);
      views = await waitEqual(this.source, this.replica, users, shown);
    }
    await this.expectClean();
    return views;
  }

  /**
   * `doveadm mailbox status guid`, from which the views have their GUIDs, answers from Dovecot's index of folders, which may
   * name the folder that had this path before, for as long as nobody changes mail in it. No IMAP client of 2.3 sees that.
   */
  async #refreshFolderIndex(users: string | readonly string[]): Promise<void> {
    for (const user of typeof users === "string" ? [users] : users) {
      for (const site of [this.source, this.replica]) await site.doveadm(["index", "-u", user, "*"]);
    }
  }

  /**
   * Waits until the mail of all users is equal as files, without asking Dovecot: where it is too much for IMAP, or where Dovecot's own view of its
   * folders is no measure.
   */
  async settleFiles(deadlineMs = EQUAL_MS_MAX): Promise<void> {
    await this.#untilFilesEqual(this.source.users, deadlineMs);
    await this.expectClean();
  }

  /** What differs between the users' mail as files right now, in words, without bodies. */
  fileDifferences(users: readonly string[] = this.source.users): readonly string[] {
    const { source, replica } = this;
    // All of them: also what belongs to none, and homes whose names are no text.
    const homes = users.length === source.users.length ? ["."] : users;
    try {
      return homes.flatMap((user) => {
        const found = rawDifferences(join(source.store, user), join(replica.store, user), { bodies: false });
        return found.map((difference) => `${user}: ${difference.words}`);
      });
    } catch (error) {
      if (!(error instanceof Error) || !("code" in error) || error.code !== "ENOENT") throw error;
      return [`changed while they were compared, or not there yet: ${error.message}`];
    }
  }

  async #untilFilesEqual(users: readonly string[], deadlineMs: number): Promise<void> {
    let words: readonly string[] = [];
    let pollMs = FILES_POLL_MS;
    const equal = (): boolean => {
      const start = performance.now();
      words = this.fileDifferences(users);
      pollMs = Math.max(FILES_POLL_MS, 2 * (performance.now() - start)); // a large store is not listed all the time.
      return words.length === 0;
    };
    const start = performance.now();
    while (!equal()) {
      if (performance.now() - start > deadlineMs)
        throw new Error(`files not equal after ${deadlineMs} ms:\n${words.slice(0, 10).join("\n")}`);
      await sleep(pollMs);
    }
  }

  /** Nothing left over on the replica (a batch may still be ending), no complaint of either Dovecot. */
  async expectClean(): Promise<void> {
    let leaks: readonly string[] = [];
    const clean = (): boolean => {
      leaks = [...storeLeaks(this.replica.store), ...this.#strangers()];
      return leaks.length === 0;
    };
    await until("a clean replica", clean, { deadlineMs: CLEAN_MS_MAX, detail: () => leaks.slice(0, 10).join("\n") });
    this.expectQuiet();
  }

  /** Such lines of the replica's log fail no test of this pair, whenever they come. Whoever explains them counts them, too. */
  excuse(isExplained: (line: string) => boolean): void {
    this.#isExplained = isExplained;
  }

  /** No warning in either log since the last call: each one fails the test that caused it, and only that one. */
  expectQuiet(): void {
    const news = [this.source, this.replica].map((site) => {
      const isExpected = (line: string): boolean => site === this.replica && this.#expected?.test(line) === true;
      const unknown = site.problems().filter((line) => !this.#complaints.has(line) && !isExpected(line));
      for (const line of unknown) this.#complaints.add(line);
      return site === this.replica ? unknown.filter((line) => !this.#isExplained(line)) : unknown;
    });
    expect(news, "warnings of the source's and of the replica's Dovecot").toEqual([[], []]);
  }

  #strangers(): readonly string[] {
    return this.#hasOwners ? ownershipDifferences(this.source.store, this.replica.store) : strangers(this.replica);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.source.stop(), this.replica.stop()]);
  }

  #stores() {
    return { source: this.source.store, replica: this.replica.store, state: this.state };
  }
}

/** One folder of one user, as `settle` returned it; throws when it is not there. */
export function folderOf(views: Views, user: string, path = "INBOX"): FolderView {
  const folder = views.get(user)?.folders.get(path);
  if (folder === undefined) throw new Error(`no ${path} of ${user} among ${[...views.keys()].join(", ")}`);
  return folder;
}

/** Every difference that a comparison found is one of GUIDs. */
function isAboutGuidsOnly(error: Error): boolean {
  const [head = "", ...lines] = error.message.split("\n");
  return head.startsWith("not equal") && lines.every((line) => / (mailbox|message) GUID: /.test(line));
}

/** Files and directories of users that do not belong to the mail owner: Dovecot could not read or remove them. */
function strangers({ store, owner }: DovecotSite): readonly string[] {
  return listStore(store)
    .filter(({ stats }) => stats.uid !== owner.uid || stats.gid !== owner.gid)
    .map(({ path, stats }) => `owned by ${stats.uid}:${stats.gid}: ${path}`);
}
