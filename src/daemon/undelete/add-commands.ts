/** The words of `mailtwin undelete` on the command line. What they do is loaded late. */
import type { Command } from "commander";
import { exitWith } from "../exit-code.js";
import type { Output } from "../output.js";
import type { LimboFlags } from "./find-limbos.js";
import type { ListFlags } from "./list-command.js";
import type { RestoreFlags } from "./restoring.js";

export function addUndeleteCommands(program: Command, output: Output): void {
  const undelete = program.command("undelete").description("what replication removed, and is still to be had back");
  withPlace(undelete.command("list"))
    .description("what is in the limbo: whose it was, when it went, and why")
    .action((source: string | undefined, destination: string | undefined, flags: ListFlags) =>
      exitWith(flags, output, async () =>
        (await isFar(destination, flags))
          ? (await import("./list-far.js")).listFar(source, destination, flags, output)
          : (await import("./list-command.js")).listRemoved(source, destination, flags, output),
      ),
    );
  withPlace(undelete.command("restore"))
    .description("put it back at the source, as new mail under a new UID")
    .option("--uid <uid>", "the message that had this UID (with --mailbox); may be said again", gathered)
    .option("--name <name>", "what the list names so; may be said again", gathered)
    .option("--all", "all that is found (with --mailbox, or -u)")
    .option("--to <dir>", "into this Maildir instead, which is made if it is not there")
    .option("-n, --dry-run", "say what would be done, and do nothing")
    .action((source: string | undefined, destination: string | undefined, flags: RestoreFlags) =>
      exitWith(flags, output, async () =>
        (await isFar(destination, flags))
          ? (await import("./restore-far.js")).restoreFar(source, destination, flags, output)
          : (await import("./restore-command.js")).restoreAlone(source, destination, flags, output),
      ),
    );
}

function gathered(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function withPlace(command: Command): Command {
  return command
    .argument("[SRC]", "of a local twin, as `mailtwin sync` has it; none: the daemon's stores that have a source")
    .argument("[DST]", "its twin, here or HOST:PATH")
    .option("-u, --user <user>", "only this user's mail")
    .option("--mailbox <name>", "only of this mailbox, as clients name it, or by its path in the store")
    .option("--since <time>", 'only what was removed since then: "2026-11-29", "2026-11-29T12:00Z", "2d"')
    .option("--state <dir>", "the state directory of that `sync`; without SRC and DST together with --scratch")
    .option("--scratch <dir>", "its scratch directory")
    .option("--config <file>", "of the daemon, instead of /etc/mailtwin/mailtwin.toml")
    .option("--store <name>", "only this store of the configuration")
    .option("--replica <replica>", "on the source's host: of this replica of the running daemon, over its link")
    .option("--control <path>", "the socket of that daemon, instead of the one that the configuration names")
    .option("-e, --rsh <command>", "what connects to the host of DST, instead of ssh; split at spaces")
    .option("--remote-mailtwin <command>", "mailtwin on that host; split at spaces (default: mailtwin)")
    .option("--json", "one JSON object a line, for machines");
}

/** Whether the limbo is on another host, and asked for over a link. */
async function isFar(destination: string | undefined, { replica }: LimboFlags): Promise<boolean> {
  if (replica !== undefined) return true;
  return destination !== undefined && (await import("../remote-flags.js")).remoteAt(destination) !== undefined;
}
