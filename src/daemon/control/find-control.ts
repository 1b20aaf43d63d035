/**
 * Where the socket of the daemon is that a command means: as the command line says, else as the configuration does. Whoever is in the
 * daemon's group and has no configuration of his own means the system's daemon.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { MailtwinError } from "../../base/errors.js";
import { defaultConfigFile, defaultControl, type Surroundings } from "../config/default-places.js";
import { loadConfig, tellingRefusalOf } from "../config/load-config.js";
import { onOneLine } from "../config/problem.js";
import { daemonError } from "../errors.js";
import type { Output } from "../output.js";
import type { ControlPlace } from "./control-client.js";

export interface ControlFlags {
  readonly control?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** Where the configuration is wrong, what is right of it still says, or the default is meant; that is told. Throws: usage, config-missing. */
export function findControl(
  flags: ControlFlags,
  surroundings: Surroundings,
  output: Pick<Output, "err">,
): ControlPlace {
  if (flags.control === "") throw daemonError("usage", 'reading the command line: --control is empty ("")');
  if (flags.control !== undefined) return { path: resolve(flags.control), foundBy: "as --control says" };
  const own = flags.config ?? defaultConfigFile(surroundings);
  if (flags.config === undefined && !surroundings.isRoot && (own === undefined || !existsSync(own)))
    return systemControl(surroundings);
  return controlOf(flags.config, surroundings, output);
}

function systemControl(surroundings: Surroundings): ControlPlace {
  const system = { ...surroundings, isRoot: true };
  const ignored = { err: () => undefined };
  try {
    return controlOf(defaultConfigFile(system), system, ignored);
  } catch (error) {
    // It may be for root's eyes only; the socket need not be.
    if (!(error instanceof MailtwinError)) throw error;
    return { path: defaultControl(system, "/"), foundBy: "the system's own; --control or --config names another one" };
  }
}

/** A daemon that runs goes on with the configuration that it had: it has to be found though the file is wrong now. */
function controlOf(file: string | undefined, surroundings: Surroundings, output: Pick<Output, "err">): ControlPlace {
  const loaded = loadConfig(file, surroundings);
  const [main = ""] = loaded.files;
  if (loaded.kind === "right") return { path: loaded.config.control, foundBy: `as ${main} says` };
  const { control, problems } = loaded;
  output.err(
    `warning: ${tellingRefusalOf(main, problems).message} (the daemon is looked for at ${onOneLine(control)}; --control names another socket)\n`,
  );
  return { path: control, foundBy: `as what is right of ${main} says` };
}
