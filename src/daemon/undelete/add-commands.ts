/** The words of `mailtwin undelete` on the command line. What they do is loaded late. */
import type { Command } from "commander";
import { exitWith } from "../exit-code.js";
import type { Output } from "../output.js";
import type { ListFlags } from "./list-command.js";
import type { RestoreFlags } from "./restore-command.js";

export function addUndeleteCommands(program: Command, output: Output): void {
  const undelete = program.command("undelete").description("what replication removed, and is still to be had back");
  withPlace(undelete.command("list"))
    .description("what is in the limbo: whose it was, when it went, and why")
    .action((source: string | undefined, destination: string | undefined, flags: ListFlags) =>
      exitWith(flags, output, async () =>
        (await import("./list-command.js")).listRemoved(source, destination, flags, output),
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
        (await import("./restore-command.js")).restoreRemoved(source, destination, flags, output),
      ),
    );
}

function gathered(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function withPlace(command: Command): Command {
  return command
    .argument("[SRC]", "of a local twin, as `mailtwin sync` has it; none: the daemon's stores that have a source")
    .argument("[DST]", "its twin")
    .option("-u, --user <user>", "only this user's mail")
    .option("--mailbox <name>", "only of this mailbox, as clients name it, or by its path in the store")
    .option("--since <time>", 'only what was removed since then: "2026-11-29", "2026-11-29T12:00Z", "2d"')
    .option("--state <dir>", "the state directory of that `sync`; without SRC and DST together with --scratch")
    .option("--scratch <dir>", "its scratch directory")
    .option("--config <file>", "of the daemon, instead of /etc/mailtwin/mailtwin.toml")
    .option("--store <name>", "only this store of the configuration")
    .option("--json", "one JSON object a line, for machines");
}
