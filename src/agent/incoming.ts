/**
 * One offered transaction on its way into the replica: prepared, its bodies staged, durable, ready to be executed.
 *
 * INVARIANT: `ready` settles once: "ready" when every body is staged and on stable storage, else why it will not be.
 * INVARIANT: after `drop` nothing more of it is asked of the store, or of the thread that stages. What arrives is looked at
 * again before each call, since a transaction may be given up between two of them.
 *
 * Many bodies are staged by a thread of their own, beside the store's; all of one transaction by the same. What is staged there
 * is handed over to the store in one call, before the transaction is sealed.
 */

import type {
  ApplyMethods,
  ApplyNote,
  AtOnceOutcome,
  AtOnceRequest,
  PrepareOutcome,
  StageTicket,
  WantedBody,
} from "../apply/apply-types.js";
import type { Divergence } from "../apply/divergence.js";
import type { StageMethods } from "../apply/stage-types.js";
import { movableBuffers, releaseSlabs } from "../base/slab-pool.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { StateWriter } from "../log/state-ports.js";
import { NO_EFFECT } from "../log/state-types.js";
import type { AlongBodies, Bodies, BodyPart, Mark, Offer } from "../wire/messages.js";
import type { BodiesOf } from "./bodies-ahead.js";
import { misnamed } from "./session-rights.js";
import type { StagerPort } from "./stager-port.js";

type Tried = Extract<AtOnceOutcome, { readonly kind: "tried" }>["outcome"];

export type Readiness =
  /** `tried`: what came of executing it, once; absent = that is still to be done. `isPart`: other changes follow (`next`). */
  | { readonly kind: "ready"; readonly intent: number; readonly tried?: Tried; readonly isPart: boolean }
  /** And recorded: nothing is left to do. */
  | { readonly kind: "applied"; readonly notes: readonly ApplyNote[] }
  | { readonly kind: "diverged"; readonly divergence: Divergence }
  | { readonly kind: "given-up" };

export interface IncomingPorts {
  readonly store: WorkerClient<ApplyMethods>;
  readonly stager: StagerPort;
  /** With more wanted bodies than this they are staged apart. */
  readonly stagedHereMax: number;
  readonly writer: StateWriter;
  /** With more bytes of wanted bodies than this it is applied in parts. */
  readonly partBytesMax: number;
  /** Returns when these bodies may be asked for. */
  readonly room: (bodies: BodiesOf) => Promise<void>;
  /** Sends the replica's wish. */
  readonly want: (id: number, indexes: readonly number[]) => Promise<void>;
  /** One call makes all that was written to the store's file system durable; false where the system has none. */
  readonly syncAll: () => Promise<boolean>;
  readonly reach: (point: string) => void;
}

/** From this many bodies on, one syncfs costs less than an fsync for each. */
const SYNC_EACH_MAX = 24;

const NOTHING_ALONG: AlongBodies = { heads: [], payloads: [] };

/** The thread that stages the bodies of this transaction, and whether it knows it. */
interface Apart {
  readonly stager: WorkerClient<StageMethods>;
  readonly begun: Promise<void>;
}

export class Incoming {
  readonly offer: Offer;
  #ready: Promise<Readiness>;
  readonly #ports: IncomingPorts;
  readonly #lacking = new Set<number>();
  #wanted = 0;
  #complete: (() => void) | undefined;
  #divergence: Divergence | undefined;
  #givenUp = false;
  #intent: number | undefined;
  #intentBytes: Uint8Array = new Uint8Array(0);
  /** What was staged is on stable storage. */
  #isSynced = false;
  #apart: Apart | undefined;
  #voidBelow = 0;
  /** Changes that are applied: the store counts from there, the source from the first. */
  #from = 0;
  /** Changes of the part that is under way; undefined: all that are left. */
  #cut: number | undefined;
  /** Of the part that is under way, so many bytes were asked for. */
  #askedBytes = 0;
  /** Of the parts that are applied. */
  readonly #notes: ApplyNote[] = [];

  /** `atOnce`: nothing is under way before it, so that it may be applied by one call; with what its effect records. */
  constructor(ports: IncomingPorts, offer: Offer, atOnce?: Pick<AtOnceRequest, "cursor">) {
    this.#ports = ports;
    this.offer = offer;
    this.#ready = handled(atOnce === undefined ? this.#makeReady(offer.along) : this.#apply(atOnce));
  }

  /** Rejects with what concerns more than this transaction. A rejection that nobody looks at is no defect. */
  get ready(): Promise<Readiness> {
    return this.#ready;
  }

  get id(): number {
    return this.offer.id;
  }

  /** Of the parts that are applied. */
  get notes(): readonly ApplyNote[] {
    return this.#notes;
  }

