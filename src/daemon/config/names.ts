/**
 * What peers, stores and replicas are called. A name becomes a directory of the state and goes over the wire, so it is plain and
 * short.
 *
 * INVARIANT: this file is the only door to the three brands.
 */
import type { Brand } from "../../base/brand.js";
import { type Reading, wrong } from "../../base/quantity.js";

export type PeerName = Brand<string, "PeerName">;
export type StoreName = Brand<string, "StoreName">;
export type ReplicaName = Brand<string, "ReplicaName">;

const NAME_BYTES_MAX = 64;

/** The same rule as `whyNoName`, for the JSON schema. */
export const NAME_PATTERN = new RegExp(`^[a-z0-9][a-z0-9_-]{0,${NAME_BYTES_MAX - 1}}$`);

export function readPeerName(text: string): Reading<PeerName> {
  return NAME_PATTERN.test(text) ? { kind: "value", value: text as PeerName } : whyNoName(text);
}

export function readStoreName(text: string): Reading<StoreName> {
  return NAME_PATTERN.test(text) ? { kind: "value", value: text as StoreName } : whyNoName(text);
}

export function readReplicaName(text: string): Reading<ReplicaName> {
  return NAME_PATTERN.test(text) ? { kind: "value", value: text as ReplicaName } : whyNoName(text);
}

function whyNoName(text: string): Reading<never> {
  const advice = `write up to ${NAME_BYTES_MAX} of a-z, 0-9, _ and -, with a letter or digit first`;
  if (text === "") return wrong("a name is empty", advice);
  if (/^[A-Za-z0-9_-]+$/.test(text) && text.length > NAME_BYTES_MAX)
    return wrong(`a name has at most ${NAME_BYTES_MAX} bytes, and this one ${text.length}`, advice);
  if (NAME_PATTERN.test(text.toLowerCase()))
    return wrong("a name has no capital letters", `write ${text.toLowerCase()}`);
  return wrong("that is no name", advice);
}
