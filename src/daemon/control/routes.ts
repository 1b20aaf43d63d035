/**
 * What the control socket answers to which request: a total table from method and path to a call of the daemon.
 *
 * INVARIANT: whatever comes in, and whatever the daemon throws, an answer comes out.
 */
import * as z from "zod";
import { type ErrorRecord, EX, MailtwinError, recordOfError } from "../../base/errors.js";
import { parseMailboxGuid } from "../../maildir/ids.js";
import { isLimboEntry, isLimboFile, LIMBO_READ_MAX } from "../../wire/limbo.js";
import { controlError } from "../control-errors.js";
import type { DaemonControl, DeletionsAnswer } from "./daemon-control.js";
import { receiverNamed, replicaNamed, storeNamed, targetsNamed } from "./targets.js";

export interface ControlRequest {
  readonly method: string;
  /** As it stands in the request line. */
  readonly path: string;
  readonly body: Buffer;
}

export interface ControlAnswer {
  readonly status: number;
  /** JSON. */
  readonly text: string;
  /** A defect of ours, to be logged. */
  readonly defect?: unknown;
}

/** Names of stores, replicas, users, mailboxes: the longest path of the system, with a byte each as "\xNN". */
const name = z.string().min(1).max(16_384);
const wish = { user: name.optional(), mailbox: name.optional() };
const SETTLE_MS_MAX = 3_600_000;
/** Messages of a question. */
const FETCHED_MAX = 256;
const uid = z.int().min(1).max(0xffff_ffff);

type Call = (control: DaemonControl, body: unknown, signal: AbortSignal) => unknown;

/** A body that is not of its form is refused before anything is done. */
function taking<T>(
  schema: z.ZodType<T>,
  call: (control: DaemonControl, query: T, signal: AbortSignal) => unknown,
): Call {
  return (control, body, signal) => {
    const parsed = schema.safeParse(body);
    if (parsed.success) return call(control, parsed.data, signal);
    throw controlError("control-invalid", `reading a request: ${z.prettifyError(parsed.error).replaceAll("\n", " ")}`);
  };
}

const limboOf = { store: name, replica: name };
const entry = z.string().refine(isLimboEntry, "it is no name of the limbo");
const limboFile = z.union([z.literal(""), z.string().refine(isLimboFile, "it is no file of a mailbox")]);
const number = z.int().nonnegative();

const oneReplica = z.strictObject({ replica: name });
const oneStore = z.strictObject({ store: name.optional() });
const rejects = z.strictObject({ replica: name, ...wish });

