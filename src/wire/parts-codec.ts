/**
 * Bytes of messages that are asked for, and UIDs <-> the messages of link.proto.
 *
 * INVARIANT: what is decoded is within the limits of sums.ts: an answer has at most PARTS_BYTES_MAX, and no part more than its message.
 */
import { parseBaseName, parseUid, type Uid } from "../maildir/ids.js";
import { wireError } from "./errors.js";
import { bytesOf, nameIn, numberIn, pathIn } from "./field-values.js";
import type { MessageParts, ReadMessages } from "./gen/link_pb.js";
import { type MessagePart, PARTS_BYTES_MAX, type PartsOf, STATES_MAX } from "./sums.js";

export function partsAskInit({ path, messages, offset, looksOnly = false }: PartsOf) {
  const steps = stepsOf(messages.map(({ uid }) => uid));
  const bases = messages.map(({ base }) => bytesOf(base));
  return { path: bytesOf(path), steps, bases, offset: BigInt(offset), looksOnly };
}

/** Throws: wire-invalid. */
export function partsAskIn({ path, steps, bases, offset, looksOnly }: ReadMessages): PartsOf {
  if (steps.length > STATES_MAX) throw invalid("it asks for too many messages");
  if (bases.length !== steps.length) throw invalid("it has not one base name for each message");
  const names = bases.map((base) => parseBaseName(nameIn(base)));
  const messages = uidsOfSteps(steps).flatMap((uid, index) => {
    const base = names[index];
    return base === undefined ? [] : [{ uid, base }];
  });
  return { path: pathIn(path), messages, offset: numberIn(offset), ...(looksOnly ? { looksOnly } : {}) };
}

export function partsInit(parts: readonly MessagePart[]) {
  return {
    parts: parts.map((part) => (part === undefined ? { absent: true } : { ...part, size: BigInt(part.size) })),
  };
}

/** Throws: wire-invalid. */
export function partsIn({ parts }: MessageParts): readonly MessagePart[] {
  if (parts.length > STATES_MAX) throw invalid("it has too many messages");
  if (parts.reduce((sum, { bytes }) => sum + bytes.length, 0) > PARTS_BYTES_MAX) throw invalid("it has too many bytes");
  return parts.map(({ absent, size, bytes }) => {
    if (absent) return undefined;
    const part = { size: numberIn(size), bytes };
    if (bytes.length > part.size) throw invalid("a part is longer than its message");
    return part;
  });
}

/** Each as the distance from the one before. */
export function stepsOf(uids: readonly number[]): number[] {
  return uids.map((uid, index) => uid - (uids[index - 1] ?? 0));
}

/** Throws: wire-invalid. */
export function uidsOfSteps(steps: readonly number[]): Uid[] {
  let last = 0;
  return steps.map((step) => {
    if (step === 0) throw invalid("its UIDs do not ascend");
    last += step;
    return parseUid(last);
  });
}

function invalid(why: string) {
  return wireError("wire-invalid", `reading messages of the other end: ${why}`);
}
