/** `mailtwin status`: once, or every second. */
import { systemClock } from "../../base/clock.js";
import { EX, MailtwinError } from "../../base/errors.js";
import { surroundingsOfProcess } from "../config/load-config.js";
import type { Output } from "../output.js";
import { canRedraw } from "../progress-line.js";
import { asSentence } from "../words.js";
import { askDaemon, type ControlPlace } from "./control-client.js";
import { type ControlFlags, findControl } from "./find-control.js";
import { type DaemonStatus, levelOf, withLevels } from "./status.js";
import { statusSchema } from "./status-schema.js";
import { formatStatus, summarizeStatus } from "./status-text.js";

export interface StatusFlags extends ControlFlags {
  readonly watch?: boolean;
  readonly check?: boolean;
}

const EVERY_MS = 1_000;
const CLEAR = "\x1b[H\x1b[2J";

/** Returns the exit code. Throws what `findControl` and `askDaemon` do. */
export async function showStatus(flags: StatusFlags, output: Output): Promise<number> {
  const place = findControl(flags, surroundingsOfProcess(), output);
  const first = await askStatus(place);
  if (flags.watch !== true) {
    output.out(flags.json === true ? jsonLine(first) : formatStatus(first));
    return codeOf(first, flags);
  }
  return watch(place, { flags, first }, output);
}

/** A daemon that is started anew meanwhile is found again. Ends at Ctrl-C, or when nobody reads any more. */
async function watch(
  place: ControlPlace,
  { flags, first }: { readonly flags: StatusFlags; readonly first: DaemonStatus },
  output: Output,
): Promise<number> {
  const stop = new AbortController();
  const onEnd = (): void => stop.abort();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, onEnd);
  process.stdout.once("error", onEnd).once("close", onEnd);
  const show = printerOf(flags, output);
  let last: DaemonStatus | MailtwinError = first;
  for (show(last); await passes(EVERY_MS, stop.signal); show(last)) last = await askOrRefusal(place, stop.signal, last);
  return last instanceof MailtwinError ? last.exitCode : codeOf(last, flags);
}

/** False when it was stopped before. */
async function passes(ms: number, signal: AbortSignal): Promise<boolean> {
  await systemClock.sleep(ms, signal).catch(() => undefined);
  return !signal.aborted;
}

async function askOrRefusal(
  place: ControlPlace,
  signal: AbortSignal,
  before: DaemonStatus | MailtwinError,
): Promise<DaemonStatus | MailtwinError> {
  try {
    return await askStatus(place, signal);
  } catch (error) {
    if (signal.aborted) return before;
    if (error instanceof MailtwinError) return error;
    throw error;
  }
}

function printerOf({ json }: StatusFlags, { out }: Output): (last: DaemonStatus | MailtwinError) => void {
  if (json === true)
    return (last) =>
      out(last instanceof MailtwinError ? `${JSON.stringify({ error: wordsOf(last) })}\n` : jsonLine(last));
  if (canRedraw([process.stdout], process.env["TERM"]))
    return (last) =>
      out(
        `${CLEAR}${last instanceof MailtwinError ? `${asSentence(last.message)}\n${last.hint}\n` : formatStatus(last)}`,
      );
  return (last) => out(`${last instanceof MailtwinError ? last.message : summarizeStatus(last)}\n`);
}

function wordsOf({ code, message, hint, exitCode }: MailtwinError) {
  return { code, message, hint, exitCode };
}

async function askStatus(place: ControlPlace, signal?: AbortSignal): Promise<DaemonStatus> {
  return askDaemon(place, { method: "GET", route: "status", answer: statusSchema }, signal);
}

function jsonLine(status: DaemonStatus): string {
  return `${JSON.stringify(withLevels(status))}\n`;
}

function codeOf(status: DaemonStatus, { check }: StatusFlags): number {
  return check === true && levelOf(status) === "needs-you" ? EX.PARTIAL : EX.OK;
}
