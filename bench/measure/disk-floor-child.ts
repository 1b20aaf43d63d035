/**
 * A process of its own that asks the disk all the time how long one small durable write takes: appends 60 bytes to a file
 * and calls fdatasync, every 50 ms.
 *
 * Parent to child: `{ path }` once, then `{ report: true }` as often as wanted; child to parent: `"probing"`, then arrays of
 * [from, to] in monotonic milliseconds with the writes since the last report. While a write waits the answer waits too, so a
 * report never lacks the stall that is going on. The file goes when the parent disconnects.
 */
import { closeSync, fdatasyncSync, openSync, unlinkSync, writeSync } from "node:fs";
import { monotonicMs } from "./clock.js";

export type ProbeRequest = { readonly path: string } | { readonly report: true };
export type ProbeReply = "probing" | readonly (readonly [fromMs: number, toMs: number])[];

const EVERY_MS = 50;
const LINE = Buffer.from(`${"x".repeat(59)}\n`);

let file: { readonly path: string; readonly fd: number } | undefined;
let unreported: [number, number][] = [];

function write(fd: number): void {
  const fromMs = monotonicMs();
  writeSync(fd, LINE);
  fdatasyncSync(fd);
  unreported.push([fromMs, monotonicMs()]);
}

process.on("message", (request: ProbeRequest) => {
  if ("path" in request) {
    const fd = openSync(request.path, "wx", 0o600);
    file = { path: request.path, fd };
    write(fd);
    // What a long write kept from happening is not made up for: intervals that passed meanwhile are dropped.
    setInterval(write, EVERY_MS, fd);
    process.send?.("probing" satisfies ProbeReply);
  } else {
    process.send?.(unreported satisfies ProbeReply);
    unreported = [];
  }
});
process.on("disconnect", () => {
  if (file !== undefined) {
    closeSync(file.fd);
    unlinkSync(file.path);
  }
  process.exitCode = 0;
  process.exit();
});
// The terminal's interrupt is the parent's business.
process.on("SIGINT", () => undefined);
