/**
 * What the daemon refuses of this host's key, asked before it is begun, and by itself as it begins and before it reloads: the file that
 * [identity] names, read as the daemon reads it, by the user who asks. In the daemon's own words, with its code.
 *
 * INVARIANT: `config check`, `run` and `reload` ask here, and nowhere else: what one refuses, each of them refuses.
 */
import type { Clock } from "../../base/clock.js";
import { openNodeDisk } from "../../base/disk-node.js";
import { errnoOf, MailtwinError, recordOfError } from "../../base/errors.js";
import { readSiteKey } from "../../wire/keys.js";
import { refuseOwnExpired } from "../../wire/tls-carrier.js";
import type { Config } from "./config.js";
import { type KeyPath, nodeAt } from "./key-path.js";
import { atValue } from "./point-at.js";
import { type ConfigProblem, formatPlace } from "./problem.js";
import type { Located } from "./toml-locate.js";

interface OwnKeyProblem extends ConfigProblem {
  /** Of the error that the key by itself is. */
  readonly code: string;
}

/** At most one problem. The daemon reads a key that is named though nothing needs it; an expired one is refused where TLS uses it. */
export function judgeOwnKey(
  { config, located }: { readonly config: Config; readonly located: Located },
  clock: Pick<Clock, "nowMs">,
  { isDaemon = false }: { readonly isDaemon?: boolean } = {},
): readonly OwnKeyProblem[] {
  const { identityKey: path } = config;
  if (path === undefined) return []; // what needs one then is a problem of the configuration itself.
  const user = userOf(config);
  try {
    const key = readSiteKey({ disk: openNodeDisk(), path });
    if (user !== undefined) refuseOwnExpired(key, clock);
    return [];
  } catch (error) {
    if (!(error instanceof MailtwinError) && errnoOf(error) === undefined) throw error;
    const { code, message, hint } = recordOfError(error);
    const why = `${message} (${code})${wordsOfUser(user, located)}`;
    const asked = isDaemon ? "" : ` (asked as user ${process.geteuid?.() ?? "?"}, which has to be the daemon's)`;
    return [{ ...atValue(located, ["identity", "key"], { why, advice: `${inSentence(hint)}${asked}` }), code }];
  }
}

/** A hint is whole sentences; here it ends one. */
function inSentence(hint: string): string {
  return `${hint.charAt(0).toLowerCase()}${hint.slice(1).replace(/\.$/, "")}`;
}

/** Where the key is used first; undefined where it is not. */
function userOf({ listen, stores }: Config): KeyPath | undefined {
  if (listen.tls.length > 0) return ["listen", "tls"];
  for (const { name, role } of stores.values()) {
    if (role.kind === "replica" && role.from?.kind === "tls") return ["store", name, "source", "from"];
    const replicas = role.kind === "source" ? [...role.replicas.values()] : [];
    const dialled = replicas.find(({ to }) => to?.kind === "tls");
    if (dialled !== undefined) return ["store", name, "replica", dialled.name, "to"];
  }
  return undefined;
}

function wordsOfUser(user: KeyPath | undefined, located: Located): string {
  const place = user === undefined ? undefined : nodeAt(located, user)?.value?.at;
  return place === undefined ? "" : `, and TLS needs it (${formatPlace(place)})`;
}
