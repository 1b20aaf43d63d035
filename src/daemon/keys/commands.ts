/** `keygen` and `pair`: names, flags, help. What they do is loaded late. */
import type { Command } from "commander";
import { exitWith } from "../exit-code.js";
import type { Output } from "../output.js";
import type { KeygenFlags } from "./keygen-command.js";
import type { PairFlags } from "./pair-command.js";

const PAIR_HELP = `
Without arguments: what any other host is to be told of this one. With NAME: the same for that host, with the rights and stores that
the configuration here implies. With NAME and KEY: writes conf.d/peer-NAME.toml beside the configuration, with the rights that the
stores need which name this peer; refuses what would make the configuration wrong.

KEY comes from the other host by a way that you trust: ssh, or a person.`;

export function addKeyCommands(program: Command, output: Output): void {
  withPlace(program.command("keygen"))
    .description("make the key of this host, by which others know it; never replaces one")
    .option(
      "--renew",
      "give the key that is there a new certificate; its name stays. A daemon takes it at mailtwin reload",
    )
    .action((flags: KeygenFlags) =>
      exitWith(flags, output, async () => (await import("./keygen-command.js")).generateKey(flags, output)),
    );
  withPlace(program.command("pair"))
    .description("tell another host of this one, and this one of another")
    .argument("[NAME]", "what the other host is called here")
    .argument("[KEY]", "the name of its key, as mailtwin keygen and mailtwin pair say it there: sha256:…")
    .option("--as <name>", "what this host is called there (default: the first part of its host name)")
    .option("--host <host>", "where this host is dialled (default: its host name)")
    .option("--may-read <store>", "let it fetch this store when it dials in; may be given again", collect)
    .option("--may-write <store>", "let it send to this store when it dials in; may be given again", collect)
    .addHelpText("after", PAIR_HELP)
    .action((name: string | undefined, key: string | undefined, flags: PairFlags) =>
      exitWith(flags, output, async () => (await import("./pair-command.js")).pairWith({ name, key }, flags, output)),
    );
}

function withPlace(command: Command): Command {
  return command
    .option("--config <file>", "instead of /etc/mailtwin/mailtwin.toml")
    .option("--key <file>", "the key file, instead of the one that the configuration names")
    .option("--json", "as JSON, for machines");
}

function collect(store: string, before: readonly string[] = []): readonly string[] {
  return [...before, store];
}
