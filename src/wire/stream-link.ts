/**
 * A link over a byte stream: a socket, or the pipes of a child process. Messages travel in frames (frames.ts), as many as the other
 * end reads (flow-window.ts); both ends show that they are alive.
 *
 * INVARIANT: what the other end sends and this end has not read is bounded; more ends the link.
 * INVARIANT: memory that circulates between threads is given back when the stream has taken its bytes.
 * INVARIANT: nothing waits for an end that is gone: what is unheard of for `silenceMsMax` is, and so is what does not get on with a message
 * that it has begun (frame-progress.ts).
 * INVARIANT: nothing but its end cancels the time that an ended stream is kept, whichever end said so first.
 */
import type { Duplex } from "node:stream";
import { unreachable } from "../base/assert.js";
import type { Clock, Timer } from "../base/clock.js";
import { MailtwinError } from "../base/errors.js";
import { Fifo } from "../base/fifo.js";
import { Gate } from "../base/gate.js";
import { releaseSlabs } from "../base/slab-pool.js";
import { wireError } from "./errors.js";
import { CREDIT_BYTES_MIN, costOf, mayFollow, OUTSTANDING_BYTES_MAX } from "./flow-window.js";
import { FrameProgress } from "./frame-progress.js";
import { encodeFrame, type Frame, FrameReader } from "./frames.js";
import type { Link } from "./link.js";
import { decodeMessage, encodeMessage, type Parcel } from "./message-codec.js";
import type { WireFailure, WireMessage } from "./messages.js";

export interface StreamLinkPorts {
  readonly stream: Duplex;
  readonly clock: Clock;
  /** For messages: whom this end talks with. */
  readonly peer: string;
  /** As of `Link`. */
  readonly capabilities?: ReadonlySet<string> | undefined;
}

export interface StreamLinkLimits {
  /** A sign of life follows after this much silence of this end. */
  readonly aliveMs: number;
  /** An end that is silent for longer is gone. */
  readonly silenceMsMax: number;
  /** How long a closed link waits for the other end to close it too. */
  readonly lingerMsMax: number;
}

export const STREAM_LINK_LIMITS: StreamLinkLimits = { aliveMs: 10_000, silenceMsMax: 35_000, lingerMsMax: 5_000 };

/** Shorter frames are written as one piece: to copy them costs less than what a stream does for each piece. */
const JOINED_BYTES_MAX = 64 * 1024;

/** The stream is the link's from now on: it ends with it. */
export function openStreamLink(ports: StreamLinkPorts, limits: StreamLinkLimits = STREAM_LINK_LIMITS): Link {
  return new StreamLink(ports, limits);
}

/** Why nothing comes any more. */
type Over = { readonly kind: "ended" } | { readonly kind: "failed"; readonly error: Error };

class StreamLink implements Link {
  readonly #ports: StreamLinkPorts;
  readonly #limits: StreamLinkLimits;
  readonly #frames = new FrameReader();
  readonly #progress = new FrameProgress();
  readonly #unread = new Fifo<Parcel>();
  #unreadBytes = 0;
  /** Read, and not told to the other end yet. */
  #creditBytes = 0;
  /** Sent, and not known to be read. */
  #outstandingBytes = 0;
  readonly #arrived = new Gate();
  readonly #room = new Gate();
  /** Sends take turns, in the order of the calls. */
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;
  #over: Over | undefined;
  /** Whoever read has left: what comes is dropped. */
  #isUnread = false;
  #lastSentMs: number;
  #lastHeardMs: number;
  /** Beats until nothing is sent or heard any more. */
  #timer: Timer;

