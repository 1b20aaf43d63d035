/**
 * Where things are when the configuration does not say: the system's places for root, those of the XDG base directories for
 * everybody else.
 *
 * SOURCE: XDG Base Directory Specification 0.8: a variable that is no absolute path is as one that is not set.
 */
import { posix } from "node:path";

export interface Surroundings {
  readonly isRoot: boolean;
  /** Undefined for a user without a home directory. */
  readonly home: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Undefined where there is no home directory to look in. */
export function defaultConfigFile(surroundings: Surroundings): string | undefined {
  if (surroundings.isRoot) return "/etc/mailtwin/mailtwin.toml";
  return below(xdg(surroundings, "XDG_CONFIG_HOME", ".config"), "mailtwin/mailtwin.toml");
}

/** Undefined where there is no home directory to put it in. */
export function defaultStateDir(surroundings: Surroundings): string | undefined {
  if (surroundings.isRoot) return "/var/lib/mailtwin";
  return below(xdg(surroundings, "XDG_STATE_HOME", ".local/state"), "mailtwin/daemon");
}

/** In the state directory where the session has no directory for sockets. */
export function defaultControl(surroundings: Surroundings, stateDir: string): string {
  if (surroundings.isRoot) return "/run/mailtwin/control.sock";
  return below(xdg(surroundings, "XDG_RUNTIME_DIR"), "mailtwin/control.sock") ?? posix.join(stateDir, "control.sock");
}

function xdg({ env, home }: Surroundings, variable: string, belowHome?: string): string | undefined {
  const value = env[variable];
  if (value !== undefined && posix.isAbsolute(value)) return value;
  return belowHome === undefined ? undefined : below(home, belowHome);
}

function below(directory: string | undefined, path: string): string | undefined {
  return directory === undefined ? undefined : posix.join(directory, path);
}