  /** Prepares it again; saves below `voidBelow` that are not bound here are left out. */
  again(voidBelow: number): void {
    this.#voidBelow = voidBelow;
    this.#divergence = undefined;
    this.#lacking.clear();
    this.#ready = handled(this.#makeReady());
  }

  /** The part that was ready is applied, and that is recorded: what follows is next. */
  next(notes: readonly ApplyNote[]): void {
    this.#notes.push(...notes);
    this.#from += this.#cut ?? 0;
    this.#intent = undefined;
    [this.#wanted, this.#askedBytes] = [0, 0];
    this.again(this.#voidBelow);
  }

  /** What was found at `prepare` is gone: these bodies have to come after all. */
  lack(wants: readonly WantedBody[]): void {
    this.#ready = handled(this.#fetch(wants).then(() => this.#seal()));
  }

  /** Its bodies do not come: what is still on the way is dropped. */
  giveUp(): void {
    this.#givenUp = true;
    this.#lacking.clear();
    this.#complete?.();
  }

  /** Gives it up, and has removed what was staged of it. */
  async drop(): Promise<void> {
    this.giveUp();
    await this.#ready.catch(() => undefined); // no step towards it is under way; whether it came to be ready is asked elsewhere.
    const apart = this.#apart;
    try {
      // Behind what it may be staging at this moment.
      if (apart !== undefined) await apart.stager.call("drop", { key: this.id });
    } finally {
      this.#endApart();
      const isTold = await this.#ports.store.call("drop", { key: this.id });
      if (isTold) await this.#dropIntent();
    }
  }

  async #dropIntent(): Promise<void> {
    const intent = this.#intent;
    if (intent === undefined) return;
    this.#intent = undefined;
    await this.#ports.writer.recordEffect({ ...NO_EFFECT, intent });
  }

  async takeBodies(bodies: Bodies): Promise<void> {
    try {
      await this.#stageBodies(bodies);
    } finally {
      releaseSlabs(bodies.payloads);
    }
  }

  async #stageBodies({ heads: told, payloads }: Bodies): Promise<void> {
    await this.#apart?.begun;
    const heads = told.map((head) => ({ ...head, index: head.index - this.#from }));
    for (const { index } of heads.filter((head) => head.gone)) {
      if (!this.#lacking.has(index)) continue;
      await this.#ports.store.call("gone", { key: this.id, index });
      this.#arrived(index);
    }
    const taken = new Set<number>();
    const bodies = heads
      .filter((head) => !head.gone)
      .flatMap(({ index, sha256 }, i) => {
        const bytes = payloads[i];
        // What was not asked for is dropped, not stored; so is what comes twice.
        if (bytes === undefined || taken.has(index) || !this.#lacking.has(index)) return [];
        taken.add(index);
        return [{ index, bytes, sha256: hexOf(sha256) }];
      });
    if (bodies.length === 0) return;
    const transfer = movableBuffers(bodies.map((body) => body.bytes));
    const request = { key: this.id, bodies };
    // The last of few, as nearly always: made durable in the same call.
    const sync = bodies.length === this.#lacking.size && this.#wanted <= SYNC_EACH_MAX;
    const outcome = await (this.#apart === undefined
      ? this.#ports.store.call("stageMany", { ...request, sync }, transfer)
      : this.#apart.stager.call("stageMany", request, transfer));
    if (outcome.kind === "diverged") this.#fail(outcome.divergence);
    else this.#isSynced = sync && this.#apart === undefined;
    for (const { index } of bodies) this.#arrived(index);
  }

  async takePart({ index: told, offset, last, sha256, payload }: BodyPart): Promise<void> {
    await this.#apart?.begun;
    const index = told - this.#from;
    if (!this.#lacking.has(index)) return;
    const part = { key: this.id, index, offset, bytes: payload, last, sha256: last ? hexOf(sha256) : undefined };
    const transfer = [payload.buffer as ArrayBuffer];
    const outcome = await (this.#apart === undefined
      ? this.#ports.store.call("stagePart", part, transfer)
      : this.#apart.stager.call("stagePart", part, transfer));
    if (outcome.kind === "diverged") this.#fail(outcome.divergence);
    else this.#isSynced = false;
    if (last) this.#arrived(index);
  }

  async #apply(atOnce: Pick<AtOnceRequest, "cursor">): Promise<Readiness> {
    const { store } = this.#ports;
    const { along = NOTHING_ALONG } = this.offer;
    const outcome = await this.#asking(along, (request) => store.call("applyAtOnce", { ...request, ...atOnce }));
    switch (outcome.kind) {
      case "applied":
        return outcome;
      case "tried":
        this.#intent = outcome.intent;
        this.#wanted += along.heads.length;
        this.#isSynced = true;
        return { kind: "ready", intent: outcome.intent, tried: outcome.outcome, isPart: false };
      case "prepared":
        return this.#carryOn(outcome.prepared, along);
    }
  }

  /** With the bodies that came along, the first time: then they are staged already, or asked for. */
  async #makeReady(along = NOTHING_ALONG): Promise<Readiness> {
    const { store } = this.#ports;
    const prepared = await this.#asking(along, (request) => store.call("prepare", request));
    return this.#carryOn(prepared, along);
  }

  async #carryOn(prepared: PrepareOutcome, along: AlongBodies): Promise<Readiness> {
    if (prepared.kind === "misnamed") throw misnamed();
    if (prepared.kind === "diverged") {
      this.#wanted += along.heads.length; // some of them may be staged, and are not known to be durable.
      return prepared;
    }
    this.#intentBytes = prepared.intent;
    this.#cut = prepared.cut;
    this.#wanted += prepared.taken;
    this.#isSynced = prepared.taken > 0;
    if (prepared.ticket !== undefined && !this.#givenUp) this.#beginApart(prepared.ticket);
    await this.#fetch(prepared.wants);
    return this.#seal();
  }

  async #asking<T>({ heads, payloads }: AlongBodies, ask: (request: AtOnceRequest) => Promise<T>): Promise<T> {
    const { stagedHereMax: apartAbove, partBytesMax } = this.#ports;
    const part = {
      from: this.#from,
      voidBelow: this.#voidBelow,
      cutAbove: Math.max(0, partBytesMax - this.#askedBytes),
    };
    const { payload: bytes, mailbox, bodiesAnew = false } = this.offer;
    const along = heads.flatMap(({ index, sha256 }, i) => {
      const body = payloads[i];
      return body === undefined ? [] : [{ index, bytes: body, sha256: hexOf(sha256) }];
    });
    try {
      return await ask({ key: this.id, mailbox, bytes, bodiesAnew, apartAbove, along, ...part });
    } finally {
      releaseSlabs(payloads);
    }
  }

  async #fetch(wants: readonly WantedBody[]): Promise<void> {
    if (wants.length === 0) return;
    const bytes = wants.reduce((sum, { size }) => sum + size, 0);
    const isFurther = this.#from > 0 && this.#askedBytes === 0;
    await this.#ports.room({ id: this.id, bytes, isFurther, hasMore: this.#cut !== undefined });
    if (this.#givenUp) return; // perhaps while it waited.
    this.#askedBytes += bytes;
    const indexes = wants.map(({ index }) => index + this.#from);
    for (const index of indexes) this.#lacking.add(index - this.#from);
    this.#wanted += indexes.length;
    this.#isSynced = false;
    const complete = new Promise<void>((resolve) => {
      this.#complete = resolve;
    });
    await this.#ports.want(this.id, indexes);
    await complete;
  }

  /** Durable bodies first, then the intent: from here a restart knows what was on the way. */
  async #seal(): Promise<Readiness> {
    if (this.#givenUp) return { kind: "given-up" };
    await this.#adoptStaged();
    if (this.#divergence !== undefined) return { kind: "diverged", divergence: this.#divergence };
    const synced = this.#isSynced || (this.#wanted > SYNC_EACH_MAX && (await this.#ports.syncAll()));
    if (!synced && this.#wanted > 0) await this.#ports.store.call("syncStaged", { key: this.id });
    this.#ports.reach("apply.staged");
    if (this.#intent === undefined) {
      this.#intent = await this.#ports.writer.putIntent({ bytes: this.#intentBytes });
      this.#ports.reach("apply.intent");
    }
    return { kind: "ready", intent: this.#intent, isPart: this.#cut !== undefined };
  }

  #beginApart(ticket: StageTicket): void {
    const stager = this.#ports.stager.take();
    const begun = stager.call("begin", { key: this.id, ticket });
    this.#apart = { stager, begun: handled(begun) };
  }

  /** Also what was staged before it diverged: the store keeps it for the next attempt. */
  async #adoptStaged(): Promise<void> {
    const apart = this.#apart;
    if (apart === undefined) return;
    await apart.begun;
    const bodies = await apart.stager.call("handOver", { key: this.id });
    // Without a look at anything else in between: they are nobody's until then.
    await this.#ports.store.call("adoptStaged", { key: this.id, bodies });
    this.#endApart();
  }

  #endApart(): void {
    if (this.#apart !== undefined) this.#ports.stager.giveBack();
    this.#apart = undefined;
  }

  #fail(divergence: Divergence): void {
    this.#divergence ??= divergence;
    this.#lacking.clear(); // what is still on the way does not fit any more.
    this.#complete?.();
  }

  #arrived(index: number): void {
    this.#lacking.delete(index);
    if (this.#lacking.size === 0) this.#complete?.();
  }
}

/** Of what was offered, with the bodies along with it. */
export function bytesOf(message: Offer | Mark): number {
  if (message.kind === "mark") return 0;
  return (message.along?.payloads ?? []).reduce((sum, { length }) => sum + length, message.payload.length);
}

/** It is looked at when its turn comes, or never. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}
