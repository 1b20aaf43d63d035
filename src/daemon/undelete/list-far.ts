/** `mailtwin undelete list` on the source's host: what a replica on another host has in its limbo. Reads only. */
import { join } from "node:path";
import { systemClock } from "../../base/clock.js";
import { Disposer } from "../../base/disposal.js";
import { EX } from "../../base/errors.js";
import { openStateReader } from "../../log/state-reader.js";
import type { Output } from "../output.js";
import { findFar, openFar, rowsOf } from "./far-limbo.js";
import { type ListFlags, tellRemoved } from "./list-command.js";
import { removedMail, sinceOf } from "./removed-mail.js";

/** Returns the exit code. Throws: as `findFar`, `openFar`, `rowsOf`. */
export async function listFar(
  source: string | undefined,
  destination: string | undefined,
  flags: ListFlags,
  output: Output,
): Promise<number> {
  const nowMs = systemClock.nowMs();
  const sinceMs = sinceOf(flags, nowMs);
  const place = findFar(source, destination, flags);
  await using owner = new Disposer();
  const rows = await rowsOf(await openFar(place, flags, { owner, output }), sinceMs);
  using reader = openStateReader(join(place.state, "source.db"));
  const found = removedMail({ limbo: () => rows, mailboxes: () => reader.mailboxes() }, flags, nowMs);
  const there = new Set(rows.flatMap(({ name, isThere }) => (isThere ? [name] : [])));
  tellRemoved(found, { store: place.store, isThere: (name) => there.has(name) }, flags, output);
  return EX.OK;
}
