/** Where the configuration and the key of this host are, for commands that come before either is right. */
import { lstatSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { openNodeDisk } from "../../base/disk-node.js";
import { MailtwinError } from "../../base/errors.js";
import type { KeyFile } from "../../wire/keys.js";
import { defaultConfigFile, type Surroundings } from "../config/default-places.js";
import type { ReadConfig } from "../config/judge-config.js";
import { readPeerName } from "../config/names.js";
import { readPath } from "../config/path.js";
import { readConfigFiles } from "../config/read-files.js";
import { controlError } from "../control-errors.js";
import { daemonError } from "../errors.js";
import { type ConfigLook, lookAtConfig } from "./look-at-config.js";
import { nameFromHost, type OwnSite } from "./peer-toml.js";

export interface SiteFlags {
  readonly config?: string;
  readonly key?: string;
  /** What this host is called on others. */
  readonly as?: string;
  /** Where others dial it. */
  readonly host?: string;
  readonly json?: boolean;
}

export interface Site {
  /** The main file of the configuration; undefined for a user without a home. */
  readonly main: string | undefined;
  /** Undefined where there is none yet. */
  readonly read: ReadConfig | undefined;
  readonly look: ConfigLook;
}

/**
 * `isToCome`: the file that --config names need not be there yet, if its directory is: a key is what comes first.
 * Throws: usage; config-missing, if --config names one that is not there.
 */
export function lookAtSite(
  { config }: SiteFlags,
  surroundings: Surroundings,
  { isToCome = false }: { readonly isToCome?: boolean } = {},
): Site {
  if (config === "") throw daemonError("usage", 'reading the command line: --config is empty ("")');
  const main = config ?? defaultConfigFile(surroundings);
  const isOptional = config === undefined || (isToCome && mayComeTo(resolve(config)));
  const read = main === undefined ? undefined : readIfThere(main, { isOptional, surroundings });
  return { main: main === undefined ? undefined : resolve(main), read, look: lookAtConfig(read?.texts ?? []) };
}

/** Not where a link leads nowhere, nor in a directory that a mistake may have named. */
function mayComeTo(path: string): boolean {
  const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  return !isThere && statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() === true;
}

function readIfThere(
  main: string,
  { isOptional, surroundings }: { readonly isOptional: boolean; readonly surroundings: Surroundings },
): ReadConfig | undefined {
  try {
    return readConfigFiles(resolve(main), surroundings);
  } catch (error) {
    if (isOptional && error instanceof MailtwinError && error.code === "config-missing") return undefined;
    throw error;
  }
}

/** As the command line says, else the configuration, else beside the configuration. Throws: usage, key-nowhere. */
export function keyFileOf({ key }: SiteFlags, { main, look }: Site): KeyFile {
  if (key === "") throw daemonError("usage", 'reading the command line: --key is empty ("")');
  const disk = openNodeDisk();
  if (key !== undefined) return { disk, path: resolve(key) };
  if (look.identityKey !== undefined) {
    const reading = readPath(look.identityKey);
    if (reading.kind === "value") return { disk, path: reading.value };
    throw controlError(
      "key-nowhere",
      `finding the key of this host: ${reading.why} in the [identity] of the configuration`,
    );
  }
  if (main !== undefined) return { disk, path: join(dirname(main), "identity.key") };
  throw controlError(
    "key-nowhere",
    "finding the key of this host: HOME is not set, and this user has no home directory",
  );
}

/** As the command line says, else the configuration, else the host's name. Throws: usage. */
export function ownSiteOf({ as, host = hostname() }: SiteFlags, { look }: Site, key: string): OwnSite {
  const name = as ?? look.identityName ?? nameFromHost(host);
  if (name === undefined)
    throw daemonError("usage", `reading the command line: "${host}" gives this host no name for others: say --as NAME`);
  const reading = readPeerName(name);
  if (reading.kind === "value") return { name, key, host };
  throw daemonError(
    "usage",
    `finding what this host is called (--as NAME, or name of [identity]): ${reading.why}: ${reading.advice}`,
  );
}
