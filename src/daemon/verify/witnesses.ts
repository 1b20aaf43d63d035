/**
 * Who speaks for the bodies of A where those of A and B differ: what the `sync` from A to B has noted of them. Opened when it is asked for, and
 * nothing is known where the two are no such pair.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Disposer } from "../../base/disposal.js";
import { KNOWN_BODIES, KnownBodies, type NotedBody } from "../../log/known-bodies.js";
import { openStateReader } from "../../log/state-reader.js";
import type { JudgingPorts } from "../../resync/judge-bodies.js";
import { loggedSize } from "../body-notes.js";
import { findPlaces } from "../places.js";
import { remoteAt } from "../remote-flags.js";

type Witnesses = Pick<JudgingPorts, "known" | "loggedSize">;

export const NOBODY: Witnesses = { known: async (_, names) => names.map(() => undefined), loggedSize: () => undefined };

/** `owner` closes what was opened. Never throws for what is there. */
export async function openWitnesses(
  a: string,
  b: string,
  state: string | undefined,
  owner: Disposer,
): Promise<Witnesses> {
  await using opened = new Disposer();
  try {
    const dir = await stateOf(a, b, state);
    const [database, bodies] = [join(dir, "source.db"), join(dir, KNOWN_BODIES)];
    if (!existsSync(database)) return NOBODY;
    const reader = opened.adopt(openStateReader(database));
    const known = opened.adopt(new KnownBodies(existsSync(bodies) ? bodies : undefined, "read"));
    owner.adopt(opened.move());
    return {
      known: async (mailbox, names) => known.read(mailbox, names),
      loggedSize: (mailbox, name) => loggedSize(reader, mailbox, name),
    };
  } catch {
    return NOBODY; // no state that can be read: so nobody can say which is right.
  }
}

/** The state directory of a `sync` from A to B. Throws where there can be none. */
export async function stateOf(a: string, b: string, state: string | undefined): Promise<string> {
  const destination = remoteAt(b);
  if (destination === undefined) return findPlaces(a, b, { state }).state;
  const { findRemotePlaces } = await import("../run/remote-twin.js"); // links take long to load.
  return findRemotePlaces({ source: a, destination, state }).state;
}

/** A person has said that these are right. Nothing is said where that cannot be kept: they are judged without it then. */
export async function noteTrusted(
  a: string,
  b: string,
  state: string | undefined,
  bodies: readonly NotedBody[],
): Promise<void> {
  if (bodies.length === 0) return;
  using known = new KnownBodies(join(await stateOf(a, b, state), KNOWN_BODIES));
  known.note(bodies, { instead: true });
}