  constructor(ports: StreamLinkPorts, limits: StreamLinkLimits) {
    this.#ports = ports;
    this.#limits = limits;
    const { stream, clock } = ports;
    this.#lastSentMs = clock.monotonicMs();
    this.#lastHeardMs = this.#lastSentMs;
    stream.on("data", (bytes: Buffer) => this.#take(bytes));
    stream.on("drain", () => this.#room.wake());
    stream.on("end", () => this.#cut("it ended in the middle"));
    stream.on("error", (error: Error) =>
      error instanceof MailtwinError ? this.#fail(error) : this.#cut(error.message, error),
    );
    stream.on("close", () => this.#cut("it was closed"));
    this.#timer = this.#tickIn(this.#lastSentMs);
  }

  get capabilities(): ReadonlySet<string> | undefined {
    return this.#ports.capabilities;
  }

  async send(message: WireMessage, signal: AbortSignal): Promise<void> {
    const before = this.#turn;
    const turn = this.#sendAfter(before, message, signal);
    this.#turn = turn.catch(() => undefined);
    await turn;
  }

  async *messages(signal: AbortSignal): AsyncGenerator<WireMessage> {
    try {
      for (;;) {
        signal.throwIfAborted();
        if (this.#isClosed) return;
        const parcel = this.#unread.shift();
        if (parcel !== undefined) {
          this.#noteRead(costOf(parcel));
          yield decodeMessage(parcel);
        } else if (this.#over === undefined) await this.#arrived.wait(signal);
        else if (this.#over.kind === "failed") throw this.#over.error;
        else return;
      }
    } finally {
      this.#isUnread = true;
      this.#dropUnread();
    }
  }

  close(why?: WireFailure): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#dropUnread();
    if (why !== undefined) this.#sayWhy(why);
    this.#sayEnd();
    this.#arrived.wake();
    this.#room.wake();
  }

  async #sendAfter(before: Promise<void>, message: WireMessage, signal: AbortSignal): Promise<void> {
    const parcel = encodeMessage(message);
    let isWritten = false;
    try {
      await before;
      signal.throwIfAborted();
      const cost = costOf(parcel);
      await this.#waitWhile(() => !mayFollow(this.#outstandingBytes, cost), signal);
      this.#outstandingBytes += cost;
      this.#write({ kind: "message", parcel }, () => releaseSlabs(parcel.payloads));
      isWritten = true;
      await this.#waitWhile(() => this.#ports.stream.writableNeedDrain, signal);
    } finally {
      if (!isWritten) releaseSlabs(parcel.payloads);
    }
  }

  /** Throws: link-closed, or why the stream failed. */
  async #waitWhile(isFull: () => boolean, signal: AbortSignal): Promise<void> {
    for (;;) {
      if (this.#isClosed || this.#over?.kind === "ended")
        throw wireError("link-closed", `sending to ${this.#ports.peer}: the link is closed`);
      if (this.#over?.kind === "failed") throw this.#over.error;
      if (!isFull()) return;
      await this.#room.wait(signal);
    }
  }

  #write(frame: Frame, onTaken: () => void = () => undefined): void {
    const { stream, clock } = this.#ports;
    this.#lastSentMs = clock.monotonicMs();
    const buffers = encodeFrame(frame);
    const length = buffers.reduce((sum, bytes) => sum + bytes.length, 0);
    if (length <= JOINED_BYTES_MAX) {
      stream.write(Buffer.concat(buffers, length), onTaken);
      return;
    }
    stream.cork();
    for (const [i, bytes] of buffers.entries()) stream.write(bytes, i === buffers.length - 1 ? onTaken : undefined);
    stream.uncork();
  }

  #take(bytes: Uint8Array): void {
    const nowMs = this.#ports.clock.monotonicMs();
    this.#lastHeardMs = nowMs;
    if (this.#over !== undefined) return;
    try {
      const frames = this.#frames.read(bytes);
      const { isInside } = this.#frames;
      this.#progress.note({ bytes: bytes.length, hasEnded: frames.length > 0, isInside, nowMs });
      for (const frame of frames) this.#takeFrame(frame);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #takeFrame(frame: Frame): void {
    switch (frame.kind) {
      case "message":
        this.#takeParcel(frame.parcel);
        break;
      case "credit":
        this.#outstandingBytes -= frame.bytes;
        if (this.#outstandingBytes < 0) throw this.#invalid("it read more than was sent");
        this.#room.wake();
        break;
      case "alive":
        break;
      case "end":
        this.#end({ kind: "ended" });
        break;
      default:
        unreachable(frame);
    }
  }

  #takeParcel(parcel: Parcel): void {
    const cost = costOf(parcel);
    this.#unreadBytes += cost;
    if (this.#unreadBytes > OUTSTANDING_BYTES_MAX) throw this.#invalid("it sends more than it may");
    if (this.#isClosed || this.#isUnread) this.#noteRead(cost);
    else this.#unread.push(parcel);
    this.#arrived.wake();
  }

  #noteRead(cost: number): void {
    this.#unreadBytes -= cost;
    this.#creditBytes += cost;
    if (this.#creditBytes < CREDIT_BYTES_MIN || this.#over !== undefined || this.#isClosed) return;
    this.#write({ kind: "credit", bytes: this.#creditBytes });
    this.#creditBytes = 0;
  }

  #dropUnread(): void {
    for (let parcel = this.#unread.shift(); parcel !== undefined; parcel = this.#unread.shift())
      this.#noteRead(costOf(parcel));
  }

  #cut(why: string, cause?: Error): void {
    const { peer } = this.#ports;
    this.#fail(wireError("link-closed", `talking with ${peer}: the connection was cut: ${why}`, cause));
  }

  #fail(error: Error): void {
    this.#end({ kind: "failed", error });
    this.#ports.stream.destroy();
  }

  #end(over: Over): void {
    if (this.#over !== undefined) return;
    this.#over = over;
    this.#timer.cancel();
    if (!this.#isClosed && over.kind === "ended") this.#sayEnd();
    this.#arrived.wake();
    this.#room.wake();
  }

  #sayWhy(failure: WireFailure): void {
    const { stream } = this.#ports;
    const parcel = encodeMessage({ kind: "farewell", failure });
    const hasRoom = this.#over === undefined && mayFollow(this.#outstandingBytes, costOf(parcel));
    if (hasRoom && !stream.destroyed && stream.writable) this.#write({ kind: "message", parcel });
  }

  /** What was written before goes out; then the stream is not kept for an end that does not close it. */
  #sayEnd(): void {
    const { stream, clock } = this.#ports;
    this.#timer.cancel();
    if (stream.destroyed || !stream.writable) return;
    this.#write({ kind: "end" });
    stream.end();
    const linger = clock.setTimer(this.#limits.lingerMsMax, () => stream.destroy());
    stream.once("close", () => linger.cancel());
  }

  #tickIn(nowMs: number): Timer {
    const { aliveMs, silenceMsMax } = this.#limits;
    return this.#ports.clock.setTimer(aliveMs, () => {
      const tickMs = this.#ports.clock.monotonicMs();
      const wasAway = tickMs - nowMs > 2 * aliveMs; // this end was stopped: what came meanwhile is not read yet.
      if (wasAway) {
        this.#lastHeardMs = tickMs;
        this.#progress.forgive(tickMs);
      }
      if (tickMs - this.#lastHeardMs > silenceMsMax)
        return this.#cut(`nothing was heard of it for ${Math.round(silenceMsMax / 1000)} s`);
      const stuck = this.#progress.whyStuck(tickMs);
      if (stuck !== undefined) return this.#cut(stuck);
      if (tickMs - this.#lastSentMs >= aliveMs) this.#write({ kind: "alive" });
      this.#timer = this.#tickIn(tickMs);
    });
  }

  #invalid(why: string) {
    return wireError("wire-invalid", `reading what ${this.#ports.peer} sends: ${why}`);
  }
}
