/**
 * The command lines that are measured beside each other: mailtwin, what a user would run instead, and the floor.
 */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "./run-contender.js";

export const CONTENDER_NAMES = ["mailtwin", "rsync", "cp"] as const;
export type ContenderName = (typeof CONTENDER_NAMES)[number];

export interface Copying {
  readonly source: string;
  readonly target: string;
  /** Where mailtwin keeps its state for this pair. */
  readonly state: string;
}

export interface Contender {
  readonly name: ContenderName;
  /** Must its copy have the very same names and files, or what IMAP shows? */
  readonly copiesExactly: boolean;
  readonly command: (copying: Copying) => Command;
}

/** A command that brings `target` to the state of `source`, for each name. `scratch` holds rsync's bridge. */
export function makeContenders(
  names: readonly ContenderName[],
  options: { readonly mailtwin: readonly string[]; readonly scratch: string },
): readonly Contender[] {
  const bridge = makeRsyncBridge(options.scratch);
  return names.map((name) => contenderNamed(name, options.mailtwin, bridge));
}

/** rsync's "remote shell": drops the host and runs the other end here, so that the two ends speak over a pipe. */
export function makeRsyncBridge(scratch: string): string {
  const bridge = join(scratch, "bridge");
  writeFileSync(bridge, '#!/bin/sh\nshift\nexec /bin/sh -c "$*"\n');
  chmodSync(bridge, 0o755);
  return bridge;
}

function contenderNamed(name: ContenderName, mailtwin: readonly string[], bridge: string): Contender {
  switch (name) {
    case "mailtwin":
      return { name, copiesExactly: false, command: (copying) => ({ argv: mailtwinSync(mailtwin, copying) }) };
    case "rsync":
      return {
        name,
        copiesExactly: true,
        command: (copying) => rsyncOver(bridge, copying),
      };
    case "cp":
      return {
        name,
        copiesExactly: true,
        command: ({ source, target }) => ({ argv: ["cp", "-a", "-T", source, target] }),
      };
  }
}

/** `rsync -a` over the bridge, with further options. */
export function rsyncOver(
  bridge: string,
  { source, target }: Pick<Copying, "source" | "target">,
  ...more: readonly string[]
): Command {
  return {
    argv: ["rsync", "-a", ...more, "--stats", "-e", bridge, `${source}/`, `x:${target}/`],
    wireBytes: rsyncWireBytes,
  };
}

/** `sync SRC DST --state DIR` and what follows. */
export function mailtwinSync(
  mailtwin: readonly string[],
  copying: Copying,
  ...more: readonly string[]
): readonly string[] {
  return [...mailtwin, "sync", copying.source, copying.target, "--state", copying.state, ...more];
}

function rsyncWireBytes(output: string): number | undefined {
  const sent = /Total bytes sent: ([0-9,.]+)/.exec(output)?.[1];
  const received = /Total bytes received: ([0-9,.]+)/.exec(output)?.[1];
  if (sent === undefined || received === undefined) return undefined;
  return Number(sent.replace(/\D/g, "")) + Number(received.replace(/\D/g, ""));
}
