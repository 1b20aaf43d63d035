/**
 * What is said, and what is refused, at a first contact with a destination that has mailboxes of the source at other paths
 * (resync/elsewhere.ts).
 */
import { join } from "node:path";
import { displayRaw } from "../base/raw-name.js";
import { formatCount } from "../base/text-format.js";
import { type Elsewhere, levelOff } from "../resync/elsewhere.js";
import { daemonError } from "./errors.js";
import type { Places } from "./places.js";
import { mailboxName } from "./words.js";

type Stores = Pick<Places, "source" | "destination">;

const NAMED_MAX = 3;

/** One sentence without a full stop. */
export function describeElsewhere({ path, standsAt, isWhole }: Elsewhere): string {
  const [there, here] = [mailboxName(standsAt), mailboxName(path)];
  if (isWhole)
    return `${there} of the destination is ${here} at the source: a whole Maildir is not moved, so the run would be refused`;
  return `${there} of the destination is moved to ${here}: the source has it there`;
}

/** Throws: maildirs-elsewhere. */
export function refuseWhole(elsewhere: readonly Elsewhere[], stores: Stores): void {
  const refused = elsewhereRefusal(elsewhere, stores);
  if (refused !== undefined) throw refused;
}

/** Undefined where no whole Maildir stands elsewhere. */
export function elsewhereRefusal(elsewhere: readonly Elsewhere[], stores: Stores): Error | undefined {
  const whole = elsewhere.filter((it) => it.isWhole);
  if (whole.length === 0) return undefined;
  const named = whole
    .slice(0, NAMED_MAX)
    .map(({ path, standsAt }) => `${mailboxName(path)} as ${mailboxName(standsAt)}`)
    .join(", ");
  const more = whole.length > NAMED_MAX ? ` and ${formatCount(whole.length - NAMED_MAX)} more` : "";
  const what = `the destination has ${named}${more}`;
  return daemonError("maildirs-elsewhere", `twinning for the first time: ${what}${guessOf(whole, stores)}`);
}

function guessOf(whole: readonly Elsewhere[], { source, destination }: Stores): string {
  const off = levelOff(whole);
  if (off === undefined) return "";
  const below = displayRaw(off.below);
  if (off.store === "destination")
    return `; ${destination} seems to be a level off, did you mean ${join(destination, below)}`;
  if (destination.endsWith(`/${below}`)) {
    const above = destination.slice(0, -below.length - 1);
    return `; ${destination} seems to be a level off, did you mean ${above === "" ? "/" : above}`;
  }
  return `; ${source} seems to be a level off, did you mean ${join(source, below)}`;
}
