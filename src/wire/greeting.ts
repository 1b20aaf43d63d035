/**
 * The greeting: both ends say at once what they speak, before anything else. The bytes of either:
 *
 * ```
 * greeting ::= "mailtwin" 0x0a length:u16be message       the message is Greeting in link.proto
 * ```
 *
 * INVARIANT: nothing is allocated for a length before it is known to be within its limit, and no byte that follows is consumed.
 */
import type { Duplex } from "node:stream";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Clock } from "../base/clock.js";
import { displayRaw } from "../base/raw-name.js";
import { Waiter } from "../base/waiter.js";
import { wireError } from "./errors.js";
import { GreetingSchema } from "./gen/link_pb.js";
import { PROTOCOL_VERSION } from "./messages.js";

export interface Greeting {
  readonly protocolMin: number;
  readonly protocolMax: number;
  readonly software: string;
  readonly capabilities: readonly string[];
}

/** What both ends can. */
export interface Agreement {
  readonly protocol: number;
  readonly capabilities: ReadonlySet<string>;
  /** The other end's, for people. */
  readonly software: string;
}

export interface GreetingPorts {
  readonly stream: Duplex;
  readonly clock: Clock;
  /** For messages: whom this end talks with. */
  readonly peer: string;
}

const MAGIC = Buffer.from("mailtwin\n", "latin1");
const MESSAGE_BYTES_MAX = 4096;
const TEXT_CHARS_MAX = 200;
const CAPABILITIES_MAX = 64;
const GREETING_MS_MAX = 15_000;
/** As much of what is no greeting is shown. */
const SHOWN_BYTES_MAX = 80;

export function greetingOf(capabilities: readonly string[], software: string): Greeting {
  return { protocolMin: PROTOCOL_VERSION, protocolMax: PROTOCOL_VERSION, software, capabilities };
}

/** The newest protocol of both. Throws: protocol-differs. */
export function agreeOn(ours: Greeting, theirs: Greeting, peer: string): Agreement {
  const protocol = Math.min(ours.protocolMax, theirs.protocolMax);
  if (protocol < ours.protocolMin || protocol < theirs.protocolMin) {
    const words = `it (${theirs.software}) speaks protocol ${rangeOf(theirs)}, this end (${ours.software}) speaks ${rangeOf(ours)}`;
    throw wireError("protocol-differs", `greeting ${peer}: ${words}`);
  }
  const known = new Set(theirs.capabilities);
  return {
    protocol,
    capabilities: new Set(ours.capabilities.filter((name) => known.has(name))),
    software: theirs.software,
  };
}

function rangeOf({ protocolMin, protocolMax }: Greeting): string {
  return protocolMin === protocolMax ? `${protocolMax}` : `${protocolMin} to ${protocolMax}`;
}

/**
 * Greets the other end, and takes its greeting. Afterwards the stream is paused, at the first byte that follows; when this throws it
 * is destroyed. Throws: link-closed, peer-not-mailtwin, wire-invalid, protocol-differs, and the abort reason.
 */
export async function greet(ports: GreetingPorts, ours: Greeting, signal: AbortSignal): Promise<Agreement> {
  const { stream, clock, peer } = ports;
  const reading = new GreetingReader(stream, peer, signal);
  const timer = clock.setTimer(GREETING_MS_MAX, () => {
    reading.fail(wireError("link-closed", `greeting ${peer}: it said nothing for ${GREETING_MS_MAX / 1000} s`));
  });
  try {
    stream.write(encodeGreeting(ours));
    return agreeOn(ours, await reading.greeting(), peer);
  } catch (error) {
    stream.destroy();
    throw error;
  } finally {
    timer.cancel();
    reading.release();
  }
}

export function encodeGreeting({ capabilities, ...greeting }: Greeting): Uint8Array {
  const message = toBinary(GreetingSchema, create(GreetingSchema, { ...greeting, capabilities: [...capabilities] }));
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([MAGIC, length, message]);
}

class GreetingReader {
  readonly #stream: Duplex;
  readonly #peer: string;
  readonly #arrived: Waiter<Greeting>;
  readonly #listeners: readonly (readonly [string, (error?: Error) => void])[];
  #bytesMax: number | undefined;

  constructor(stream: Duplex, peer: string, signal: AbortSignal) {
    signal.throwIfAborted();
    this.#stream = stream;
    this.#peer = peer;
    this.#arrived = new Waiter(signal);
    this.#arrived.promise.catch(() => undefined); // whoever asks for the greeting gets it.
    this.#listeners = [
      ["readable", () => this.#read()],
      ["end", () => this.fail(this.#closed("it closed the connection"))],
      ["close", () => this.fail(this.#closed("it closed the connection"))],
      ["error", (error) => this.fail(this.#closed(error?.message ?? "it failed"))],
    ];
    for (const [event, listener] of this.#listeners) stream.on(event, listener);
  }

  greeting(): Promise<Greeting> {
    this.#read();
    return this.#arrived.promise;
  }

  fail(error: Error): void {
    this.#arrived.fail(error);
  }

  release(): void {
    for (const [event, listener] of this.#listeners) this.#stream.off(event, listener);
    this.#stream.on("error", () => undefined); // until the stream has its next owner, or is gone.
  }

  #read(): void {
    try {
      if (this.#bytesMax === undefined) {
        const start: Buffer | null = this.#stream.read(MAGIC.length + 2);
        if (start === null) return;
        if (start.length < MAGIC.length + 2 && MAGIC.subarray(0, start.length).equals(start)) return; // it ended there.
        if (!start.subarray(0, MAGIC.length).equals(MAGIC)) throw this.#notMailtwin(start);
        this.#bytesMax = start.readUInt16BE(MAGIC.length);
        if (this.#bytesMax > MESSAGE_BYTES_MAX) throw this.#invalid("it is longer than the limit");
      }
      const message: Buffer | null = this.#bytesMax === 0 ? Buffer.alloc(0) : this.#stream.read(this.#bytesMax);
      if (message !== null) this.#arrived.settle(this.#decode(message));
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #decode(bytes: Uint8Array): Greeting {
    let message: Greeting;
    try {
      message = fromBinary(GreetingSchema, bytes, { readUnknownFields: false });
    } catch {
      throw this.#invalid("it is not well-formed");
    }
    const { protocolMin, protocolMax, software, capabilities } = message;
    if (capabilities.length > CAPABILITIES_MAX) throw this.#invalid("it names too many capabilities");
    if ([software, ...capabilities].some((text) => text.length > TEXT_CHARS_MAX))
      throw this.#invalid("a text of it is too long");
    if (protocolMin > protocolMax) throw this.#invalid("its protocols are none");
    if (!/^[\x20-\x7e]*$/.test(software)) throw this.#invalid("the name of its software is none");
    return { protocolMin, protocolMax, software, capabilities };
  }

  #notMailtwin(start: Buffer): Error {
    const rest: Buffer | null = this.#stream.read();
    const shown = Buffer.concat([start, rest ?? Buffer.alloc(0)])
      .subarray(0, SHOWN_BYTES_MAX)
      .toString("latin1");
    return wireError("peer-not-mailtwin", `greeting ${this.#peer}: it said "${displayRaw(shown)}"`);
  }

  #closed(why: string): Error {
    return wireError("link-closed", `greeting ${this.#peer}: ${why} before it had said what it is`);
  }

  #invalid(why: string): Error {
    return wireError("wire-invalid", `reading the greeting of ${this.#peer}: ${why}`);
  }
}
