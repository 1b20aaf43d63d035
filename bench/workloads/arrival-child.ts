/**
 * A process of its own that notes when names appear in directories: the clock of live workloads, away from the work that is
 * measured. inotify tells within half a millisecond.
 *
 * Parent to child: `{ watch: [directories] }`, then `{ report: true }` as often as wanted; child to parent: `"watching"`,
 * then arrays of [base name, monotonic milliseconds] with what is new since the last report. It ends when the parent
 * disconnects.
 */
import { watch } from "node:fs";
import { monotonicMs } from "../measure/clock.js";

export type ArrivalRequest = { readonly watch: readonly string[] } | { readonly report: true };
export type ArrivalReply = "watching" | readonly (readonly [base: string, atMs: number])[];

const seen = new Set<string>();
let unreported: [string, number][] = [];

function send(reply: ArrivalReply): void {
  process.send?.(reply);
}

function note(event: string, name: string | null): void {
  if (event !== "rename" || name === null) return;
  const base = name.split(":", 1)[0] ?? name;
  if (seen.has(base)) return;
  seen.add(base);
  unreported.push([base, monotonicMs()]);
}

process.on("message", (request: ArrivalRequest) => {
  if ("watch" in request) {
    for (const directory of request.watch) watch(directory, { encoding: "latin1" }, note);
    send("watching");
  } else {
    send(unreported);
    unreported = [];
  }
});
process.on("disconnect", () => {
  process.exitCode = 0;
  process.exit();
});
// The terminal's interrupt is the parent's business.
process.on("SIGINT", () => undefined);
