/** `sync --resync --dry-run SRC HOST:DST`: the replica's half answers from over there, by a `mailtwin serve --stdio` that only looks. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { askOver } from "../../agent/sums-link.js";
import { systemClock } from "../../base/clock.js";
import { Disposer } from "../../base/disposal.js";
import { openStateReader } from "../../log/state-reader.js";
import { type PlanChoices, planTwin } from "../dry-resync.js";
import type { Reporter } from "../reporter.js";
import { refuseOtherStore } from "../same-stores.js";
import { notATwin } from "./planned-store.js";
import { dialTwin, type RemotePlaces, type RemoteTwinOptions } from "./remote-twin.js";

/** Returns the number of problems. Throws: not-a-twin, store-exchanged, and what `planTwin` does. */
export async function planRemoteTwin(
  options: Omit<RemoteTwinOptions, "damaged">,
  { places, tellsEqual }: { readonly places: RemotePlaces; readonly tellsEqual: boolean },
  reporter: Reporter,
  signal: AbortSignal,
): Promise<number> {
  await using owner = new Disposer();
  const logId = logIdOf(places);
  const { link } = await dialTwin(options, { ...places, logId, lineage: [] }, "planner", signal);
  const { asker } = owner.adopt(askOver(link, places.shown, systemClock));
  const { acceptsUidValidity, approvesDeletions, foreign } = options;
  const choices: Omit<PlanChoices, "moved"> = { acceptsUidValidity, approvesDeletions, tellsEqual, foreign };
  return await planTwin({ source: places, asker, choices, reporter }, signal);
}

function logIdOf(places: RemotePlaces): string {
  const statePath = join(places.state, "source.db");
  if (!existsSync(statePath)) throw notATwin(places.shown);
  using reader = openStateReader(statePath);
  refuseOtherStore(reader, "source", places.store);
  return reader.meta("log-id") ?? "";
}
