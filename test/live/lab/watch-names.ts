/**
 * A process that only watches one directory and counts the names that it was told of: stopped and continued together with
 * a twin, it shows whether the kernel dropped events meanwhile.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const PROGRAM = `
const names = new Set();
require("node:fs").watch(process.argv[1], (_, name) => names.add(name));
process.stdin.on("data", () => setImmediate(() => console.log(names.size)));
process.stdin.on("end", () => process.exit());
console.log("watching");
`;

export interface NameWatch extends AsyncDisposable {
  /** SIGSTOP and SIGCONT. */
  pause(): void;
  resume(): void;
  /** Names told of so far. */
  namesTold(): Promise<number>;
}

/** Returns once the directory is watched. */
export async function watchNames(directory: string): Promise<NameWatch> {
  const child = spawn(process.execPath, ["-e", PROGRAM, directory], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => {
    const next = await lines.next();
    if (next.done === true) throw new Error("the watching process has ended");
    return next.value;
  };
  await nextLine();
  return {
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    namesTold: async () => {
      child.stdin.write("?");
      return Number(await nextLine());
    },
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}
