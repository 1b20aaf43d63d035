/** The replica's half of a plan over a link: a `mailtwin serve --stdio` that only looks. */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { answerLook, isLook } from "../../agent/looks.js";
import { serveAnswers } from "../../agent/sums-link.js";
import type { Disposer } from "../../base/disposal.js";
import type { Link } from "../../wire/link.js";
import { openReplicaLooks } from "../dry-resync.js";
import { daemonError } from "../errors.js";
import { findReplicaPlaces } from "../half-places.js";
import { stateFor } from "../places.js";

/** Answers about the directory at that path, if it is a twin of the source that asks; makes nothing. Throws: not-a-twin, as `findReplicaPlaces`. */
export async function openPlanned(
  path: string,
  { sourceId, logId }: { readonly sourceId: string; readonly logId: string },
  owner: Disposer,
): Promise<(link: Link, signal: AbortSignal) => Promise<void>> {
  const places = findReplicaPlaces(path, { state: stateFor(sourceId, path, basename(path)), scratch: undefined });
  if (!existsSync(join(places.state, "replica.db"))) throw notATwin(path);
  const { reader, methods } = await openReplicaLooks(places, owner);
  if (reader.mailboxes().length === 0 || !reader.hasApplied(logId)) throw notATwin(path);
  return (link, signal) =>
    serveAnswers(link, { isMeant: isLook, answer: (ask, inner) => answerLook(methods, ask, inner) }, signal);
}

export function notATwin(path: string) {
  return daemonError("not-a-twin", `planning a comparison: nothing of that source was replicated to ${path} yet`);
}
