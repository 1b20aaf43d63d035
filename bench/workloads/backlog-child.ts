/**
 * A process of its own that says how far a replica is behind: it lists both mailboxes, the source first, and counts the names of
 * the source that the replica does not have. inotify would not do: its queue holds 16,384 events, and more are lost in silence.
 *
 * Parent to child: `{ source, target }` once, then `{ sourceRests }` as often as wanted; child to parent: `"ready"`, then [names
 * that are missing, monotonic milliseconds when the replica was listed]. A source that rests is listed once. While it changes, a
 * mail that was renamed between the two listings counts as missing: the number is never too small.
 */
import { readdirSync } from "node:fs";
import { monotonicMs } from "../measure/clock.js";
import { namesBehind } from "./names-behind.js";

export type BacklogRequest = { readonly source: string; readonly target: string } | { readonly sourceRests: boolean };
export type BacklogReply = "ready" | readonly [behind: number, atMs: number];

let paths = { source: "", target: "" };
let resting: readonly string[] | undefined;

function namesIn(mailbox: string): readonly string[] {
  return ["new", "cur"].flatMap((place) => readdirSync(`${mailbox}/${place}`, { encoding: "latin1" }));
}

process.on("message", (request: BacklogRequest) => {
  if ("source" in request) {
    paths = request;
    process.send?.("ready" satisfies BacklogReply);
    return;
  }
  const names = (request.sourceRests ? resting : undefined) ?? namesIn(paths.source);
  resting = request.sourceRests ? names : undefined;
  const atMs = monotonicMs();
  const behind = namesBehind(names, namesIn(paths.target));
  process.send?.([behind, atMs] satisfies BacklogReply);
});
process.on("disconnect", () => {
  process.exitCode = 0;
  process.exit();
});
// The terminal's interrupt is the parent's business.
process.on("SIGINT", () => undefined);