const CALLS: ReadonlyMap<string, Call> = new Map<string, Call>([
  ["GET /v1/status", (control) => control.status()],
  [
    "POST /v1/pause",
    taking(oneReplica, async (control, { replica }) => {
      const target = replicaNamed(control.status(), replica);
      await control.pause(target);
      return target;
    }),
  ],
  [
    "POST /v1/resume",
    taking(oneReplica, async (control, { replica }) => {
      const target = replicaNamed(control.status(), replica);
      await control.resume(target);
      return target;
    }),
  ],
  [
    "POST /v1/fetch-now",
    taking(z.strictObject({ replica: name.optional() }), (control, { replica }) =>
      control.fetchNow(receiverNamed(control.status(), replica)),
    ),
  ],
  [
    "POST /v1/resync",
    taking(
      z.strictObject({
        store: name.optional(),
        replica: name.optional(),
        ...wish,
        clearsPlace: z.boolean().optional(),
      }),
      (control, { user, mailbox, clearsPlace, ...targets }, signal) => {
        const query = { ...targetsNamed(control.status(), targets), user, mailbox, clearsPlace };
        return control.resync(query, signal);
      },
    ),
  ],
  [
    "POST /v1/resync/plan",
    taking(
      z.strictObject({ store: name.optional(), replica: name.optional(), ...wish, verbose: z.boolean().optional() }),
      (control, { user, mailbox, verbose, ...targets }, signal) => {
        const query = { ...targetsNamed(control.status(), targets), user, mailbox, verbose };
        return control.planResync(query, signal);
      },
    ),
  ],
  [
    "POST /v1/verify",
    taking(
      z.strictObject({
        ...{ store: name.optional(), replica: name.optional(), settleMs: z.int().min(0).max(SETTLE_MS_MAX) },
        sample: z.strictObject({ parts: z.int().min(1), turn: z.int().min(0) }).optional(),
        ...{
          repair: z.boolean().optional(),
          trustSource: z.boolean().optional(),
          acceptsUidValidity: z.boolean().optional(),
        },
      }),
      async (control, query, signal) => {
        const { settleMs, sample, repair, trustSource, acceptsUidValidity } = query;
        const targets = targetsNamed(control.status(), query);
        const wish = { settleMs, sample, repair, trustSource, acceptsUidValidity };
        return { replicas: await control.verify({ ...targets, ...wish }, signal) };
      },
    ),
  ],
  [
    "POST /v1/rejects/retry",
    taking(rejects, (control, { replica, user, mailbox }, signal) =>
      control.retry({ ...replicaNamed(control.status(), replica), user, mailbox }, signal),
    ),
  ],
  [
    "POST /v1/rejects/skip",
    taking(rejects, (control, { replica, user, mailbox }, signal) =>
      control.skip({ ...replicaNamed(control.status(), replica), user, mailbox }, signal),
    ),
  ],
  [
    "POST /v1/deletions",
    taking(oneStore, async (control, query): Promise<DeletionsAnswer> => {
      return { stores: await control.deletions(targetsNamed(control.status(), query)) };
    }),
  ],
  [
    "POST /v1/deletions/approve",
    taking(oneStore, async (control, query): Promise<DeletionsAnswer> => {
      return { stores: await control.approveDeletions(targetsNamed(control.status(), query)) };
    }),
  ],
  [
    "POST /v1/deletions/fetch",
    taking(
      z.strictObject({
        ...{ store: name, replica: name, mailbox: z.string().regex(/^[0-9a-f]{32}$/), look: z.boolean() },
        uids: z.array(uid).max(FETCHED_MAX),
      }),
      (control, { store, replica, mailbox, uids, look }, signal) => {
        const target = replicaNamed(control.status(), `${store}/${replica}`);
        return control.fetchHeld({ ...target, mailbox: parseMailboxGuid(mailbox), uids, look }, signal);
      },
    ),
  ],
  [
    "POST /v1/undelete/list",
    taking(
      z.strictObject({
        ...limboOf,
        after: z.strictObject({ removedMs: number, name: z.union([z.literal(""), entry]) }).optional(),
      }),
      (control, { store, replica, after }, signal) =>
        control.limboPage({ ...replicaNamed(control.status(), `${store}/${replica}`), after }, signal),
    ),
  ],
  [
    "POST /v1/undelete/files",
    taking(
      z.strictObject({ ...limboOf, name: entry, after: limboFile }),
      (control, { store, replica, name: row, after }, signal) =>
        control.limboFiles({ ...replicaNamed(control.status(), `${store}/${replica}`), name: row, after }, signal),
    ),
  ],
  [
    "POST /v1/undelete/fetch",
    taking(
      z.strictObject({
        ...limboOf,
        files: z
          .array(z.strictObject({ name: entry, file: limboFile, size: number }))
          .min(1)
          .max(LIMBO_READ_MAX),
      }),
      (control, { store, replica, files }, signal) =>
        control.fetchLimbo({ ...replicaNamed(control.status(), `${store}/${replica}`), files }, signal),
    ),
  ],
  [
    "POST /v1/explain",
    taking(
      z.strictObject({ store: name.optional(), user: name.optional(), mailbox: name, uid }),
      (control, query, signal) => {
        if (query.store !== undefined) storeNamed(control.status(), query.store);
        return control.explain(query, signal);
      },
    ),
  ],
  ["POST /v1/reload", taking(z.strictObject({}), (control) => control.reload())],
]);

/** Never rejects. */
export async function answerTo(
  control: DaemonControl,
  request: ControlRequest,
  signal: AbortSignal,
): Promise<ControlAnswer> {
  try {
    const call = findCall(request);
    const value = await call(control, request.method === "GET" ? undefined : parseBody(request.body), signal);
    return { status: 200, text: JSON.stringify(value) };
  } catch (error) {
    return refusal(error);
  }
}

/** An error as the client gets it. */
export function refusal(error: unknown): ControlAnswer {
  const record = recordOfError(error);
  const isDefect = record.disposition === "bug" || !(error instanceof MailtwinError);
  return { status: statusOf(record), text: JSON.stringify({ error: record }), ...(isDefect ? { defect: error } : {}) };
}

function statusOf({ code, disposition, exitCode }: ErrorRecord): number {
  if (code === "target-unknown") return 404;
  if (code === "target-ambiguous") return 409;
  if (code === "control-invalid") return 400;
  if (disposition === "retry" || exitCode === EX.UNAVAILABLE) return 503;
  return disposition === "bug" ? 500 : 422;
}

function findCall({ method, path }: ControlRequest): Call {
  const call = CALLS.get(`${method} ${path}`);
  if (call !== undefined) return call;
  throw controlError("control-invalid", "reading a request: there is nothing of that name to be asked for");
}

function parseBody(body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw controlError("control-invalid", "reading a request: its body is no JSON", error);
  }
}
