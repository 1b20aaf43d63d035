/**
 * A stream of everything that happens to mail at once, for tests that end the twin in the middle of it: deliveries (also
 * without a record), appends with new keywords, flags, copies, moves, expunges, and folders made, renamed and deleted.
 *
 * One action after the other over one IMAP session and LMTP, the same for the same seed. INVARIANT: every kind of action
 * comes up within each round of `ACTIONS_PER_ROUND`, so that a short stream reaches every place in the program.
 */
import type { ImapFlow } from "imapflow";
import type { DovecotSite } from "../lab/dovecot.js";
import * as imap from "../lab/imap.js";
import { deliver, deliverAll } from "../lab/lmtp.js";
import { makeMessage, makeMessages } from "../lab/messages.js";
import { dropFile } from "./raw-mail.js";

export interface MixedOptions {
  readonly site: DovecotSite;
  /** Gets everything but the drops. */
  readonly user: string;
  /** Only gets files without records; no session opens its INBOX meanwhile. */
  readonly droppedUser: string;
  readonly seed: number;
  /** So many folders are deleted; default: any number. With much mail in them the deletion brake holds that back. */
  readonly deletedMax?: number;
}

const FOLDERS_MAX = 4;
const KEYWORDS = 20;

export class MixedChanges implements AsyncDisposable {
  readonly #options: MixedOptions;
  readonly #session: ImapFlow;
  readonly #random: () => number;
  readonly #folders: string[] = [];
  readonly #actions: readonly (readonly [name: string, run: () => Promise<void>])[] = [
    ["drop", async () => this.#drop()],
    ["create", () => this.#create()],
    ["deliver", () => deliver(this.#options.site, this.#options.user, this.#message())],
    ["append", () => this.#append()],
    ["mark", () => this.#mark()],
    ["rename", () => this.#rename()],
    ["copy", () => this.#copy()],
    ["deliver-many", () => this.#deliverMany()],
    ["move", () => this.#move()],
    ["mark-many", () => this.#markMany()],
    ["expunge", () => this.#expunge()],
    ["delete", () => this.#delete()],
  ];
  #serial: number;
  #done = 0;
  #deleted = 0;

  private constructor(options: MixedOptions, session: ImapFlow) {
    this.#options = options;
    this.#session = session;
    this.#random = seededRandom(options.seed);
    this.#serial = options.seed * 10_000;
  }

  static async open(options: MixedOptions): Promise<MixedChanges> {
    return new MixedChanges(options, await imap.connect(options.site, options.user));
  }

  static readonly ACTIONS_PER_ROUND = 12;

  /** Makes the next change; returns its name. Done means that Dovecot has confirmed it. */
  async step(): Promise<string> {
    const [name, run] = this.#actions[this.#done % this.#actions.length] ?? ["none", () => Promise.resolve()];
    this.#done += 1;
    await run();
    return name;
  }

  async steps(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.step();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.logout();
  }

  #message(): Buffer {
    this.#serial += 1;
    return makeMessage({ seed: this.#serial, bytes: 600 + Math.floor(this.#random() * 3_000) });
  }

  #drop(): void {
    this.#serial += 1;
    const { site, droppedUser } = this.#options;
    dropFile({ site, user: droppedUser }, `1650000000.drop${this.#serial}`, { seed: this.#serial });
  }

  async #deliverMany(): Promise<void> {
    const { site, user } = this.#options;
    this.#serial += 10;
    const mail = makeMessages(10, { seed: this.#serial - 9 }).map((message) => ({ user, message }));
    await deliverAll(site, mail, { connections: 4 });
  }

  async #create(): Promise<void> {
    this.#serial += 1;
    const name = `Box ${this.#serial}`;
    await imap.createFolder(this.#session, name);
    await imap.append(this.#session, name, this.#message(), { flags: ["\\Seen"] });
    this.#folders.push(name);
  }

  async #append(): Promise<void> {
    const flags = ["\\Answered", this.#keyword()];
    await imap.append(this.#session, this.#folder(), this.#message(), {
      flags,
      date: new Date("2019-05-06T07:08:09Z"),
    });
  }

  async #mark(): Promise<void> {
    await imap.select(this.#session, this.#folder());
    await imap.store(this.#session, "1:*", { add: ["\\Flagged", this.#keyword()] });
  }

  async #markMany(): Promise<void> {
    const newest = await this.#inbox();
    await imap.store(this.#session, `${Math.max(1, newest - 20)}:*`, { add: ["\\Seen", this.#keyword()] });
    await imap.store(this.#session, [newest], { remove: ["\\Seen"] });
  }

  async #copy(): Promise<void> {
    const newest = await this.#inbox();
    await imap.copy(this.#session, [newest], this.#folder());
    await imap.copy(this.#session, [newest], "INBOX");
  }

  async #move(): Promise<void> {
    const newest = await this.#inbox();
    await imap.move(this.#session, `${newest - 3}:${newest}`, this.#folder());
  }

  async #expunge(): Promise<void> {
    const newest = await this.#inbox();
    await imap.expunge(this.#session, `${Math.max(1, newest - 9 + Math.floor(this.#random() * 5))}:${newest - 4}`);
  }

  async #rename(): Promise<void> {
    this.#serial += 1;
    const at = Math.floor(this.#random() * this.#folders.length);
    const old = this.#folders[at];
    if (old === undefined) return;
    await this.#leave();
    this.#folders[at] = `Case & ${this.#serial}`;
    await imap.renameFolder(this.#session, old, `Case & ${this.#serial}`);
  }

  async #delete(): Promise<void> {
    if (this.#folders.length < FOLDERS_MAX || this.#deleted >= (this.#options.deletedMax ?? this.#done)) return;
    this.#deleted += 1;
    const [old] = this.#folders.splice(Math.floor(this.#random() * this.#folders.length), 1);
    await this.#leave();
    if (old !== undefined) await imap.deleteFolder(this.#session, old);
  }

  /** Renaming or deleting the selected folder would end the session. */
  async #leave(): Promise<void> {
    await imap.select(this.#session, "INBOX");
  }

  /** Selects INBOX after a delivery, so that there is something; returns the highest UID. */
  async #inbox(): Promise<number> {
    await deliver(this.#options.site, this.#options.user, this.#message());
    const { uidNext } = await imap.select(this.#session, "INBOX");
    return uidNext - 1;
  }

  #folder(): string {
    return this.#folders[Math.floor(this.#random() * this.#folders.length)] ?? "INBOX";
  }

  #keyword(): string {
    return `key${Math.floor(this.#random() * KEYWORDS)}`;
  }
}

/** A small seeded generator, uniform in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
