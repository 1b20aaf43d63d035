/**
 * `mailtwin adopt SRC DST`: a sync whose DST is meant to be a copy of SRC already. Who says so is not served by a copy of all mail into
 * a directory that is the wrong one, or whose file system is not mounted.
 */
import { formatCount } from "../base/text-format.js";
import { daemonError } from "./errors.js";

interface Placed {
  readonly path: string;
  /** "" or undefined: it has none yet. */
  readonly guid?: string | undefined;
}

/** Undefined: some mailbox of the source stands at the destination, by its GUID or at its path. Else why that is nothing to adopt. */
export function adoptionRefusal(
  standing: readonly Placed[],
  source: Iterable<Placed>,
  destination: string,
): Error | undefined {
  const known = new Set<string>();
  for (const { path, guid } of source) known.add(`path ${path}`).add(`guid ${guid}`);
  const isOfSource = ({ path, guid }: Placed) =>
    known.has(`path ${path}`) || (guid !== undefined && guid !== "" && known.has(`guid ${guid}`));
  if (standing.some(isOfSource)) return undefined;
  const all =
    standing.length === 1
      ? "the mailbox there is not"
      : `none of the ${formatCount(standing.length)} mailboxes there is`;
  const why = standing.length === 0 ? "no mailbox stands there" : `${all} SRC's`;
  return daemonError("nothing-to-adopt", `adopting ${destination}: ${why}, so that all mail would be sent`);
}

/** Throws: nothing-to-adopt. */
export function refuseSeed(...what: Parameters<typeof adoptionRefusal>): void {
  const refused = adoptionRefusal(...what);
  if (refused !== undefined) throw refused;
}

/** Where it was adopted, or made, before. */
export const LATE_ADOPTION =
  "adopt does what sync does: DST is SRC's twin already; `mailtwin sync --resync` compares all of it with SRC once more";
