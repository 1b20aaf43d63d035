/**
 * One question to a running daemon, over its control socket.
 *
 * INVARIANT: whoever listens there is given a bounded time, and believed to say only what is of the form that was expected.
 */
import { request } from "node:http";
import type * as z from "zod";
import { systemClock } from "../../base/clock.js";
import { errnoOf, MailtwinError, reviveError } from "../../base/errors.js";
import { whyItFailed } from "../../base/system-error.js";
import { onOneLine } from "../config/problem.js";
import { controlError } from "../control-errors.js";
import { errorSchema } from "./status-schema.js";

export interface ControlPlace {
  readonly path: string;
  /** How it was found, for people: "as /etc/mailtwin/mailtwin.toml says". */
  readonly foundBy: string;
}

export interface Question<T> {
  readonly method: "GET" | "POST";
  readonly route: string;
  readonly body?: object;
  readonly answer: z.ZodType<T>;
  readonly waitMsMax?: number;
  /** For how long it is tried while others fill the queue of the socket. */
  readonly busyMsMax?: number;
}

const WAIT_MS_MAX = 20_000;
const BUSY_MS_MAX = 3_000;
const BUSY_PAUSE_MS = 50;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** Throws: what the daemon refused with; daemon-not-running, control-refused, control-busy, control-lost, control-invalid; the abort reason. */
export async function askDaemon<T>(place: ControlPlace, question: Question<T>, signal?: AbortSignal): Promise<T> {
  const late = AbortSignal.timeout(question.waitMsMax ?? WAIT_MS_MAX);
  const both = signal === undefined ? late : AbortSignal.any([signal, late]);
  const { status, text } = await whenThereIsRoom(place, question, both).catch((error: unknown) => {
    if (signal?.aborted === true) throw signal.reason;
    if (error instanceof MailtwinError) throw error;
    throw late.aborted ? lost(place, "no answer came in time", error) : whyUnasked(place, error);
  });
  const value = parseJson(place, text);
  if (status !== 200) throw reviveRefusal(place, status, value);
  const parsed = question.answer.safeParse(value);
  if (!parsed.success) throw invalid(place, "the answer has another form than that of this release", parsed.error);
  return parsed.data;
}

/** As `exchange`. A connection that the system does not take has asked for nothing: it is tried again for a while. */
async function whenThereIsRoom<T>(place: ControlPlace, question: Question<T>, signal: AbortSignal): Promise<Answer> {
  const untilMs = systemClock.monotonicMs() + (question.busyMsMax ?? BUSY_MS_MAX);
  for (;;) {
    try {
      return await exchange(place, question, signal);
    } catch (error) {
      if (errnoOf(error) !== "EAGAIN" || systemClock.monotonicMs() >= untilMs) throw error;
    }
    await systemClock.sleep(BUSY_PAUSE_MS, signal);
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function exchange<T>(
  place: ControlPlace,
  { method, route, body }: Question<T>,
  signal: AbortSignal,
): Promise<Answer> {
  const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const asked = request({
      ...{ socketPath: place.path, path: `/v1/${route}`, method, signal, agent: false },
      headers: { host: "mailtwin", ...(bytes === undefined ? {} : { "content-length": bytes.length }) },
    });
    asked.once("error", reject);
    asked.once("response", (response) => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on("data", (part: Buffer) => {
        length += part.length;
        parts.push(part);
        if (length > ANSWER_BYTES_MAX) response.destroy(invalid(place, "the answer is too large"));
      });
      response.once("error", reject);
      response.once("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString("utf8") }),
      );
    });
    asked.end(bytes);
  });
}

/** Nobody answered. */
function whyUnasked(place: ControlPlace, error: unknown): MailtwinError {
  const errno = errnoOf(error);
  const why = whyItFailed(error);
  switch (errno) {
    case "ENOENT":
    case "ECONNREFUSED":
    case "ENOTDIR":
    case "ENOTSOCK":
      return controlError(
        "daemon-not-running",
        `asking the daemon at ${shown(place)}: nobody listens there (${why})`,
        error,
      );
    case "EACCES":
    case "EPERM":
      return controlError("control-refused", `asking the daemon at ${shown(place)}: ${why}`, error);
    case "EAGAIN":
      return controlError(
        "control-busy",
        `asking the daemon at ${shown(place)}: too many others ask it at once (${why})`,
        error,
      );
    case "ECONNRESET":
    case "EPIPE":
      return lost(place, `it hung up (${why})`, error);
    default:
      return invalid(place, why, error);
  }
}

function parseJson(place: ControlPlace, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(place, "the answer is no JSON", error);
  }
}

function reviveRefusal(place: ControlPlace, status: number, value: unknown): MailtwinError {
  const written = typeof value === "object" && value !== null && "error" in value ? value.error : undefined;
  const parsed = errorSchema.safeParse(written);
  if (!parsed.success) return invalid(place, `it refused with status ${status}, and no reason`);
  const { message, hint, ...rest } = parsed.data;
  return reviveError({ ...rest, message: onOneLine(message), hint: onOneLine(hint) }); // it goes to a terminal.
}

function lost(place: ControlPlace, why: string, cause?: unknown) {
  return controlError("control-lost", `asking the daemon at ${shown(place)}: ${why}`, cause);
}

function invalid(place: ControlPlace, why: string, cause?: unknown) {
  return controlError("control-invalid", `asking the daemon at ${shown(place)}: ${why}`, cause);
}

function shown({ path, foundBy }: ControlPlace): string {
  return `${path} (${foundBy})`;
}
