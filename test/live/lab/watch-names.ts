/**
 * A process that only watches directories and counts the names that it was told of in each: stopped and continued together with
 * a twin, it shows whether the kernel dropped events meanwhile. They share one queue of the kernel's, as a twin's do.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const PROGRAM = `
const namesOf = process.argv.slice(1).map((directory) => {
  const names = new Set();
  require("node:fs").watch(directory, (_, name) => names.add(name));
  return names;
});
process.stdin.on("data", () => setImmediate(() => console.log(namesOf.map((names) => names.size).join())));
process.stdin.on("end", () => process.exit());
console.log("watching");
`;

export interface NameWatch extends AsyncDisposable {
  /** SIGSTOP and SIGCONT. */
  pause(): void;
  resume(): void;
  /** Names told of so far, by directory. */
  namesTold(): Promise<readonly number[]>;
}

/** Returns once the directories are watched. */
export async function watchNames(directories: readonly string[]): Promise<NameWatch> {
  const child = spawn(process.execPath, ["-e", PROGRAM, ...directories], { stdio: ["pipe", "pipe", "inherit"] });
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
      return (await nextLine()).split(",").map(Number);
    },
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}
