/** `mailtwin undelete list` on the source's host: what a replica on another host has in its limbo. Reads only. */
import { join } from "node:path";
import { systemClock } from "../../base/clock.js";
import { Disposer } from "../../base/disposal.js";
import { EX } from "../../base/errors.js";
import { openStateReader } from "../../log/state-reader.js";
import type { Output } from "../output.js";
import { findFar, rowsOf } from "./far-limbo.js";
import { type ListFlags, tellRemoved } from "./list-command.js";
import { openFar } from "./open-far.js";
import { removedMail, sinceOf, whyNothing } from "./removed-mail.js";

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
  const mailboxes = reader.mailboxes();
  const known = { limbo: () => rows, mailboxes: () => mailboxes };
  const found = removedMail(known, flags, nowMs);
  const there = new Set(rows.flatMap(({ name, isThere }) => (isThere ? [name] : [])));
  const nothing = () => whyNothing(known, flags, true);
  tellRemoved(found, { store: place.store, isThere: (name) => there.has(name), nothing }, flags, output);
  return EX.OK;
}
