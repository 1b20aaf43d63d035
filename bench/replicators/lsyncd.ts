/**
 * lsyncd with rsync, from one directory of this machine to another: the cheapest way in which it can be run. Between hosts ssh is
 * added for each change.
 *
 * What Dovecot makes anew by itself (indexes) and what is not mail yet (tmp/, locks) is left out, as one who knows Maildir would.
 */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";

const STOP_MS_MAX = 10_000;
const WORDS_CHARS_MAX = 4000;

export interface Lsyncd extends AsyncDisposable {
  /** Rejects with what it said when it has ended by itself. */
  readonly stop: () => Promise<void>;
}

/** Starts it; the first copy is under way when it returns. `wrap` puts it into an account. */
export function startLsyncd(
  work: { readonly source: string; readonly target: string; readonly configFile: string; readonly delayS: number },
  wrap: (argv: readonly string[]) => readonly string[],
): Lsyncd {
  writeFileSync(work.configFile, formatLsyncdConfig(work));
  const [program = "", ...args] = wrap(["lsyncd", "-nodaemon", work.configFile]);
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let [words, ended, stopping] = ["", false, false];
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (piece: Buffer) => {
      words = (words + piece.toString("utf8")).slice(-WORDS_CHARS_MAX);
    });
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()));
  void exited.then(() => {
    ended = true;
  });
  const end = async (): Promise<void> => {
    if (!ended) child.kill("SIGTERM");
    const last = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    await exited;
    clearTimeout(last);
  };
  const stop = async (): Promise<void> => {
    if (ended && !stopping) throw new Error(`lsyncd ended by itself\n${words}`);
    stopping = true;
    await end();
  };
  return { stop, [Symbol.asyncDispose]: end };
}

/** Lua. Pure. */
export function formatLsyncdConfig({
  source,
  target,
  delayS,
}: {
  readonly source: string;
  readonly target: string;
  readonly delayS: number;
}): string {
  return `settings {
  nodaemon = true,
}
sync {
  default.rsync,
  source = ${JSON.stringify(source)},
  target = ${JSON.stringify(target)},
  delay = ${delayS},
  delete = true,
  exclude = { "dovecot.index*", "tmp/", "*.lock" },
  rsync = {
    archive = true,
  },
}
`;
}
