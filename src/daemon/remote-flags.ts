/** What a command line says of another host: HOST:PATH, and how to get there. */
import { lstatSync } from "node:fs";
import { parseRemotePath, type RemotePath } from "../wire/address.js";

export interface RemoteFlags {
  /** A command, split at spaces. */
  readonly rsh?: string;
  readonly remoteMailtwin?: string;
}

export interface RemoteProgram {
  /** ssh, and the program over there, word by word; undefined: "ssh", "mailtwin serve --stdio". */
  readonly program: readonly string[] | undefined;
  readonly remoteCommand: readonly string[] | undefined;
}

export function remoteProgramOf({ rsh, remoteMailtwin }: RemoteFlags): RemoteProgram {
  const words = (command: string | undefined) => command?.split(" ").filter((word) => word !== "");
  const mailtwin = words(remoteMailtwin);
  return {
    program: words(rsh),
    remoteCommand: mailtwin === undefined ? undefined : [...mailtwin, "serve", "--stdio"],
  };
}

/** A directory of that name on this host comes first; what has a slash before the colon is a path of this host, and is not looked at. */
export function remoteAt(text: string): RemotePath | undefined {
  const isPath = !/^[^/]*:/.test(text);
  return isPath || lstatSync(text, { throwIfNoEntry: false }) !== undefined ? undefined : parseRemotePath(text);
}
