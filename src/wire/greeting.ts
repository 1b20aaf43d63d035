/**
 * The greeting: both ends say at once what they speak, before anything else. The bytes of either:
 *
 * ```
 * greeting ::= "mailtwin" 0x0a prefixed       as in prefixed.ts; the message is Greeting in link.proto
 * ```
 */
import type { Duplex } from "node:stream";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { displayRaw } from "../base/raw-name.js";
import { HungUp } from "./carrier.js";
import { wireError } from "./errors.js";
import { GreetingSchema } from "./gen/link_pb.js";
import { PROTOCOL_VERSION } from "./messages.js";
import { beforeLink, type MessagePorts, type NotCome, prefixed, readBytes, readPrefixed } from "./prefixed.js";

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
export async function greet(ports: MessagePorts, ours: Greeting, signal: AbortSignal): Promise<Agreement> {
  const { stream, peer } = ports;
  const notCome = ({ isLate, why, cause }: NotCome): Error => {
    const words = isLate ? `it said nothing for ${GREETING_MS_MAX / 1000} s` : `${why} before it had said what it is`;
    return wireError("link-closed", `greeting ${peer}: ${words}`, cause);
  };
  const step = async (both: AbortSignal): Promise<Agreement> => {
    stream.write(encodeGreeting(ours));
    return agreeOn(ours, await readGreeting(ports, both), peer);
  };
  return beforeLink(ports, { msMax: GREETING_MS_MAX, notCome }, step, signal);
}

export function encodeGreeting({ capabilities, ...greeting }: Greeting): Uint8Array {
  const message = toBinary(GreetingSchema, create(GreetingSchema, { ...greeting, capabilities: [...capabilities] }));
  return Buffer.concat([MAGIC, prefixed(message)]);
}

async function readGreeting({ stream, peer }: MessagePorts, signal: AbortSignal): Promise<Greeting> {
  const start = await readBytes(stream, MAGIC.length, signal);
  const isCut = start.length < MAGIC.length && MAGIC.subarray(0, start.length).equals(start);
  if (isCut) throw new HungUp();
  if (!start.equals(MAGIC)) throw notMailtwin(stream, peer, start);
  const tooLong = () => invalid(peer, "it is longer than the limit");
  return decode(peer, await readPrefixed(stream, { bytesMax: MESSAGE_BYTES_MAX, tooLong }, signal));
}

function decode(peer: string, bytes: Uint8Array): Greeting {
  let message: Greeting;
  try {
    message = fromBinary(GreetingSchema, bytes, { readUnknownFields: false });
  } catch {
    throw invalid(peer, "it is not well-formed");
  }
  const { protocolMin, protocolMax, software, capabilities } = message;
  if (capabilities.length > CAPABILITIES_MAX) throw invalid(peer, "it names too many capabilities");
  if ([software, ...capabilities].some((text) => text.length > TEXT_CHARS_MAX))
    throw invalid(peer, "a text of it is too long");
  if (protocolMin > protocolMax) throw invalid(peer, "its protocols are none");
  if (!/^[\x20-\x7e]*$/.test(software)) throw invalid(peer, "the name of its software is none");
  return { protocolMin, protocolMax, software, capabilities };
}

function notMailtwin(stream: Duplex, peer: string, start: Buffer): Error {
  const rest: Buffer | null = stream.read();
  const shown = Buffer.concat([start, rest ?? Buffer.alloc(0)])
    .subarray(0, SHOWN_BYTES_MAX)
    .toString("latin1");
  return wireError("peer-not-mailtwin", `greeting ${peer}: it said "${displayRaw(shown)}"`);
}

function invalid(peer: string, why: string): Error {
  return wireError("wire-invalid", `reading the greeting of ${peer}: ${why}`);
}
