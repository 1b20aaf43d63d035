/**
 * What a replica says of a transaction that it has tried, and how a divergence looks on the wire. Pure.
 */
import type { Divergence } from "../apply/divergence.js";
import { ROOT_PATH } from "../base/raw-name.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { WireDivergence } from "../wire/messages.js";
import type { Readiness } from "./incoming.js";
import type { RefusedMailbox } from "./session-sinks.js";

export type Verdict =
  | { readonly kind: "applied"; readonly notes: readonly string[] }
  | { readonly kind: "diverged"; readonly divergence: WireDivergence };

/** A divergence that the session itself finds: it concerns no UID. */
export function divergedBy({ code, words }: { readonly code: string; readonly words: string }) {
  const divergence: WireDivergence = { code, words, path: ROOT_PATH, uids: [], replicaNext: 0 };
  return { kind: "diverged", divergence } as const;
}

/** Undefined for what is no matter of the replica: the source cannot deliver what it offers, and says so over there. */
export function refusedBy(mailbox: MailboxGuid, { code, words, path }: WireDivergence): RefusedMailbox | undefined {
  if (code === "given-up") return undefined;
  return { mailbox, path: path === ROOT_PATH ? undefined : path, code, words };
}

/** Found while earlier transactions were under way: they may have removed what stood in its way. */
export function isStale(readiness: Readiness): boolean {
  return readiness.kind === "diverged" && readiness.divergence.kind !== "body-mismatch";
}

export function wireOf(divergence: Divergence): WireDivergence {
  const { kind: code, words, path } = divergence;
  return { code, words, path, ...uidsOf(divergence) };
}

function uidsOf(divergence: Divergence): Pick<WireDivergence, "uids" | "replicaNext"> {
  switch (divergence.kind) {
    case "uid-passed":
    case "uid-bound-otherwise":
      return { uids: divergence.uids, replicaNext: divergence.replicaNext };
    default:
      return { uids: [], replicaNext: 0 };
  }
}
