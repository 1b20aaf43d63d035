/**
 * In ssh's place: starts the other end on this host and counts the bytes that go through both its pipes, as the link wrote them.
 *
 * `node wire-counter.js REPORT [ssh's options] HOST -- COMMAND`. REPORT is there when it has ended: `SENT RECEIVED`, seen from whoever
 * started it. It ends with the command's exit code.
 */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";

const [report = "", ...words] = process.argv.slice(2);
const command = words.slice(words.indexOf("--") + 1).join(" ");
const other = spawn("/bin/sh", ["-c", command], { stdio: ["pipe", "pipe", "inherit"] });
let sent = 0;
let received = 0;

// Whoever closes the link ends the whole group: the other end decides when it is over, and everything is counted.
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => undefined);
for (const pipe of [process.stdout, process.stdin, other.stdin]) pipe.on("error", () => undefined); // the other side is gone.

process.stdin.on("data", (bytes: Buffer) => {
  sent += bytes.length;
});
other.stdout.on("data", (bytes: Buffer) => {
  received += bytes.length;
});
process.stdin.pipe(other.stdin);
other.stdout.pipe(process.stdout);
other.once("error", (error) => {
  process.stderr.write(`starting ${command}: ${error.message}\n`);
  process.exitCode = 127;
});
other.once("close", (code) => {
  writeFileSync(report, `${sent} ${received}\n`);
  process.exitCode ??= code ?? 1;
  process.stdin.destroy();
});
