/** The lab's own network: what a cut means, in either kind, and that nothing is left behind. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { until } from "../lab/until.js";
import { openNamespaces } from "./namespaces.js";
import { type Network, openNetwork } from "./network.js";

const isRoot = process.getuid?.() === 0;

/** Answers each line; says first that it listens. */
const ECHO = `require("net").createServer((s) => s.on("error", () => {}).pipe(s)).listen(+process.argv[2], process.argv[1], () => console.log("listening"))`;
/** Sends a line whenever it is told to, and prints what comes back. */
const CLIENT = `const s = require("net").connect(+process.argv[2], process.argv[1], () => console.log("connected"));
s.pipe(process.stdout); process.stdin.pipe(s);`;

describe.each(["namespaces", "loopback"] as const)("sites in a network of the kind %s", (kind) => {
  test.skipIf(kind === "namespaces" && !isRoot)(
    "hear nothing across a line that is cut, and all of it later",
    async () => {
      await using network = await openNetwork(["a", "b", "c"], kind);
      const listeners = await Promise.all(["b", "c"].map((site) => runAt(network, site, ECHO, network.listenAt(site))));
      await Promise.all(listeners.map((listener) => listener.untilSaid("listening")));
      const [toB, toC] = await Promise.all(
        ["b", "c"].map((site) => runAt(network, "a", CLIENT, network.addressOf("a", site))),
      );
      for (const client of [toB, toC]) await client?.untilSaid("connected");
      toB?.say("one\n");
      await toB?.untilSaid("one");

      await network.cut("a", "b");
      toB?.say("two\n");
      for (const word of ["three\n", "four\n"]) {
        toC?.say(word); // the other line is as it was.
        await toC?.untilSaid(word);
      }
      expect(toB?.said()).not.toContain("two");
      await network.heal("a", "b");
      await toB?.untilSaid("two");
    },
  );
});

test.skipIf(!isRoot)("namespaces of a process that is gone are removed", async (context) => {
  const gone = spawn("true");
  await once(gone, "close");
  const name = `mtl-${gone.pid}-abcdef-a`;
  try {
    execFileSync("ip", ["netns", "add", name], { stdio: "ignore" });
  } catch {
    context.skip("no namespaces here");
  }
  const opened = await openNamespaces(["a", "b"]);
  if (opened.kind === "opened") {
    expect(listed()).toContain(`mtl-${process.pid}-`);
    await opened.network[Symbol.asyncDispose]();
  }
  expect(listed()).not.toContain(name);
  expect(listed()).not.toContain(`mtl-${process.pid}-`);
});

function listed(): string {
  return execFileSync("ip", ["netns", "list"], { encoding: "utf8" });
}

interface Running {
  said(): string;
  untilSaid(word: string): Promise<void>;
  say(word: string): void;
}

async function runAt(network: Network, site: string, script: string, hostPort: string): Promise<Running> {
  const [host = "", port = ""] = hostPort.split(":");
  const [program = "", ...args] = [...network.commandAt(site), process.execPath, "-e", script, host, port];
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  return {
    said: () => said,
    untilSaid: (word) => until(`${site} to say ${word}`, () => said.includes(word), { detail: () => said }),
    say: (word) => void child.stdin.write(word),
  };
}
