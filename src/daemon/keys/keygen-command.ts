/** `mailtwin keygen`: makes this host's key, or gives it a new certificate, and says what others are to be told. */
import { hostname } from "node:os";
import { dirname } from "node:path";
import { systemClock } from "../../base/clock.js";
import { EX } from "../../base/errors.js";
import { createSiteKey, renewSiteKey } from "../../wire/keys.js";
import { surroundingsOfProcess } from "../config/load-config.js";
import { makeLevel } from "../make-level.js";
import type { Output } from "../output.js";
import { nameFromHost } from "./peer-toml.js";
import { keyFileOf, lookAtSite, type Site, type SiteFlags } from "./site.js";

export interface KeygenFlags extends SiteFlags {
  readonly renew?: boolean;
}

const DIRECTORY_MODE = 0o755;

/** Returns the exit code. Throws: key-exists, key-unusable, key-nowhere, config-missing, usage, system errors. */
export async function generateKey(flags: KeygenFlags, output: Output): Promise<number> {
  const site = lookAtSite(flags, surroundingsOfProcess(), { isToCome: true });
  const file = keyFileOf(flags, site);
  const isNew = flags.renew !== true;
  if (isNew && flags.key === undefined) makeLevel(dirname(file.path), DIRECTORY_MODE);
  const nowMs = systemClock.nowMs();
  const key = isNew ? await createSiteKey(file, nowMs) : await renewSiteKey(file, nowMs);
  const validUntil = new Date(key.validUntilMs).toISOString();
  if (flags.json === true) output.out(`${JSON.stringify({ path: file.path, name: key.name, validUntil })}\n`);
  else if (isNew) output.out(wordsOfNew(file.path, key.name, site));
  else output.out(wordsOfRenewed(file.path, key.name, validUntil));
  return EX.OK;
}

/** A daemon reads its key as it begins, and as it is reloaded. */
function wordsOfRenewed(path: string, keyName: string, validUntil: string): string {
  const lines = [
    `${path}: valid until ${validUntil}; the key and its name are as before:`,
    keyName,
    "A running daemon shows the former certificate until mailtwin reload; a restart is not needed.",
    "No other host has to be told.",
  ];
  return `${lines.join("\n")}\n`;
}

function wordsOfNew(path: string, keyName: string, { look, main, read }: Site): string {
  const name = look.identityName ?? nameFromHost(hostname()) ?? "NAME";
  const identity = [
    "",
    `On this host, in ${main ?? "the configuration"}${read === undefined ? ", which is to be written" : ""}:`,
    "[identity]",
    `key = ${JSON.stringify(path)}`,
  ];
  const lines = [
    `made ${path}; the name of the key, which anybody may see:`,
    keyName,
    ...(look.identityKey === path ? [] : identity),
    ...["", `On each other host, where this one is called ${name}:`, `mailtwin pair ${name} ${keyName}`],
  ];
  return `${lines.join("\n")}\n`;
}
